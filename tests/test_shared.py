"""Work of an earlier job is used again where it is the same work, and only there."""

from dataclasses import replace

import pytest

from tests import strategy_models as tiny
from tests.factories import a_candidate, a_host, a_latency, a_measurement, a_plan, some_needs
from wizard.nouns import Reused, Step
from wizard.run import shared
from wizard.run.state import Site, Walk

EIGHT = Step(strategy="int8_dynamic")


class Jobs:
    """Jobs one after the other that share a cache; `applied` counts the steps really done."""

    def __init__(self, folder):
        self.folder, self.applied, self.now, self.takes = folder, 0, 1000.0, 1.0
        self.start = tiny.a_gemm(folder / "start.onnx")
        self.bench = tiny.a_bench(folder / "bench")

    def apply(self, step, artifact, bench):
        self.applied += 1
        self.now += self.takes
        path = bench.folder / f"{step.strategy}-1" / "model.onnx"
        path.parent.mkdir(parents=True)
        return replace(tiny.a_gemm(path), parent=artifact.sha256, made_by=step.strategy)

    def job(self, name, step=EIGHT, *, needs=None, artifact=None, **bench):
        """What a new job makes of the start, in its own folder."""
        folder = self.folder / name
        site = Site(
            folder=folder,
            cache=self.folder / "cache",
            host=a_host(),
            threads=1,
            clock=lambda: self.now,
            emit=lambda event: None,
            apply=self.apply,
        )
        walk = Walk(plan=a_plan(needs=needs or some_needs()), site=site, began=self.now)
        there = replace(self.bench, folder=folder / "made", **bench)
        return shared.make(walk, step, artifact or self.start, there), walk


@pytest.fixture
def jobs(tmp_path):
    return Jobs(tmp_path)


def test_the_same_step_on_the_same_file_is_applied_once(jobs):
    """A second job gets the file in its own folder, and knows how old it is."""
    first, _ = jobs.job("one")
    jobs.now += 60
    second, walk = jobs.job("two", needs=some_needs(latency=3.0, drop=2.0))

    assert jobs.applied == 1
    assert (second.sha256, second.parent, second.made_by) == (
        first.sha256, first.parent, first.made_by
    )  # fmt: skip
    assert second.path.is_relative_to(jobs.folder / "two")
    assert walk.ages == {second.sha256: 60}


OTHER = {
    "settings": {"step": Step(strategy="int8_dynamic", settings={"per_channel": False})},
    "another technique": {"step": Step(strategy="float16")},
    "another seed": {"seed": 1},
    "fewer threads": {"threads": 2},
    "no rows": {"calibration": None},
}


@pytest.mark.parametrize("what", sorted(OTHER))
def test_other_work_is_done(jobs, what):
    """Whatever shapes the file is part of what it is kept under."""
    jobs.job("one")
    jobs.job("two", **OTHER[what])

    assert jobs.applied == 2


def test_other_rows_are_other_work(jobs):
    """The calibration file's content counts, not its name."""
    jobs.job("one")
    tiny.text_feeds(jobs.bench.calibration, rows=25)
    jobs.job("two")

    assert jobs.applied == 2


def test_another_start_is_other_work(jobs, tmp_path):
    """The hash of the file that the step is applied to counts."""
    jobs.job("one")
    jobs.job("two", artifact=tiny.a_tied(tmp_path / "tied.onnx"))

    assert jobs.applied == 2


def test_a_job_that_wants_everything_afresh_gets_it(jobs):
    """`--afresh` takes nothing from the shelf; what it makes is kept."""
    jobs.job("one")
    jobs.job("two", needs=some_needs(afresh=True))
    jobs.job("three")

    assert jobs.applied == 2


