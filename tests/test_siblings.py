"""Smaller published models: which are offered for a model, and which cannot be held against it."""

import pytest

from tests.factories import a_profile
from wizard import library
from wizard.advise import siblings
from wizard.nouns import (
    ModelRef,
    ParameterCount,
    Sibling,
    Source,
    Support,
    SupportLevel,
    Task,
    Workload,
)

NAMELESS = ("LABEL_0", "LABEL_1", "LABEL_2")


def a_sibling(**changes):
    """A model of a million parameters that stands in for big/one."""
    made = {
        "model": "small/one",
        "title": "Small one",
        "task": Task.TEXT_CLASSIFICATION,
        "parameters": 1_000_000,
        "licence": "apache-2.0",
        "stands_for": ("big/one",),
        "source": "its model card",
        "read_on": "2026-11-24",
    }
    return Sibling(**{**made, **changes})


def of_the_hub(**changes):
    """The profile of big/one, 4.7 million parameters."""
    return a_profile(ref=ModelRef(source=Source.HUB, name="big/one"), **changes)


def smaller(**changes):
    """A profile with the same labels and half the parameters."""
    made = {"parameters": ParameterCount(embedding=700_000, linear=1_500_000, conv=0, other=1000)}
    return a_profile(**{**made, "title": "Small one", **changes})


def offered(profile, *known):
    return [one.sibling.model for one in siblings.offers(profile, known)]


def test_a_stand_in_is_offered_by_the_originals_name():
    """With its parameters beside the original's."""
    (offer,) = siblings.offers(of_the_hub(), [a_sibling()])

    assert "1 million parameters instead of 4.71 million" in offer.sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"stands_for": ("another/one",)},
        {"task": Task.TOKEN_CLASSIFICATION},
        {"parameters": 4_000_000},  # hardly smaller
        {"model": "big/one"},
    ],
)
def test_what_does_not_stand_in_is_not_offered(changes):
    """Another model's, another task's, one that is hardly smaller, the model itself."""
    assert offered(of_the_hub(), a_sibling(**changes)) == []


def test_a_model_of_ones_own_is_known_by_its_labels():
    """A folder has no name on the Hub; as many labels with the same first one are the same work."""
    known = a_sibling(stands_for=(), label_count=3, first_label="no")

    assert offered(a_profile(), known) == ["small/one"]
    assert offered(a_profile(labels=("yes", "no", "maybe")), known) == []


def test_of_many_the_largest_the_smallest_and_one_between_are_offered():
    """Three are a choice, ten are none."""
    many = [a_sibling(model=f"small/{at}", parameters=at * 500_000) for at in range(1, 7)]

    assert offered(of_the_hub(), *many) == ["small/6", "small/3", "small/1"]


@pytest.mark.parametrize(
    ("other", "because"),
    [
        (smaller(labels=("no", "yes", "perhaps")), "other labels: no, yes, perhaps"),
        (smaller(labels=("yes", "no", "maybe")), "in another order"),
        (smaller(labels=NAMELESS), "no names in its config"),
        (smaller(task=Task.TOKEN_CLASSIFICATION), "token-classification"),
        (smaller(workload=Workload(tokens=16)), "at most 16 tokens"),
        (a_profile(title="Small one"), "not smaller"),
        (
            smaller(support=Support(level=SupportLevel.NOT_HERE, because="It needs code.")),
            "cannot be done here: it needs code",
        ),
    ],
)
def test_why_two_models_cannot_be_held_against_each_other(other, because):
    """Always in a clause that names what differs."""
    assert because in siblings.why_not(a_profile(), other)


def test_the_same_labels_however_they_are_written():
    """Capitals are no difference."""
    assert siblings.why_not(a_profile(), smaller(labels=("No", "Yes", "Maybe"))) == ""


def test_every_sibling_on_record_has_its_licence_and_source():
    """And is no larger than what it stands in for, where both are on record."""
    known = [one for family in library.families().values() for one in family.siblings]
    sizes = {one.model.partition("@")[0]: one.parameters for one in known}

    assert len(known) >= 10
    for one in known:
        assert one.licence
        assert one.source
        assert all(sizes.get(name, one.parameters) >= one.parameters for name in one.stands_for)
