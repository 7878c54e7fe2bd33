"""What a dry run says: verdicts of the clauses that size and speed decide, commands, tables."""

from dataclasses import replace
from html import unescape

import pytest

from tests.factories import a_plan
from wizard.cli import show_dry
from wizard.errors import JobNotFound
from wizard.nouns import (
    Basis,
    Clause,
    DryCandidate,
    HostFacts,
    Quantity,
    Verdict,
    jsonable,
)
from wizard.run import dry
from wizard.ui import plan_dry


def a_clause(verdict, name="latency, median", *, hard=True):
    return Clause(
        name=name, verdict=verdict, limit=5, before=9, after=4, unit="ms", low=3, high=5,
        basis=Basis.MEASURED, because="It is 4 ms.", hard=hard,
    )  # fmt: skip


def a_figure(value, unit):
    return Quantity(value=value, unit=unit, basis=Basis.MEASURED)


def a_candidate(*clauses, failed=""):
    figures = {} if failed else {
        "size": a_figure(5.0, "MB"), "latency": a_figure(2.0, "ms"),
        "original_latency": a_figure(4.0, "ms"), "memory": a_figure(90, "MB"),
    }  # fmt: skip
    return DryCandidate(
        candidate_id="x", title="8-bit <b>", label="8-bit weights", clauses=clauses,
        failed=failed, **figures,
    )  # fmt: skip


def told(*candidates):
    """The object a door reads."""
    host = HostFacts(
        cpu="c", machine="x86_64", isa=frozenset(), physical_cores=1, usable_cores=1,
        ram_bytes=1, disk_free_bytes=1, system="s", python="3",
    )  # fmt: skip
    result = dry.DryRun(
        size=a_figure(20, "MB"), latency=a_figure(4, "ms"), memory=a_figure(100, "MB"),
        candidates=candidates, host=host, seconds=3.0, sentence=dry.sentence_of(candidates),
    )  # fmt: skip
    return jsonable(result)


def test_the_worst_hard_clause_decides():
    """A wish does not; without a clause there is no verdict."""
    wish = a_clause(Verdict.MISS, "size", hard=False)

    assert dry.verdict_of(a_candidate(a_clause(Verdict.PASS), wish)) is Verdict.PASS
    assert dry.verdict_of(a_candidate(a_clause(Verdict.CANNOT_TELL))) is Verdict.CANNOT_TELL
    assert dry.verdict_of(a_candidate()) is None


def test_the_sentence_counts_those_that_keep_the_limits():
    """It never says that quality is kept."""
    said = dry.sentence_of([a_candidate(a_clause(Verdict.PASS)), a_candidate(failed="no")])

    assert said == "1 of 1 candidates keep your limit on latency; quality is not measured."


def test_without_limits_or_candidates_the_sentence_says_so():
    """Nothing is claimed to be kept."""
    assert "you set no limit" in dry.sentence_of([a_candidate()])
    assert dry.sentence_of([a_candidate(failed="x")]).startswith("No candidate could be tried")


def test_a_dry_plan_has_neither_ladder_nor_sibling():
    """What trains or compares answers means nothing on random weights."""
    plan = dry.plan_of(a_plan())

    assert plan.dry_run
    assert plan.ladder == ()
    assert plan.sibling is None


def test_the_command_of_a_dry_run_is_a_plan():
    """The folder for the bundle goes, everything else stays."""
    typed = dry.command_of("wizard run 'a b' --device x --max-drop 1 --out out/")

    assert typed == "wizard plan 'a b' --device x --max-drop 1 --dry-run"


def test_a_dry_run_without_a_figure_yet_is_not_found(tmp_path):
    """Rather than an empty table."""
    with pytest.raises(JobNotFound):
        dry.read(tmp_path)


def test_the_page_shows_ratio_and_verdict_and_escapes(capsys):
    """The table and the terminal say the same; quality is not measured in both."""
    object_ = told(a_candidate(a_clause(Verdict.PASS)), a_candidate(failed="too slow"))

    page = plan_dry.table(object_)
    show_dry.table(object_)
    terminal = capsys.readouterr().out

    assert "8-bit &lt;b&gt;" in page
    assert "0.50 of the original's" in unescape(page)
    assert "latency PASS" in page
    assert "not measured" in page
    assert "0.50 of the original's time" in terminal
    assert "PASS  latency, median" in terminal
    assert "too slow" in page
    assert "too slow" in terminal


def test_replacing_a_plan_forgets_nothing_else():
    """The same candidates in the same order."""
    plan = a_plan()

    assert replace(dry.plan_of(plan), dry_run=False).candidates == plan.candidates
