"""Who pays: planted damage is found and named, chance accuses nobody, every flip is there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.factories import a_measurement
from wizard.compare import losses, slices, who_pays
from wizard.compare.paired import Z_TANGO, _tango
from wizard.library import words
from wizard.nouns import Answers, ExampleSet

LABELS = tuple(f"intent {number}" for number in range(12))
LENGTHS = ("short", "medium", "long")
SIMULATIONS = 200


def a_world(rng, rows=2400, *, flips=0.01, loss=0.0, damage=0.0, where=lambda lang, size: False):
    """Answers before and after, and their rows.

    `flips` go both ways, more of them where the model is unsure; `loss` falls on every row alike;
    `damage` on the rows `where` says.
    """
    truth = rng.integers(0, len(LABELS), rows)
    language, size = rng.choice(["de", "en", "es", "fr"], rows), rng.choice(LENGTHS, rows)
    sure = 1 - 0.9 * rng.beta(1, 8, rows)
    was = np.where(rng.random(rows) < sure, truth, truth + 1)
    flipped = rng.random(rows) < flips * (1 - sure) / (1 - sure).mean()
    lost = flipped & (rng.random(rows) < 0.5)
    was = np.where(flipped, np.where(lost, truth, truth + 1), was)
    now = np.where(flipped, np.where(lost, truth + 1, truth), was)
    hurt = [where(*one) for one in zip(language, size, strict=True)]
    now = np.where(rng.random(rows) < loss + damage * np.array(hurt), truth + 2, now)
    before, after = (some(answers, truth, sure) for answers in (was, now))
    return before, after, some_rows(truth, {"language": language, "length": size})


def some(answers, truth, sure):
    """Answers whose labels wrap around."""
    return Answers(
        rows=tuple(range(len(truth))),
        predicted=tuple((answers % len(LABELS)).tolist()),
        truth=tuple(truth.tolist()),
        confidence=tuple(sure.tolist()),
    )


def some_rows(truth, columns):
    return ExampleSet(
        origin="a test",
        inputs=tuple(f"text {row}" for row in range(len(truth))),
        labels=tuple(LABELS[one] for one in truth),
        columns={name: tuple(values.tolist()) for name, values in columns.items()},
        rows=tuple(range(len(truth))),
    )


def paid(before, after, rows, seed=0):
    first, second = a_measurement(answers=before), a_measurement(answers=after)
    return who_pays(first, second, rows, LABELS, seed, words().languages)


def without_truth(before, after, rows):
    return replace(before, truth=()), replace(after, truth=()), replace(rows, labels=())


def is_short_german(language, size):
    return language == "de" and size == "short"


def test_damage_to_short_german_texts_is_found_and_named():
    """One text in six of a twelfth of the data is broken: the sentence names that twelfth."""
    rng = np.random.default_rng(1)
    found = paid(*a_world(rng, 4000, damage=0.16, where=is_short_german))

    assert found.sentence.startswith("Short German texts lost 1")
    assert found.sentence.endswith("all others together under 1.")
    worst = found.slices[0]
    assert (worst.column, worst.value, worst.clear) == ("length, language", "short, German", True)
    assert worst.drop.low > 5
    assert worst.before - worst.after == pytest.approx(worst.drop.value)


def test_damage_to_a_whole_language_is_not_pinned_on_a_part_of_it():
    """All German texts suffer alike, so German texts are named and not the short ones."""
    rng = np.random.default_rng(2)
    found = paid(*a_world(rng, 4000, damage=0.1, where=lambda language, size: language == "de"))

    assert found.sentence.startswith("German texts lost ")


@pytest.mark.parametrize("seed", range(10))
def test_planted_damage_is_named_each_time(seed):
    """Ten worlds, ten times the right part."""
    rng = np.random.default_rng(seed)
    found = paid(*a_world(rng, damage=0.2, where=is_short_german))

    assert found.sentence.startswith("Short German texts lost ")


@pytest.mark.parametrize(
    "kind", [{"flips": 0.03}, {"flips": 0.02, "loss": 0.03}], ids=["no loss", "the same loss"]
)
@pytest.mark.slow
def test_chance_accuses_nobody(kind):
    """Nobody lost, or all lost alike: at most 5 % of such models get a part accused."""
    rng = np.random.default_rng(3)
    accused = sum(
        any(one.clear for one in paid(*a_world(rng, 1200, **kind)).slices)
        for _ in range(SIMULATIONS)
    )

    assert binomtest(accused, SIMULATIONS, 0.05, alternative="greater").pvalue > 0.01
    assert accused <= 0.05 * SIMULATIONS + 5


def test_an_accusation_and_its_sentence_agree():
    """Without a clear part the sentence says so; with one it does not."""
    rng = np.random.default_rng(4)
    for damage in (0.0, 0.05, 0.1, 0.2):
        found = paid(*a_world(rng, damage=damage, where=is_short_german))
        said_nobody = found.sentence.startswith("No part of the data")
        assert said_nobody is not any(one.clear for one in found.slices)


def test_every_changed_answer_is_a_flip_of_its_kind():
    """Right to wrong, wrong to right, one mistake to another; broken ones first."""
    truth, was, now = (np.array(one) for one in ([0, 0, 0, 0], [0, 1, 1, 0], [2, 0, 2, 0]))
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    rows = some_rows(truth, {})
    found = paid(some(was, truth, sure), some(now, truth, sure), rows)

    assert [(one.row, one.kind) for one in found.flips] == [
        (0, "right to wrong"),
        (2, "changed answer"),
        (1, "wrong to right"),
    ]
    assert found.flips_total == 3
    broken = found.flips[0]
    assert (broken.example, broken.before, broken.after, broken.truth) == (
        "text 0",
        "intent 0",
        "intent 2",
        "intent 0",
    )


def test_a_few_hundred_flips_are_kept_and_all_are_counted():
    """A broken model changes every answer; the page need not hold them all."""
    rng = np.random.default_rng(5)
    found = paid(*a_world(rng, 2000, loss=0.9))

    assert found.flips_total > 1500
    assert len(found.flips) == 300
    assert {one.kind for one in found.flips} == {"right to wrong"}


def test_a_picture_is_named_by_its_number():
    """Pictures have no text; the row says which it was."""
    rng = np.random.default_rng(6)
    before, after, rows = a_world(rng, 100, loss=0.2)
    found = paid(before, after, replace(rows, inputs=(), images=Path("pictures.npy")))

    assert found.flips[0].example == f"picture {found.flips[0].row}"


def test_too_few_rows_are_no_ground_for_a_word():
    """Twenty rows hold no part worth a look, and the sentence says so."""
    found = paid(*a_world(np.random.default_rng(7), 20, loss=0.3))

    assert found.slices == ()
    assert "too few examples" in found.sentence
    assert found.too_small > 0


def test_parts_below_the_smallest_size_are_counted_and_left_out():
    """No part of fewer than thirty rows is shown."""
    found = paid(*a_world(np.random.default_rng(8), 600))

    assert min(one.rows for one in found.slices) >= losses.ROWS_TO_COUNT
    assert found.too_small > 0


def test_without_labels_the_parts_are_held_against_the_original():
    """The answers that changed more often in one language are named in per cent."""
    rng = np.random.default_rng(9)
    world = a_world(rng, 4000, damage=0.15, where=lambda language, size: language == "fr")
    found = paid(*without_truth(*world))

    assert found.sentence.startswith("French texts got another answer in 1")
    assert {one.kind for one in found.flips} == {"changed answer"}
    assert found.slices[0].before == 100


def pairs_of(rng, rows=1600, *, noise=0.05, damage=0.0):
    """Scores of pairs before and after; `damage` blurs those about the weather."""
    target = rng.choice([0, 0.25, 0.5, 0.75, 1.0], rows)
    topic = rng.choice(["music", "weather", "people", "lights"], rows)
    was = target + rng.normal(0, 0.2, rows)
    now = was + rng.normal(0, 1, rows) * (noise + damage * (topic == "weather"))
    held = ExampleSet(
        origin="a test",
        pairs=tuple((f"first {row}", "second") for row in range(rows)),
        target=tuple(target.tolist()),
        columns={"topic": tuple(topic.tolist())},
        rows=tuple(range(rows)),
    )
    before, after = (
        Answers(rows=held.rows, scores=tuple(scores.tolist()), target=held.target)
        for scores in (was, now)
    )
    return before, after, held


def test_a_lost_rank_correlation_is_found_by_topic():
    """Blurred scores of one topic cost its rank correlation; both texts of a pair are shown."""
    found = paid(*pairs_of(np.random.default_rng(10), damage=0.4))

    assert found.sentence.startswith("Pairs with topic 'weather' lost ")
    assert "rank correlation" in found.sentence
    assert found.flips[0].example.startswith("first ")
    assert found.flips[0].example.endswith(" / second")


def test_noise_on_every_pair_accuses_no_topic():
    """The same blur everywhere: at most 5 % of such models get a topic accused."""
    rng = np.random.default_rng(11)
    accused = sum(
        any(one.clear for one in paid(*pairs_of(rng, 600, noise=0.2)).slices) for _ in range(60)
    )

    assert accused <= 6


def test_moved_vectors_are_found_by_column():
    """Vectors of one topic that moved away from the original's are named."""
    rng = np.random.default_rng(12)
    topic = rng.choice(["music", "weather", "people"], 1200)
    cosine = 1 - rng.lognormal(-6, 0.5, 1200) - 0.05 * (topic == "weather")
    texts = tuple(f"text {row}" for row in range(1200))
    columns = {"topic": tuple(topic.tolist())}
    rows = ExampleSet(origin="a", inputs=texts, columns=columns, rows=tuple(range(1200)))
    before = Answers(rows=rows.rows)
    after = Answers(rows=rows.rows, agreement=tuple(cosine.tolist()))

    assert paid(before, after, rows).sentence.startswith("Texts with topic 'weather' lost 5.")


