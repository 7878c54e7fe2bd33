"""Every fault of a Hub ends in one sentence, and nothing half-written looks like a model."""

import json
import os
import time

import pytest

from tests.hub_server import Fault, a_hub
from tests.test_intake import BERT, a_weight_file
from wizard import hub, intake, library, limits
from wizard.errors import (
    DiskFull,
    DownloadDamaged,
    DownloadTooSlow,
    HubBusy,
    HubUnreachable,
    RepoGated,
    RepoNotFound,
    TooLarge,
)
from wizard.intake import download
from wizard.nouns import ModelRef, Source

WEIGHTS = "me/tiny/model.safetensors"
CONTENT = a_weight_file() + os.urandom(40_000)
REF = ModelRef(source=Source.HUB, name="me/tiny")


@pytest.fixture(scope="module")
def serving():
    """One hub for all; each test starts with a whole model and no faults."""
    with a_hub() as running:
        yield running


@pytest.fixture
def there(serving, monkeypatch, tmp_path):
    """The hub of this test, with an empty cache."""
    serving.repositories = {
        "me/tiny": {
            "config.json": json.dumps(BERT).encode(),
            "README.md": b"---\nlicense: mit\n---\n",
            "model.safetensors": CONTENT,
        }
    }
    serving.faults, serving.asked, serving.served, serving.facts = {}, [], 0, {}
    serving.token = None
    monkeypatch.setenv("HF_ENDPOINT", serving.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    # The client waits a second between attempts; so long nobody waits in a test.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(download, "PIECE", 2_048)
    yield serving
    hub.sign_in(None)


def fetch(seconds=None, report=lambda fraction, detail: None):
    """The folder of the model."""
    return intake.folder_of(intake.resolve(REF), report, seconds)


def whole_files(tmp_path):
    """What the cache holds under names that anybody would open."""
    return sorted(p.name for p in (tmp_path / "hub").rglob("*.safetensors"))


def sentence(error):
    """One sentence of what happened, without blanks or tracebacks."""
    said = library.explain(error)
    assert "\n" not in said.message
    assert "{" not in said.message
    return said.message


def test_a_whole_download_is_the_announced_one_and_tells_how_far_it_is(there):
    """Large files come by redirect from another host; the bytes are those of the Hub."""
    told = []
    folder = fetch(report=lambda fraction, detail: told.append((fraction, detail)))

    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert "downloaded" in told[0][1]
    assert all(0 <= fraction <= 1 for fraction, _ in told)


def test_a_connection_cut_in_mid_file_is_gone_on_with(there):
    """The client asks for the rest; no byte is fetched twice."""
    there.faults[WEIGHTS] = Fault(cut=30_000, times=1)
    folder = fetch()

    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert there.served < len(CONTENT) + 10_000


def test_a_download_that_was_stopped_is_gone_on_with_by_the_next_process(
    there, monkeypatch, tmp_path
):
    """What came before the end lies under the file's hash and is used again."""
    monkeypatch.setattr(download, "REPORT_SECONDS", 0.0)

    def report(fraction, detail):
        if fraction > 0.3:
            raise KeyboardInterrupt

    there.faults[WEIGHTS] = Fault(drip=0.01)
    with pytest.raises(KeyboardInterrupt):
        fetch(report=report)
    partial = next((tmp_path / "hub").rglob("*.wizard-partial")).stat().st_size
    assert whole_files(tmp_path) == []
    there.faults, there.served = {}, 0
    folder = fetch()

    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert 0 < partial < len(CONTENT)
    # Fetched whole it would be all of it; the answer that was cut may have had a piece under way.
    assert there.served < len(CONTENT) - partial // 4


def test_a_server_without_ranges_sends_it_all_again(there, tmp_path):
    """A partial file is then thrown away, not added to."""
    blobs = hub.cache_of("me/tiny") / "blobs"
    blobs.mkdir(parents=True)
    info = hub.repository(REF).files["model.safetensors"]
    (blobs / f"{info.sha256}{download.PARTIAL}").write_bytes(CONTENT[:5_000])
    there.faults[WEIGHTS] = Fault(no_range=True)

    assert (fetch() / "model.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(body=os.urandom(len(CONTENT))), DownloadDamaged),
        (Fault(body=CONTENT[:-9]), DownloadDamaged),
        (Fault(body=CONTENT + b"more"), DownloadDamaged),
        (Fault(status=503), HubUnreachable),
        (Fault(status=401), HubUnreachable),
        (Fault(cut=0), HubUnreachable),
        (Fault(status=429, headers={"Retry-After": "3600"}), HubBusy),
    ],
    ids=["wrong hash", "too short", "too long", "503", "401", "cut at once", "429"],
)
def test_a_fault_of_the_weights_leaves_no_weights(there, tmp_path, fault, kind):
    """Neither a wrong nor a part of a file ever stands where a model is looked for."""
    there.faults[WEIGHTS] = fault
    with pytest.raises(kind) as caught:
        fetch()

    assert sentence(caught.value)
    assert whole_files(tmp_path) == []
    there.faults = {}
    assert (fetch() / "model.safetensors").read_bytes() == CONTENT


