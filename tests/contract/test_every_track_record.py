"""The evidence beside the rules: each line is a run of a rule there is; no rule keeps missing."""

import pytest

from wizard import library
from wizard.advise.record import about, unreliable
from wizard.run import evidence

RULES = {rule.id: rule for rule in library.rules()}
KEPT = evidence.read([library.evidence_folder()])


def test_there_is_evidence():
    """Runs of the rules that propose something for the samples are kept with the rules."""
    assert len(KEPT) >= 10


@pytest.mark.parametrize("name", sorted(KEPT))
def test_evidence_is_about_a_rule(name):
    """The file is named after its rule, each line says the same, and names a sample we have."""
    assert name in RULES, f"did you mean {library.closest(name, RULES)}?"
    for run in KEPT[name]:
        assert run.rule == name
        assert run.sample in library.samples()
        assert run.cpu
        assert run.versions.get("onnxruntime")


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_rule_that_misses_three_times_is_not_believed(name):
    """Its last three runs that could tell, overall or on one sample, must not all be misses."""
    assert unreliable(RULES[name], KEPT[name]) == ""


@pytest.mark.parametrize("name", sorted(KEPT))
def test_evidence_is_of_todays_recipe(name):
    """A changed recipe needs a new check: `wizard check-presets --rule NAME`."""
    assert about(RULES[name], KEPT[name])