def test_a_language_without_a_name_keeps_its_code():
    """Codes we know become names; other values stay as they are."""
    rng = np.random.default_rng(13)
    before, after, rows = a_world(rng, 400)
    other = {"de": "de-AT", "en": "xx", "es": "es", "fr": "fr_CA"}
    renamed = tuple(other[one] for one in rows.columns["language"])
    found = paid(before, after, replace(rows, columns={"language": renamed}))

    values = {one.value for one in found.slices if one.column == "language"}
    assert values == {"German", "xx", "Spanish", "French"}


def test_texts_without_a_length_column_are_cut_into_thirds():
    """Short, medium and long by characters, about as many of each."""
    texts = tuple("x" * (1 + row % 90) for row in range(900))
    rows = ExampleSet(origin="a", inputs=texts, rows=tuple(range(900)))
    parts, _ = slices.parts_of(rows, Answers(rows=rows.rows), (), {}, 30)

    sizes = {one.value: len(one.members) for one in parts}
    assert set(sizes) == {"short", "medium", "long"}
    assert max(sizes.values()) - min(sizes.values()) <= 20


def test_a_column_that_names_every_row_is_no_part():
    """An id column has as many values as rows and is left alone."""
    rows = ExampleSet(
        origin="a",
        inputs=("x",) * 100,
        columns={"id": tuple(str(row) for row in range(100))},
        rows=tuple(range(100)),
    )

    assert slices.parts_of(rows, Answers(rows=rows.rows), (), {}, 30) == ([], 0)