def test_a_small_file_that_is_not_the_announced_one_is_thrown_away(there, tmp_path):
    """The description is checked too, by git's own hash."""
    there.faults["me/tiny/config.json"] = Fault(body=b'{"model_type": "gpt2"}' + b" " * 300)
    with pytest.raises((DownloadDamaged, HubUnreachable)) as caught:
        fetch()

    assert sentence(caught.value)
    assert not list((tmp_path / "hub").rglob("config.json"))


def test_a_wrong_etag_does_not_make_another_file_of_it(there):
    """What counts is the hash that the Hub announced, not what a mirror says on the way."""
    there.faults[WEIGHTS] = Fault(etag="0" * 64)

    assert (fetch() / "model.safetensors").read_bytes() == CONTENT


def test_a_slow_drip_is_given_up_with_its_pace(there, monkeypatch, tmp_path):
    """Nobody waits an hour for what may take a minute; what came is kept for the next time."""
    monkeypatch.setattr(download, "REPORT_SECONDS", 0.05)
    there.faults[WEIGHTS] = Fault(drip=0.1)
    began = time.monotonic()
    with pytest.raises(DownloadTooSlow) as caught:
        fetch(seconds=1.0)

    assert time.monotonic() - began < 3
    assert "kB a second" in sentence(caught.value)
    assert whole_files(tmp_path) == []


def test_a_repository_larger_than_the_disk_is_refused_with_numbers(there, tmp_path):
    """Before a byte of it is fetched."""
    there.faults[WEIGHTS] = Fault(size=300 * 10**9)
    with pytest.raises(DiskFull) as caught:
        fetch()

    assert "300001" in sentence(caught.value)
    assert not any("model.safetensors" in path for _, path, _ in there.asked)


def test_a_repository_above_the_limit_is_refused_with_numbers(there, monkeypatch):
    """A hosted app takes in less than a machine of one's own."""
    monkeypatch.setenv(limits.HOSTED, "1")
    there.faults[WEIGHTS] = Fault(size=5 * 10**9)
    with pytest.raises(TooLarge) as caught:
        fetch()

    assert "5.0 GB" in sentence(caught.value)
    assert "4.0 GB" in sentence(caught.value)


def test_a_busy_hub_is_asked_again_when_the_pause_is_short(there):
    """429 with a Retry-After of a second is no reason to give up."""
    there.faults["me/tiny"] = Fault(status=429, headers={"Retry-After": "1"}, times=2)

    assert intake.resolve(REF).revision == there.sha("me/tiny")


def test_a_busy_hub_says_for_how_long(there):
    """An hour is not waited for."""
    there.faults["me/tiny"] = Fault(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(HubBusy) as caught:
        intake.resolve(REF)

    assert "3600 seconds" in sentence(caught.value)


def test_a_hub_that_stumbles_once_is_asked_again(there):
    """One 502 is not a failure."""
    there.faults["me/tiny"] = Fault(status=502, times=1)

    assert intake.resolve(REF).revision == there.sha("me/tiny")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("gated", RepoGated), ("private", RepoNotFound), (500, HubUnreachable), (404, HubUnreachable)],
)
def test_a_refusal_of_the_description_is_a_sentence(there, fault, kind):
    """401, 403, 404 and 5xx each have their own."""
    there.faults["me/tiny"] = fault
    with pytest.raises(kind) as caught:
        intake.resolve(REF)

    assert sentence(caught.value)


