"""Charts and numbers: true to their values, readable, never a stranger's markup."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest

from tests.factories import a_latency, a_quantity
from wizard import charts
from wizard.cited import cited
from wizard.nouns import SliceLoss

SVG = "{http://www.w3.org/2000/svg}"


def a_point(**changes):
    made = {"name": "8 bits", "cost": 5.0, "score": 95.0, "score_low": 94.0, "score_high": 96.0}
    return charts.Point(**{**made, **changes})


def drawing(svg):
    """The parsed SVG: it must be well-formed."""
    named = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    return ElementTree.fromstring(named)  # noqa: S314 - our own drawing


def texts(svg):
    return [one.text for one in drawing(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.004, "0.004"), (0.0999, "0.1"), (1.234, "1.23"), (9.999, "10.0"),
        (56.7, "56.7"), (99.96, "100"), (1234, "1\u202f234"), (-2.5, "-2.50"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_and_no_exponent(value, text):
    """Rounding never leaves a fourth digit."""
    assert charts.show_number(value) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [(10, 5, "\u221250\u00a0%"), (10, 12, "+20\u00a0%"), (10, 10.01, "no change"), (0, 3, "")],
)
def test_changes_carry_a_real_minus_sign(before, after, text):
    """Relative to before; nothing where there was nothing."""
    assert charts.show_change(before, after) == text


@pytest.mark.parametrize(
    ("points", "text"), [(-0.5, "\u22120.5 points"), (1, "+1 point"), (0, "0 points")]
)
def test_points_are_counted_in_words(points, text):
    """One point, two points, minus half a point."""
    assert charts.show_points(points) == text


def test_a_quantity_shows_its_range_when_it_has_one():
    """An estimate is a range; a plain number stays one."""
    assert charts.show_quantity(a_quantity(3, low=2, high=4)) == "2.00 to 4.00 ms"
    assert charts.show_quantity(a_quantity(3, low=None, high=None)) == "3.00 ms"


@pytest.mark.parametrize("ends", [(0, 4.7), (95.1, 95.4), (0, 3), (0, 12_000), (-3, 2)])
def test_ticks_are_round_and_inside(ends):
    """Between two and eight of them."""
    ticks = charts.Scale(low=ends[0], high=ends[1], start=0, end=100).ticks()

    assert 2 <= len(ticks) <= 8
    assert all(ends[0] <= tick <= ends[1] * 1.0001 for tick in ticks)
    assert all(len(f"{tick:.6g}".lstrip("-0.")) <= 5 for tick in ticks)


def test_the_strip_shows_requests_medians_and_the_limit():
    """Dots for both, both medians in words, the limit where it was set."""
    svg = charts.latency_strip(a_latency(4.0), a_latency(2.0), 5.0)

    assert {"4.00 ms", "2.00 ms", "limit 5"} <= set(texts(svg))
    assert len(list(drawing(svg).iter(f"{SVG}circle"))) > 100
    assert 'class="bg"' not in charts.latency_strip(a_latency(4.0), a_latency(2.0), None)


def test_a_far_limit_does_not_squeeze_the_dots():
    """A limit of a second beside two milliseconds is not drawn."""
    assert 'class="bg"' not in charts.latency_strip(a_latency(4.0), a_latency(2.0), 1000.0)


def test_bars_are_as_long_as_their_values():
    """Half the value, half the length."""
    svg = drawing(charts.bars([charts.Bar(name="File", before=10, after=5, unit="MB")]))
    before, after = (float(one.get("width")) for one in svg.iter(f"{SVG}rect"))

    assert after == pytest.approx(before / 2, abs=0.1)


def test_names_never_cover_each_other():
    """Even when every candidate has nearly the same size and score."""
    names = ["Original", "8-bit weights and activations", "8-bit weights", "4-bit weights",
             "Same answers, tidier file", "16-bit weights"]  # fmt: skip
    points = [
        a_point(name=name, cost=5 + 0.1 * at, chosen=at == 1, original=at == 0)
        for at, name in enumerate(names)
    ]
    svg = drawing(charts.trade_off(points, cost_limit=None, score_limit=94.5))
    labels = [one for one in svg.iter(f"{SVG}text") if one.get("class") in {"lb", "val"}]

    assert {one.text for one in labels} == set(names)
    for one, other in combinations(labels, 2):
        near = abs(float(one.get("y")) - float(other.get("y"))) < 14
        assert not near or abs(float(one.get("x")) - float(other.get("x"))) > 60


def test_the_zone_ends_at_the_limits():
    """Shaded up to the size limit and down to the lowest allowed score."""
    points = [a_point(chosen=True), a_point(name="Original", cost=20.0, original=True)]
    wide = drawing(charts.trade_off(points, cost_limit=None, score_limit=94.5))
    narrow = drawing(charts.trade_off(points, cost_limit=10.0, score_limit=95.5))
    one, two = (next(svg.iter(f"{SVG}rect")) for svg in (wide, narrow))

    assert float(two.get("width")) < float(one.get("width"))
    assert float(two.get("height")) < float(one.get("height"))


@pytest.mark.parametrize(
    "svg",
    [
        charts.latency_strip(a_latency(4.0), a_latency(2.0), 5.0),
        charts.bars([charts.Bar(name="<File>", before=10, after=5, unit="MB")]),
        charts.trade_off([a_point(name="<8>")], cost_limit=None, score_limit=94.0),
    ],
)
def test_every_drawing_is_read_aloud_with_its_numbers(svg):
    """A title, a description with the values, and markup that stays text."""
    parsed = drawing(svg)

    assert parsed.get("role") == "img"
    assert re.search(r"\d", parsed.find(f"{SVG}desc").text)
    assert parsed.find(f"{SVG}title").text


def test_one_point_alone_is_drawn():
    """No division by a span of nothing."""
    point = a_point(score_low=95.0, score_high=95.0, cost=0.0)

    assert "nan" not in charts.trade_off([point], cost_limit=None, score_limit=95.0)


def test_a_table_escapes_and_names_its_cells():
    """Each cell carries its heading for narrow screens."""
    html = charts.table(("a", "b"), [("<script>", "2")])

    assert "<script>" not in html
    assert "data-l='b'" in html


def a_part(**changes):
    drop = a_quantity(6.0, "points", low=4.0, high=8.0)
    made = {"column": "length, language", "value": "short, German", "rows": 200, "before": 95.0}
    made |= {"after": 89.0, "drop": drop, "p": 0.001, "clear": True}
    return SliceLoss(**{**made, **changes})


def test_the_chart_of_parts_marks_who_pays_by_shape_and_not_only_by_colour():
    """A square for a part that pays, a dot for every other; each has its interval."""
    svg = charts.slices([a_part(), a_part(value="long, French", clear=False)], 0.5)

    assert len(list(drawing(svg).iter(f"{SVG}rect"))) == 1
    assert len(list(drawing(svg).iter(f"{SVG}circle"))) == 1
    assert "All rows lost 0.50; short, German: 6.00, 4.00 to 8.00" in svg


def test_a_part_with_a_stranger_s_name_is_escaped_and_cut():
    """Values come from the data: no markup, and no name longer than its place."""
    svg = charts.slices([a_part(column="note", value="<b>" + "x" * 90)], 0.0)

    assert "<b>" not in svg
    assert max(len(one) for one in texts(svg)) <= 24


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("length, language", "short, German", "short, German"),
        ("phrasing", "new", "phrasing: new"),
        ("label, ink", "seven, thin", "seven, ink: thin"),
        ("place", "Bern, Thun", "place: Bern, Thun"),
    ],
)
def test_a_part_is_named_so_that_it_speaks_for_itself(column, value, name):
    """The data's own columns are named; a language and a length need no name."""
    assert charts.part_name(a_part(column=column, value=value)) == name


def test_a_table_keeps_what_is_html_already():
    """Links of citations; everything else is text."""
    html = charts.table(("a", "b"), [(cited("arXiv 2204.09656"), "<b>")])

    assert '<a href="https://arxiv.org/abs/2204.09656"' in html
    assert "<b>" not in html
