"""The pure parts of the bench that compares us with other tools: fronts and the table."""

from tests.benchmarks.peers import table
from tests.benchmarks.peers.front import Against, dominates, front
from tests.benchmarks.peers.works import CALIBRATION, WORKS, paragraphs

TIE = (0, 0, 0)


def held(size=1.0, latency=(1.0, 0.98, 1.02), noise=1.04, loss=(0.0, -0.01, 0.01)):
    """One result against another; a tie by default."""
    return Against(size=size, latency=latency, noise=noise, loss=loss)


def a_line(by="wizard", **changes):
    """A line on record: ours on digits, on the front."""
    made = {
        "run": "1", "on": "2026-11-28", "work": "digits", "model": "`digits`", "by": by,
        "title": by, "because": "", "versions": {"onnxruntime": "1.32.0"}, "size_ratio": 0.25,
        "latency": [0.5, 0.48, 0.52], "loss": [0.001, -0.002, 0.004], "collapse": [],
        "verdict_s": 20.4, "whole_s": 40.2, "peak_mb": 900.0, "front": True, "dominated_by": [],
        "busy": False, "host": {"usable_cores": 2, "cpu": "Xeon"},
    }  # fmt: skip
    return {**made, **changes}


def test_within_the_noise_nobody_is_better():
    """A per cent of file, four of time and an interval around nothing are ties."""
    assert held(size=0.995, latency=(0.97, 0.95, 0.99)).signs() == TIE


def test_each_axis_has_its_own_sign():
    """Smaller, slower, truer."""
    one = held(size=0.5, latency=(1.5, 1.4, 1.6), loss=(-0.02, -0.03, -0.01))

    assert one.signs() == (1, -1, 1)


def test_a_ratio_beyond_the_noise_with_a_wide_interval_is_a_tie():
    """Both the machine's noise and the interval must exclude 1."""
    assert held(latency=(0.8, 0.6, 1.05)).signs() == TIE


def test_dominance_needs_something_better_and_nothing_worse():
    """Equals do not dominate each other."""
    assert dominates((0, 1, 0))
    assert not dominates(TIE)
    assert not dominates((1, 1, -1))


def test_the_front_is_whom_nobody_dominates():
    """Small and slow stays beside large and fast; what is worse in everything goes."""
    signs = {
        "small": {"fast": (1, -1, 0), "bad": (1, 1, 1)},
        "fast": {"small": (-1, 1, 0), "bad": (0, 1, 0)},
        "bad": {"small": (-1, -1, -1), "fast": (0, -1, 0)},
    }

    assert front(signs) == ("small", "fast")


def test_a_run_replaces_the_same_models_earlier_run_only():
    """The newest lines of a model count, all of one run."""
    lines = [
        a_line(), a_line(by="nncf"), a_line(work="vit", model="ViT"), a_line(run="2", front=False),
    ]  # fmt: skip
    found = table.newest(lines)

    assert [one["by"] for one in found["digits"]] == ["wizard"]
    assert not found["digits"][0]["front"]
    assert len(found["vit"]) == 1


def test_the_table_has_a_row_for_who_has_no_file():
    """A peer that failed says why, and the words of the reason stay in one cell."""
    text = table.markdown([a_line(), a_line(by="olive", because="not | installed")])

    assert "| `digits` | olive | not / installed |" in text
    assert (
        "| 0.250 | 0.50 (0.48 to 0.52) | 0.10 (-0.20 to 0.40) | 20 s (job 40) | 0.9 GB | yes |"
        in text
    )


def test_the_sentence_below_names_who_is_off_the_front_and_who_was_sooner():
    """Nothing that speaks against us is left to the reader to find."""
    lines = [
        a_line(front=False, dominated_by=["nncf"]),
        a_line(by="nncf", title="NNCF", verdict_s=3.0),
    ]
    text = table.markdown(lines)

    assert "0 of 1 of ours; not `digits` (wizard)." in text
    assert "Sooner at a verdict than we: `digits`: NNCF." in text
    assert "no: nncf" in text


def test_a_busy_machine_is_said():
    """Times taken beside other programs are marked as such."""
    assert "(0.48 to 0.52)\\* |" in table.markdown([a_line(busy=True)])
    assert "do not rely" in table.markdown([a_line(busy=True)])
    assert "do not rely" not in table.markdown([a_line()])


def test_seconds_beside_other_programs_are_starred():
    """A wall time of a crowded machine is not quoted as if it were one of ours alone."""
    assert "20 s\\* (job 40)" in table.markdown([a_line(load=6.0)])
    assert "\\*" not in table.markdown([a_line(load=2.5)])


def test_what_is_on_record_makes_a_table():
    """The file in the repository can be read, and ours stands in it."""
    assert "**wizard**" in table.markdown()


def test_rows_are_the_same_every_time_and_never_shared():
    """Test rows and calibration rows come from one list without repeats."""
    most = max(one.rows for one in WORKS if one.shape == "encoder")
    found = paragraphs(most + CALIBRATION)

    assert found == paragraphs(most + CALIBRATION)
    assert len(set(found)) == len(found)


def test_each_machine_is_named_with_the_models_measured_there():
    """The one of most models first; a table of several machines says so."""
    here, there = a_line(), a_line(model="`digits`", host={"usable_cores": 4, "cpu": "EPYC"})
    said = table.origin({"a": [here], "b": [here], "c": [there]})

    assert "on 2 cores of Xeon (threads: two); `digits` on 4 cores of EPYC (threads: two)" in said