@pytest.mark.parametrize("fault", ["gated", "private"])
def test_a_token_that_may_opens_what_is_closed(there, fault):
    """And it is not sent to the host where the large files lie."""
    there.faults["me/tiny"], there.token = fault, "hf_" + "b" * 34
    hub.sign_in(there.token)
    folder = fetch()

    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert all(said is None for _, path, said in there.asked if path.startswith("/store/"))


def test_nobodys_token_is_nobodys(there, monkeypatch):
    """Where strangers are served, the machine's own login is not lent to them."""
    monkeypatch.setenv("HF_TOKEN", "hf_" + "c" * 34)
    hub.sign_in(hub.ANONYMOUS)
    fetch()

    assert {said for _, _, said in there.asked} == {None}


def test_a_split_model_comes_whole(there, tmp_path):
    """The index and each part, and nothing else of that size."""
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    there.repositories["me/tiny"] = {
        "config.json": json.dumps(BERT).encode(),
        "model.safetensors.index.json": json.dumps(index).encode(),
        "model-00001-of-00002.safetensors": a_weight_file(),
        "model-00002-of-00002.safetensors": CONTENT,
        "onnx/model.onnx": b"x" * 9_000,
    }
    folder = fetch()

    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]


def test_what_is_here_already_is_not_counted_again(there):
    """A second look says that nothing is left to download."""
    ref = intake.resolve(REF)
    before = hub.repository(ref)
    names = list(before.files)
    left = sum(one.bytes for one in download.missing(ref, before, names).values())
    fetch()

    assert left == sum(len(data) for data in there.repositories["me/tiny"].values())
    assert download.missing(ref, before, names) == {}


def test_a_search_finds_what_we_can_do_first(there):
    """Most downloaded first, of a task we do before one we do not."""
    there.repositories |= {"big/tiny-llm": {}, "me/tiny-two": {}}
    there.facts = {
        "big/tiny-llm": {"downloads": 900, "pipeline_tag": "text-to-video"},
        "me/tiny-two": {"downloads": 5, "pipeline_tag": "text-classification"},
    }
    found = hub.search("tiny", ("text-classification",))

    assert [one.name for one in found] == ["me/tiny-two", "big/tiny-llm", "me/tiny"]
    assert found[1].downloads == 900


def test_a_name_that_is_not_there_is_answered_with_near_ones(there):
    """The commonest reason is a letter."""
    there.repositories["them/distil-tiny"] = {}
    with pytest.raises(RepoNotFound) as caught:
        intake.resolve(ModelRef(source=Source.HUB, name="they/distil-tiny"))

    assert "Did you mean them/distil-tiny?" in sentence(caught.value)


def test_only_the_client_of_the_hub_knows_the_token():
    """It is in no environment that a child process could inherit."""
    hub.sign_in("hf_" + "d" * 34)
    found = [name for name, value in os.environ.items() if "hf_ddd" in value]
    hub.sign_in(None)

    assert found == []


def test_an_onnx_file_of_a_repository_is_a_start(there, tmp_path):
    """With the tokenizer at the top and the licence; nothing else of the repository comes."""
    from tests.test_uploads import a_reader
    from wizard.intake import uploads

    there.repositories["me/tiny"] |= {
        "tokenizer.json": b"{}",
        "onnx/model.onnx": a_reader().SerializeToString(),
        "onnx/other.onnx": b"no",
    }
    folder = uploads.take_from_hub(REF, "onnx/model.onnx", tmp_path / "taken")
    card = intake.examine(ModelRef(source=Source.FOLDER, name=str(folder)))

    assert card.given
    assert card.title == "tiny"
    assert card.licence == "mit"
    assert not any("safetensors" in path or "other" in path for _, path, _ in there.asked)


def test_an_onnx_file_that_is_not_there_is_told_with_those_that_are(there, tmp_path):
    """A misspelt one."""
    from wizard.errors import UploadRefused
    from wizard.intake import uploads

    there.repositories["me/tiny"] |= {"onnx/model.onnx": b"x"}
    with pytest.raises(UploadRefused) as caught:
        uploads.take_from_hub(REF, "onnx/modle.onnx", tmp_path / "taken")

    assert "onnx/model.onnx" in sentence(caught.value)
    assert not list((tmp_path / "taken").glob("*"))
