"""What a run looks like after its events: a pure fold."""

from wizard.nouns import (
    CandidateFailed,
    Discarded,
    Ending,
    Finished,
    JobStarted,
    PhaseDone,
    PhasesAdded,
    PhaseStarted,
    Progress,
    Verdict,
)
from wizard.ui.view import view_of

STARTED = JobStarted(at=100.0, phases=(("a", "First", 10.0), ("try:x", "Second", 10.0)))


def states(*events, now=None):
    return [one.state for one in view_of((STARTED, *events), now).phases]


def test_nothing_happened_is_an_empty_view():
    """A waiting job has no phases, and nobody can know the time left."""
    view = view_of(())

    assert view.phases == ()
    assert view.left is None


def test_a_phase_goes_from_waiting_over_progress_to_done():
    """One state at a time."""
    began = PhaseStarted(at=100.0, phase="a")

    assert states() == ["todo", "todo"]
    assert states(began) == ["now", "todo"]
    assert states(began, PhaseDone(at=105.0, phase="a", seconds=5.0)) == ["done", "todo"]


def test_a_run_at_half_speed_is_expected_to_stay_so():
    """Ten forecast seconds took twenty: the other ten will, too."""
    began = PhaseStarted(at=100.0, phase="a")
    done = PhaseDone(at=120.0, phase="a", seconds=20.0)
    view = view_of((STARTED, began, done))

    assert view.fraction == 0.5
    assert view.left == 20.0


def test_time_passes_between_two_events():
    """`now` moves the clock of a running job, never of an ended one."""
    began = PhaseStarted(at=100.0, phase="a")
    end = Finished(at=104.0, ending=Ending.CANCELLED)

    assert view_of((STARTED, began), 130.0).elapsed == 30.0
    assert view_of((STARTED, began, end), 130.0).elapsed == 4.0


def test_a_failed_candidate_is_shown_as_one_and_the_rest_goes_on():
    """Its phase never ends by itself."""
    began = PhaseStarted(at=100.0, phase="try:x")
    failed = CandidateFailed(at=101.0, candidate_id="x", code="promise-broken", because="no")

    assert states(began, failed) == ["todo", "failed"]


def test_a_further_rung_comes_before_what_is_done_last():
    """The climb adds phases while the job runs; packing stays the end."""
    more = PhasesAdded(at=103.0, phases=(("try:y", "Third", 5.0),))

    assert [one.title for one in view_of((STARTED, more)).phases] == ["First", "Third", "Second"]


def test_a_rung_that_was_left_out_is_told_with_its_reason():
    """It was made, looked at and not measured."""
    out = Discarded(at=103.0, candidate_id="x", because="40 of its first 64 answers changed.")

    assert view_of((STARTED, out)).discarded == (out,)


def test_a_finished_run_is_full():
    """With a verdict the bar stands at its end."""
    half = Progress(at=101.0, phase="a", fraction=0.5)
    end = Finished(at=102.0, ending=Ending.FINISHED, overall=Verdict.PASS)

    assert view_of((STARTED, half, end)).fraction == 1.0