def test_a_damaged_file_is_made_again(jobs):
    """One byte is another on the shelf: the step is applied, and kept anew."""
    jobs.job("one")
    kept = next((jobs.folder / "cache").rglob("model.onnx"))
    raw = bytearray(kept.read_bytes())
    raw[len(raw) // 2] ^= 1
    kept.unlink()  # the first job's own file shares its bytes
    kept.write_bytes(raw)
    jobs.job("two")
    jobs.job("three")

    assert jobs.applied == 2


def test_what_was_cut_short_is_made_again_when_there_is_more_time(jobs):
    """Nine of ten seconds used: worth another try with sixty, not with five."""
    jobs.takes = 9.0
    jobs.job("one", seconds=10.0)
    jobs.job("two", seconds=5.0)
    assert jobs.applied == 1
    jobs.job("three", seconds=60.0)
    assert jobs.applied == 2
    jobs.job("four", seconds=None)
    assert jobs.applied == 2


def test_only_techniques_are_kept(jobs):
    """A given file is not ours to keep."""
    for name in ("one", "two"):
        jobs.job(name, Step(strategy="given", settings={"file": "model.onnx"}))

    assert jobs.applied == 2


# --------------------------------------------------------------------------- times


def kept(p50=1.0, against=2.0, **changes):
    return a_measurement(latency=a_latency(p50, **changes), against=a_latency(against))


def test_times_hold_while_the_original_takes_as_long_as_then():
    """Two percent apart, or five: used, with intervals as much wider."""
    for now in (2.04, 2.0 / 1.05):
        factor = shared.times_hold(kept(), a_latency(2.0), a_latency(now), 720)

        assert factor == pytest.approx(max(now / 2.0, 2.0 / now))


@pytest.mark.parametrize(
    ("then", "now", "ago"),
    [
        (a_latency(2.0), a_latency(2.3), 60),
        (a_latency(2.0), a_latency(1.7), 60),
        (a_latency(2.0), a_latency(2.0), 3700),
        (a_latency(2.0, busy=True), a_latency(2.0), 60),
        (a_latency(2.0), a_latency(1.7, busy=True), 60),
        (a_latency(2.0, noise=2.0), a_latency(2.0 * 1.2, noise=2.0), 60),
    ],
)
def test_times_are_taken_again_when_the_machine_is_another(then, now, ago):
    """Slower, faster, too long ago, disturbed then, or noise that would excuse anything."""
    assert shared.times_hold(kept(), then, now, ago) is None


def test_times_of_a_disturbed_candidate_are_taken_again():
    """A busy machine's times are good for nobody else."""
    assert shared.times_hold(kept(busy=True), a_latency(2.0), a_latency(2.0), 60) is None


def test_quiet_times_are_better_than_busy_ones():
    """The machine is busy now and was not then: the earlier times are used as they are."""
    assert shared.times_hold(kept(), a_latency(2.0), a_latency(3.1, busy=True), 60) == 1.0


# --------------------------------------------------------------------------- words and pace


def a_walk(*reused, **plan):
    site = Site(
        folder=None, cache=None, host=a_host(), threads=1, clock=lambda: 0.0, emit=lambda e: None
    )
    return Walk(plan=a_plan(**plan), site=site, began=0.0, reused=list(reused))


def test_the_user_is_told_how_old_the_times_are():
    """Twelve minutes ago, checked against the original; nothing reused, nothing said."""
    found = [Reused(of="a", what=what, seconds_ago=720) for what in ("file", "answers", "timing")]
    said = shared.sentence(a_walk(*found))

    assert "12 minutes ago" in said
    assert "original" in said
    assert shared.sentence(a_walk()) == ""
    assert "anew" in shared.sentence(a_walk(*found[:2]))


def test_a_reused_candidate_says_nothing_about_the_pace():
    """Half a second for what was forecast at nine does not promise quick rungs."""
    candidate = a_candidate()
    quick = a_walk(Reused(of=candidate.id, what="answers", seconds_ago=1.0))
    quick.seconds[f"try:{candidate.id}"] = 0.5

    assert quick.pace() == 1.0
    assert replace(quick, reused=[]).pace() == 0.2


def test_the_original_tells_how_fast_this_machine_is():
    """Measured in three times its forecast: candidates are expected to take three times theirs."""
    walk = a_walk()
    walk.seconds["original"] = 3 * walk.plan.baseline.seconds.value

    assert walk.pace() == pytest.approx(3.0)
    walk.reused.append(Reused(of="original", what="answers", seconds_ago=9.0))
    assert walk.pace() == 1.0