def test_two_columns_that_say_the_same_give_no_pair():
    """`de` and `deutsch` hold the same rows: one look each, not a third."""
    rng = np.random.default_rng(14)
    language = rng.choice(["de", "en"], 400)
    rows = ExampleSet(
        origin="a",
        images=Path("pictures.npy"),
        columns={"language": tuple(language), "country": tuple("x" + language.astype(object))},
        rows=tuple(range(400)),
    )
    parts, _ = slices.parts_of(rows, Answers(rows=rows.rows), (), {}, 30)

    assert {one.column for one in parts} == {"language", "country"}


@pytest.mark.parametrize(
    ("lost", "won", "rows"), [(12, 2, 68), (0, 0, 40), (7, 0, 900), (3, 9, 99)]
)
def test_the_interval_of_a_part_is_tango_s(lost, won, rows):
    """All parts at once give what the one-sided bound of the verdict gives one by one."""
    many = (np.array([float(one)] * 2) for one in (lost, won, rows))

    assert losses.tango_upper(*many, z=Z_TANGO)[0] == pytest.approx(
        _tango(lost, won, rows), abs=1e-6
    )


@pytest.mark.parametrize(("lost", "won"), [(6, 0), (9, 4), (0, 5), (0, 0)])
def test_mcnemar_of_a_part_is_the_exact_binomial_test(lost, won):
    """One-sided: so many more lost than won."""
    exact = binomtest(lost, lost + won, alternative="greater").pvalue if lost + won else 1.0

    assert losses.mcnemar(np.array([lost]), np.array([won]))[0] == pytest.approx(exact)


