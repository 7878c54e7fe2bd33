"""HTML of the page: escaped, in words people use."""

from dataclasses import replace

import pytest

from tests.factories import a_profile, some_needs
from tests.ui.fake_engine import FakeEngine
from wizard.errors import BadNeeds, ModelNotFound, PortTaken, QueueFull
from wizard.nouns import Basis, Explained, ModelRef, Quantity, Source
from wizard.ui import api, app, overlay, pieces, step_quality
from wizard.ui.desk import Desk
from wizard.ui.session import Session


@pytest.fixture
def hosted(tmp_path):
    return Desk(engine=FakeEngine(tmp_path), hosted=True)


def test_what_a_stranger_typed_is_never_markup():
    """An error repeats the input; the input stays text."""
    said = pieces.alert(Explained(code="x", message="<img src=x onerror=alert(1)>", next="${1}"))

    assert "<img" not in said


def test_marks_lie_where_they_were_found():
    """A box by shares of the sides, escaped; an outline as one path for each label."""
    found = {"boxes": [["<cat>", 9, 0.25, 0.5, 0.5, 0.25]]}
    boxed = overlay.drawn("AAAA", found, "Original")
    outlined = overlay.drawn("AAAA", {"map": [[0, 0, 1], [1, 1, 1]]}, "Original")

    assert "left:25.0%;top:50.0%;width:50.0%;height:25.0%" in boxed
    assert "<b>&lt;cat&gt;</b>" in boxed
    assert "alt='Original: &lt;cat&gt;'" in boxed
    assert "<path class='k1' d='M2 0h1v1h-1zM0 1h3v1h-3z'/>" in outlined
    assert overlay.drawn(None, found, "Original") == ""
    assert overlay.drawn("AAAA", {"answers": []}, "Original") == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(8, "8\xa0s"), (130, "2\xa0min 10\xa0s"), (3900, "1\xa0h 5\xa0min")]
)
def test_durations_read_like_speech(seconds, words):
    """No decimals, no colons."""
    assert pieces.duration(seconds) == words


def test_a_forecast_keeps_its_range():
    """A range whose ends read the same is one number."""
    wide = Quantity(value=2, unit="MB", basis=Basis.ESTIMATED, low=1.23, high=4.56)
    narrow = Quantity(value=2, unit="MB", basis=Basis.ESTIMATED, low=2.0, high=2.01)

    assert pieces.span(wide) == "1.2 to 4.6\xa0MB"
    assert pieces.span(narrow) == "2\xa0MB"


@pytest.mark.parametrize("typed", ["/etc", "./x", "~/m", "C:\\m", "..\\m"])
def test_a_hosted_app_refuses_every_folder(hosted, typed):
    """Whether it exists is not told."""
    with pytest.raises(ModelNotFound):
        hosted.ref(typed)


def test_a_hosted_app_reads_no_file_by_name(hosted):
    """The endpoint takes bundled examples only."""
    profile = hosted.engine.examine(ModelRef(source=Source.SAMPLE, name="intents"))
    with pytest.raises(BadNeeds):
        api.needs_of(hosted, profile, {"data": "/etc/passwd"})
    with pytest.raises(BadNeeds):
        api.needs_of(hosted, profile, {"data": "hub:me/set#calibration=/etc/passwd"})


def asked_on_the_page(**answers):
    """What step 3 makes of its widgets' values."""
    view = step_quality.View(*step_quality.View._fields)
    values = dict.fromkeys(step_quality.View._fields) | {"points": 1.0, "data": "hub"} | answers
    return step_quality.read(view, values, some_needs()).data


def test_the_page_says_which_column_is_what():
    """Behind the data set's name, or the file's."""
    columns = "text=utterance, label=intent"

    assert asked_on_the_page(set="me/a", split="dev", columns=columns) == (
        f"hub:me/a::dev#columns={columns}"
    )
    assert asked_on_the_page(data="file", file="/up/a.csv", columns=columns) == (
        f"/up/a.csv#columns={columns}"
    )


@pytest.mark.parametrize("box", ["set", "config", "split"])
def test_a_data_set_s_name_names_no_file_of_the_server(box):
    """Not even behind a sign that the engine would understand."""
    with pytest.raises(BadNeeds):
        asked_on_the_page(**{"set": "me/a", box: "me/a#calibration=/etc/passwd"})
    assert "#calibration" not in asked_on_the_page(set="me/a", columns="text=a#calibration=/b")


@pytest.mark.parametrize("asked", [{"latncy": 5}, {"latency_ms": "5"}, {"priority": "best"}, []])
def test_an_endpoint_checks_its_own_input(hosted, asked):
    """A misspelt key, a text for a number, an unknown word, no object at all."""
    profile = hosted.engine.examine(ModelRef(source=Source.SAMPLE, name="intents"))
    with pytest.raises(BadNeeds):
        api.needs_of(hosted, profile, asked)


@pytest.mark.parametrize("said", ["", "nonsense", "[1]", '{"owner": "<b>", "kept": 7}'])
def test_what_the_browser_remembers_is_checked(said):
    """Whatever it says, the owner is a token of ours."""
    linked, kept, owner = app._recalled(said)

    assert len(owner) == 32
    assert "<" not in linked + kept + owner


def test_a_named_port_that_is_taken_is_said_so():
    """Only without a name is the next free one taken."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(PortTaken):
            app.free_port("127.0.0.1", listener.getsockname()[1])


def test_a_full_queue_never_names_somebody_elses_job(hosted):
    """The id is the key to a run: a stranger who got it could watch and cancel it."""
    said = hosted.explained(QueueFull(waiting=5, hint=" (" + "c0ffee" * 4 + ")"))

    assert "c0ffee" not in said.message + said.next


def test_two_callers_of_the_endpoints_do_not_share_an_owner(hosted):
    """Else one caller's job would block every other caller."""
    start = api._thinking(hosted)[2]
    jobs = [start("sample:intents", {}) for _ in range(2)]

    assert len({hosted.engine.jobs[job].owner for job in jobs}) == 2


def test_endpoints_tell_no_folder_of_this_machine():
    """A name is enough, and nothing looks like a download."""
    said = api._public({"artifact": {"path": "/home/somebody/jobs/1/model.onnx"}, "n": [1]})

    assert said == {"artifact": {"file": "model.onnx"}, "n": [1]}


def test_a_session_can_be_hashed_whatever_its_profile_holds():
    """Gradio hashes its state after every event; a mapping in it must not end the visit."""
    session = Session(profile=a_profile(downloads={"model.safetensors": 5}))

    assert hash(session) == hash(replace(session))
    assert hash(session) != hash(replace(session, answered=1))
