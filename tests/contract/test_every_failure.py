"""Every failure has a class with a code and an entry in words; half of one fails."""

import inspect
import re

import pytest

from wizard import errors, library

CLASSES = {
    kind.code: kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, errors.WizardError)
}


def test_classes_and_entries_are_the_same_set():
    """No error without words, no words without an error."""
    assert set(CLASSES) == set(library.failures())


@pytest.mark.parametrize("code", sorted(CLASSES))
def test_a_failure_says_what_why_and_what_next(code):
    """Each entry has its three sentences, and its blanks are facts the class documents."""
    entry = library.failures()[code]
    blanks = set(re.findall(r"{(\w+)}", entry.sentence + entry.next))

    assert entry.sentence
    assert entry.cause.endswith(".")
    assert entry.next
    assert all(blank in (CLASSES[code].__doc__ or "") for blank in blanks)


@pytest.mark.parametrize("code", sorted(CLASSES))
def test_a_failure_reads_as_a_sentence_with_its_facts(code):
    """Filled with its facts, no blank is left."""
    entry = library.failures()[code]
    blanks = re.findall(r"{(\w+)}", entry.sentence + entry.next)
    explained = library.explain(CLASSES[code](**{blank: f"<{blank}>" for blank in blanks}))

    assert "{" not in explained.message + explained.next
    assert explained.code == code


@pytest.mark.parametrize("because", ["it has no layers", "It has no layers."])
def test_a_reason_ends_with_one_full_stop(because):
    """Whether it came as a clause or as a sentence of its own."""
    said = library.explain(errors.NotSupported(strategy="Pruning", because=because)).message

    assert said.endswith("layers.")


def test_a_foreign_exception_is_called_our_mistake():
    """Whatever is not a WizardError is explained as our fault, in one line."""
    explained = library.explain(ValueError("two\nlines"))

    assert explained.code == "unexpected"
    assert "\n" not in explained.message
