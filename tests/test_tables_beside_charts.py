"""Whoever reads the table beside a chart reads the chart's own numbers, in page and report."""

import re
from dataclasses import replace
from html import unescape

import pytest

from tests.factories import a_candidate, a_measurement, a_plan, a_quantity, an_outcome, some_answers
from wizard import charts
from wizard.bundle import damage, payers, report
from wizard.nouns import Comparison, LayerDamage, SliceLoss, Verdict, WhoPays
from wizard.ui import result_parts


def described(html):
    """Every number of the descriptions of the drawings in it."""
    told = " ".join(re.findall(r"<desc[^>]*>(.*?)</desc>", html, flags=re.DOTALL))
    return numbers(told)


def numbers(text):
    plain = unescape(text).replace("\u2212", "-").replace("\u202f", "").replace("\u00a0", " ")
    return {float(one) for one in re.findall(r"(?<![\w.-])-?\d+(?:\.\d+)?", plain)}


def in_tables(html):
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html, flags=re.DOTALL)
    return numbers(" ".join(cells))


def missing(drawn, tables):
    """The drawn numbers that no cell says, to the digits a cell has."""
    said = in_tables(tables)
    return {one for one in described(drawn) if not any(abs(one - other) < 0.051 for other in said)}


def a_layer(name, own, whole):
    return LayerDamage(layer=name, operator="MatMul", relative_error=whole, own_error=own)


def a_part(value, drop):
    return SliceLoss(
        column="language",
        value=value,
        rows=200,
        before=95.0,
        after=95.0 - drop,
        drop=a_quantity(drop, "points", low=drop - 1.7, high=drop + 2.3),
        p=0.2,
        clear=False,
    )


@pytest.fixture
def outcome():
    """Two candidates with figures that no two of them share."""
    names = ("a", "b")
    plan = a_plan(candidates=tuple(a_candidate(id=one, title=f"Recipe {one}") for one in names))
    found = {
        name: a_measurement(
            answers=some_answers(right=right), p50=speed, megabytes=size, layers=layers
        )
        for name, right, speed, size, layers in (
            ("a", 953, 1.37, 6.1, (a_layer("first", 0.031, 0.044), a_layer("last", 0.02, 0.09))),
            ("b", 917, 2.71, 3.3, ()),
        )
    }
    made = an_outcome(plan, a_measurement(p50=4.9, megabytes=21.7), found)
    chosen = Comparison(
        overall=Verdict.PASS, verdicts=(), chosen="a", nearest=None, headline="Kept."
    )
    parts = (a_part("German", 6.2), a_part("French", 0.4))
    paying = WhoPays(sentence="German.", slices=parts, too_small=0, flips=(), flips_total=0)
    return replace(made, comparison=chosen, payers={"a": paying})


def test_the_report_says_each_drawn_number_in_a_table(outcome):
    """Medians, megabytes and the plot of size against score."""
    tables = report.before_after(outcome.original, outcome.measurements["a"]) + report.tried(
        outcome
    )

    assert not missing(report.figures(outcome, "a"), tables)


def test_the_page_says_each_drawn_number_in_a_table(outcome):
    """The fold beside the figures and the table of what was tried."""
    html = result_parts.figures(outcome)

    assert not missing(html, html + result_parts.tried(outcome))


def test_the_parts_of_the_data_stand_in_a_table(outcome):
    """What each part lost, with its interval; what all rows lost together stands in the text."""
    html = payers.parts(outcome, "a")
    whole = float(charts.show_number(payers.whole_loss(outcome, "a")))

    assert missing(html, html) <= {whole}


def test_the_damage_of_each_layer_stands_in_a_table(outcome):
    """What a layer adds and what it ends with."""
    html = damage.section(outcome.measurements["a"])

    assert described(html) == {3.1, 4.4, 2.0, 9.0}
    assert not missing(html, html)


def test_a_number_that_no_table_says_is_noticed(outcome):
    """The check itself can fail."""
    drawn = charts.bars([charts.Bar(name="File", before=77.7, after=6.1, unit="MB")])

    assert missing(drawn, report.tried(outcome)) == {77.7}
