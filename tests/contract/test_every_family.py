"""Every family card says what it covers, or why not and what comes nearest."""

import pytest

from wizard import library, tasks

FAMILIES = library.families()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_is_supported_or_says_why_not(name):
    """Supported: tasks we do. Not: a sentence, and the nearest thing that works."""
    family = FAMILIES[name]

    assert family.model_types
    assert family.sources
    if family.supported:
        assert family.tasks
        assert set(family.tasks) <= set(tasks.cards())
    else:
        assert family.because.endswith(".")
        assert family.nearest
        assert not family.tested


def test_each_kind_of_model_belongs_to_one_family():
    """config.json's model_type leads to exactly one card."""
    types = [kind for family in FAMILIES.values() for kind in family.model_types]

    assert len(types) == len(set(types))


def test_transformers_knows_every_kind_of_model():
    """A model_type that transformers lacks is a misspelling."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    strange = {
        kind: library.closest(kind, CONFIG_MAPPING_NAMES)
        for family in FAMILIES.values()
        for kind in family.model_types
        if kind not in CONFIG_MAPPING_NAMES
    }

    assert strange == {}


def test_only_what_was_run_is_called_tested():
    """`tested` names bundled samples, which the slow tests run from end to end."""
    tested = {name for family in FAMILIES.values() for name in family.tested}

    assert {name.removeprefix("sample:") for name in tested} <= set(library.samples())


def test_the_families_that_people_ask_for_are_there():
    """Ten text encoders, six for pictures, and the ones we must turn away kindly."""
    shapes = [family.shape for family in FAMILIES.values() if family.supported]

    assert shapes.count("encoder") >= 10
    assert shapes.count("cnn") + shapes.count("vision transformer") >= 10
    assert {"whisper", "t5", "gpt2", "llama", "clip"} <= set(FAMILIES)