def test_holm_multiplies_the_smallest_most():
    """0.01, 0.02, 0.04 over three looks: 0.03, 0.04, 0.04."""
    corrected = losses.holm(np.array([0.04, 0.01, 0.02]), np.zeros(3))

    assert corrected == pytest.approx([0.04, 0.03, 0.04])


def test_a_part_that_could_not_be_accused_is_no_look():
    """A part with one changed answer cannot reach p = 0.05 and costs the others nothing."""
    corrected = losses.holm(np.array([0.03, 0.5]), np.array([1e-9, 0.5]))

    assert corrected == pytest.approx([0.03, 1.0])


@pytest.mark.parametrize("seed", range(25))
def test_the_order_of_rows_changes_nothing(seed):
    """Shuffled rows give the same parts with the same losses, and the same sentence."""
    rng = np.random.default_rng(seed)
    before, after, rows = a_world(rng, 500, flips=0.1, damage=0.2, where=is_short_german)
    order = rng.permutation(500)

    def shuffled(values):
        return tuple(values[at] for at in order)

    again = paid(
        *(
            replace(
                one, **{n: shuffled(getattr(one, n)) for n in ("predicted", "truth", "confidence")}
            )
            for one in (before, after)
        ),
        replace(
            rows,
            inputs=shuffled(rows.inputs),
            columns={name: shuffled(values) for name, values in rows.columns.items()},
        ),
    )
    first = paid(before, after, rows)

    assert again.sentence == first.sentence
    assert {(s.column, s.value, s.rows, round(s.drop.value, 6)) for s in again.slices} == {
        (s.column, s.value, s.rows, round(s.drop.value, 6)) for s in first.slices
    }


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happened_the_numbers_hold_together(seed):
    """Every drop lies in its interval, is what was lost, and every p is a probability."""
    rng = np.random.default_rng(100 + seed)
    rate = rng.random() * 0.3
    world = a_world(rng, int(rng.integers(30, 900)), flips=rate, loss=rng.random() * 0.2)
    for found in (paid(*world), paid(*without_truth(*world))):
        for one in found.slices:
            assert one.drop.low - 1e-6 <= one.drop.value <= one.drop.high + 1e-6
            assert one.before - one.after == pytest.approx(one.drop.value)
            assert 0 <= one.p <= 1
            assert one.clear is False or (one.p <= 0.05 and one.drop.value > 0)
        changed = sum(a != b for a, b in zip(world[0].predicted, world[1].predicted, strict=True))
        assert found.flips_total == changed
