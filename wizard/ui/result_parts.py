"""The result page's HTML: verdict per clause, tiles, charts, what changed, how it was measured.

Covers: turning an Outcome into words and figures, each number with where it comes from.
Does not cover: numbers themselves; those are computed in measure and compare.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from wizard import charts
from wizard.bundle import payers, report
from wizard.measure.metrics import named
from wizard.nouns import Basis, Clause, Json, Measurement, Outcome, Verdict
from wizard.ui import overlay, pieces, words

SMALLEST_GAP = 1e-9  # of two scores that are the same
FLIP_HEADINGS = ("Change", "Example", "Before", "After", "Truth", "Sure before", "Sure after")


def best_of(outcome: Outcome) -> str | None:
    """The candidate that is delivered: the chosen one, or the nearest miss."""
    return outcome.comparison.chosen or outcome.comparison.nearest


def verdict(outcome: Outcome) -> str:
    """The headline, and every clause with its verdict, why and what next."""
    best = best_of(outcome)
    judged = next((v for v in outcome.comparison.verdicts if v.candidate_id == best), None)
    overall = outcome.comparison.overall
    clauses = "".join(_clause(one) for one in judged.clauses) if judged else ""
    title = next((c.title for c in outcome.plan.candidates if c.id == best), "")
    lead = f"<p class='lead'>{escape(title)}. {escape(outcome.plan.sentence)}</p>" if title else ""
    if outcome.asked:
        lead += f"<p class='mut'>{words.FIRST_ASKED} {escape(outcome.asked)}</p>"
    miss = f"<p class='mut'>{words.NEAREST_MISS}</p>" if judged and overall is Verdict.MISS else ""
    return (
        f"<div id='result-top'><p class='overall'>{pieces.verdict_badge(overall)}</p>"
        f"<h2 class='verdict'>{escape(outcome.comparison.headline)}</h2>{lead}{miss}</div>"
        f"<section class='clauses' aria-label='{words.VERDICT}'>{clauses}</section>"
    )


def _clause(clause: Clause) -> str:
    more = ""
    if clause.more_examples and str(clause.more_examples) not in clause.next:
        more = f" About {charts.show_number(clause.more_examples)} more examples would settle it."
    after = f"<b>{escape(clause.next)}{more}</b>" if clause.next or more else ""
    wish = "" if clause.hard else " <span class='mut'>(a wish)</span>"
    return (
        f"<div class='clause {pieces.VERDICT_CSS[clause.verdict]}'>"
        f"<div>{pieces.verdict_badge(clause.verdict)}</div>"
        f"<div><h3>{escape(_named(clause.name))}{wish}</h3>"
        f"<p>{escape(clause.because)} {after}</p></div>"
        f"<span class='basis'>{pieces.BASIS_WORDS[clause.basis]}</span></div>"
    )


def _named(name: str) -> str:
    return name[:1].upper() + name[1:]


class Tile(NamedTuple):
    """One figure: its name, now, before, the change, whether that is good, where it is from."""

    name: str
    now: str
    unit: str
    before: str
    change: str
    good: bool
    basis: Basis


def tiles(outcome: Outcome) -> str:
    """Latency, file, memory and score: now, before, change, where the number comes from."""
    best = best_of(outcome)
    if best is None:
        return ""
    before, after = outcome.original, outcome.measurements[best]
    shown = (
        _latency(outcome, best, before, after),
        *_further(before, after),
        _amount("File", before.size.value, after.size.value, "MB"),
        _amount("Peak memory", before.memory.peak.value, after.memory.peak.value, "MB"),
        _score(before, after, outcome.plan.needs.tolerance.points),
    )
    return f"<dl class='tiles'>{''.join(_tile(one) for one in shown)}</dl>"


def _latency(outcome: Outcome, best: str, before: Measurement, after: Measurement) -> Tile:
    judged = next(v for v in outcome.comparison.verdicts if v.candidate_id == best)
    clause = next((one for one in judged.clauses if one.name.startswith("latency")), None)
    if clause is not None and clause.basis is not Basis.MEASURED:
        low, high = clause.low or clause.after, clause.high or clause.after
        span = f"{charts.show_number(low)}\u2013{charts.show_number(high)}"
        change = charts.show_change(clause.before, clause.after)
        was = f"{charts.show_number(clause.before)} ms"
        return Tile(
            words.ONE_ANSWER, span, "ms", was, change, clause.after < clause.before, clause.basis
        )
    first = (after.against or before.latency).p50.value
    name = words.FIRST_TOKEN if after.token else words.ONE_ANSWER
    return _amount(name, first, after.latency.p50.value, "ms")


def _further(before: Measurement, after: Measurement) -> list[Tile]:
    """Of a model that writes: each token after the first."""
    was = after.token_against or before.token
    if after.token is None or was is None:
        return []
    return [_amount(words.FURTHER_TOKEN, was.p50.value, after.token.p50.value, "ms")]


def _amount(name: str, before: float, after: float, unit: str) -> Tile:
    change = charts.show_change(before, after)
    shown, was = charts.show_number(after), f"{charts.show_number(before)} {unit}"
    return Tile(name, shown, unit, was, change, after <= before, Basis.MEASURED)


def _score(before: Measurement, after: Measurement, tolerance: float) -> Tile:
    metric = named(after.quality.metric)
    was, now = before.quality.value.value, after.quality.value.value
    change = report.score_change(before.quality, after.quality)
    gap = metric.hundredths * now - metric.allowed(was, tolerance)
    good = (gap if metric.higher_is_better else -gap) >= -SMALLEST_GAP
    shown, _, unit = _score_of(after).partition(" ")
    return Tile(_named(metric.name), shown, unit, _score_of(before), change, good, Basis.MEASURED)


def _score_of(found: Measurement) -> str:
    """Shares in per cent; a correlation and a perplexity keep their own scale."""
    metric, value = named(found.quality.metric), found.quality.value.value
    if metric.name != "spearman" and not metric.relative:
        return f"{100 * value:.1f} %"
    return f"{value:.2f}" if metric.relative else f"{value:.3f}"


def _tile(tile: Tile) -> str:
    css = "g" if tile.good else "w"
    long = " long" if len(tile.now) > 6 else ""
    return (
        f"<div class='tile'><dt>{escape(tile.name)}</dt><dd>"
        f"<span class='v{long}'>{escape(tile.now)}<small> {escape(tile.unit)}</small></span>"
        f"<span class='was'>was {escape(tile.before)}</span>"
        f"<span class='d {css}'>{escape(tile.change)}</span>"
        f"<span class='basis'>{pieces.BASIS_WORDS[tile.basis]}</span></dd></div>"
    )


def figures(outcome: Outcome) -> str:
    """Every timed request as a dot; every candidate in the trade-off plot."""
    best = best_of(outcome)
    if best is None:
        return ""
    after = outcome.measurements[best]
    here = outcome.plan.device.measured_here
    limit = report.limit_of(outcome, "latency") if here else None
    strip = charts.latency_strip(after.against or outcome.original.latency, after.latency, limit)
    machine = "milliseconds, lower is better" if here else "milliseconds, on this machine"
    return (
        "<div class='figs'>"
        f"<figure class='card fig'><figcaption><b>Each timed answer</b><span>{machine}</span>"
        f"</figcaption>{strip}<hr>{_bars(outcome.original, after)}</figure>"
        "<figure class='card fig'><figcaption><b>Size against score</b>"
        "<span>MB and score; the shaded zone keeps your contract</span></figcaption>"
        f"{report.trade_off(outcome)}</figure></div>"
        f"<details class='sub' id='figures-table'><summary>{words.AS_TABLE}</summary>"
        f"{report.before_after(outcome.original, after)}</details>"
    )


def _bars(before: Measurement, after: Measurement) -> str:
    pairs = (
        ("File", before.size, after.size),
        ("Memory", before.memory.peak, after.memory.peak),
        ("Loading", before.memory.load_ms, after.memory.load_ms),
    )
    return charts.bars(
        [
            charts.Bar(name=name, before=was.value, after=now.value, unit=now.unit)
            for name, was, now in pairs
        ]
    )


def who_pays(outcome: Outcome) -> str:
    """How many answers changed for better or worse, and which part of the data pays for it."""
    best = best_of(outcome)
    if best is None:
        return ""
    head = f"<h3 class='sec'>{words.WHO_PAYS}</h3>"
    found = outcome.payers.get(best)
    if found is None:
        return f"{head}{report.changed(outcome, best)}"
    said = f"<p class='lead'><b>{escape(found.sentence)}</b></p>"
    return f"{head}{said}{_changed(outcome, best)}{payers.parts(outcome, best)}"


def _changed(outcome: Outcome, best: str) -> str:
    before, after = outcome.original.quality.answers, outcome.measurements[best].quality.answers
    if not after.predicted or not before.truth:
        said = payers.changed_words(outcome.payers[best], len(after.rows))
        return f"<p>{escape(said)}</p>"
    rows = list(zip(before.truth, before.predicted, after.predicted, strict=True))
    broke = sum(1 for truth, was, now in rows if was == truth != now)
    fixed = sum(1 for truth, was, now in rows if now == truth != was)
    other = sum(1 for truth, was, now in rows if was != now and truth not in {was, now})
    return _flips(len(rows), broke, fixed, other)


def flips(outcome: Outcome) -> list[list[str | float]]:
    """The changed answers as rows of FLIP_HEADINGS; confidences in per cent."""
    found = outcome.payers.get(best_of(outcome) or "")
    return [
        [
            one.kind,
            one.example,
            one.before,
            one.after,
            one.truth,
            *(
                "" if sure is None else round(100 * sure, 1)
                for sure in (one.confidence_before, one.confidence_after)
            ),
        ]
        for one in (found.flips if found else ())
    ]


def flips_words(outcome: Outcome) -> str:
    """How many of the changed answers the table holds, and how to use it."""
    found = outcome.payers.get(best_of(outcome) or "")
    if found is None or not found.flips:
        return ""
    many = len(found.flips) < found.flips_total
    kept = f"The first {len(found.flips)} of {found.flips_total}. " if many else ""
    return f"<h4>{words.CHANGED}</h4><p class='mut'>{kept}{words.FLIPS_HINT}</p>"


def _flips(rows: int, broke: int, fixed: int, other: int) -> str:
    same = rows - broke - fixed - other
    parts = (("same", "the same", same), ("fixed", "fixed", fixed), ("broke", "broke", broke))
    bar = "".join(
        f"<span class='{css}' style='flex-grow:{number}'></span>"
        for css, _, number in parts
        if number
    )
    said = (
        f"Of {charts.show_number(rows)} answers, "
        f"<b>{charts.show_number(same)}</b> stayed the same, "
        f"<b class='bad'>{broke} broke</b> (right before, wrong now), "
        f"<b class='good'>{fixed} {'was' if fixed == 1 else 'were'} fixed</b>"
    )
    if other:
        said += f", and {other} went from one mistake to another"
    return f"<div class='flips' aria-hidden='true'>{bar}</div><p>{said}.</p>"


def tried(outcome: Outcome) -> str:
    """Every candidate of the plan: figures and verdict, or why there are none."""
    judged = {one.candidate_id: one.overall for one in outcome.comparison.verdicts}
    failed = {one.candidate_id: one.because for one in outcome.failed}
    failed |= {one.candidate_id: one.because for one in outcome.left_out}
    best = best_of(outcome)
    rows = [_tried_row("Original", outcome.original, "", "")]
    for one in outcome.plan.candidates:
        after = outcome.measurements.get(one.id)
        said = failed.get(one.id, "Not reached in the minutes allowed.")
        badge = pieces.verdict_badge(judged[one.id]) if one.id in judged else ""
        css = "chosen" if one.id == best else ""
        rows.append(_tried_row(one.title, after, badge or escape(said), css))
    return (
        f"<h3 class='sec'>{words.TRIED}</h3><div class='tw'><table class='tb'><thead><tr>"
        "<th scope='col'>Candidate</th><th scope='col'>What the file is</th>"
        "<th scope='col'>File</th><th scope='col'>One answer here</th><th scope='col'>Score</th>"
        f"<th scope='col'>Verdict</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _tried_row(title: str, after: Measurement | None, end: str, css: str) -> str:
    cells = ["\u2013"] * 4
    if after is not None:
        cells = [
            escape(after.audit.label),
            f"{charts.show_number(after.size.value)} MB",
            _in_turns(after),
            _score_of(after).replace(" ", "\u00a0"),
        ]
    names = ("What the file is", "File", "One answer here", "Score", "Verdict")
    rest = "".join(
        f"<td data-l='{name}'>{cell}</td>" for name, cell in zip(names, [*cells, end], strict=True)
    )
    return f"<tr class='{css}'><th scope='row'>{escape(title)}</th>{rest}</tr>"


def _in_turns(after: Measurement) -> str:
    """Milliseconds beside the original's of the same session; two sessions do not compare."""
    if after.against is None:
        return "<span class='mut'>in turns with each</span>"
    now, was = after.latency.p50.value, after.against.p50.value
    return (
        f"{charts.show_number(now)} ms <span class='mut'>original {charts.show_number(was)}</span>"
    )


def measured_how(outcome: Outcome) -> str:
    """The machine, the versions, the examples, the notes."""
    notes = "".join(f"<li>{escape(one)}</li>" for one in outcome.notes)
    elsewhere = ""
    if not outcome.plan.device.measured_here:
        elsewhere = (
            f"<p>Speed on {escape(outcome.plan.device.name)} is an estimate, a range. Run check.py "
            "from the bundle there; its receipt makes it a measurement.</p>"
        )
    return (
        f"<details class='sub'><summary>{words.MEASURED_HOW}</summary>{elsewhere}"
        f"{report.host(outcome)}<p>Examples: {escape(outcome.data_origin)}.</p>"
        f"<ul>{notes}</ul></details>"
    )


def both(said: Json) -> str:
    """What the two models say to one text, side by side."""
    if not isinstance(said, dict):
        return ""
    sides = (("Original", "b", said["before"]), ("Compressed", "a", said["after"]))
    picture = said.get("picture")
    return f"<div class='duo'>{''.join(_side(*one, picture) for one in sides)}</div>"


def _side(name: str, css: str, answer: dict[str, Json], picture: Json) -> str:
    ms = f"<span class='mut'>{charts.show_number(float(answer['ms']))} ms</span>"  # type: ignore[arg-type]
    head = f"<h4>{name} {ms}</h4>{overlay.drawn(picture, answer, name)}"
    ranked, said = answer.get("answers"), answer.get("said")
    if isinstance(said, str):
        pace = _pace(answer)
        return f"<div class='card {css}'>{head}<p class='said'>{escape(said)}</p>{pace}</div>"
    if not isinstance(ranked, list | tuple):
        numbers = ", ".join(f"{one}" for one in answer.get("numbers", []))  # type: ignore[union-attr]
        return f"<div class='card {css}'>{head}<code>{escape(numbers)} \u2026</code></div>"
    lines = "".join(
        f"<div class='pb'><span>{''.join(map(overlay.swatch, of))}{escape(str(label))}</span>"
        f"<span class='tr'><span style='width:{100 * share:.1f}%'></span></span>"
        f"<span class='n'>{share:.2f}</span></div>"
        for label, share, *of in ranked[:4]
    )
    return f"<div class='card {css}'>{head}{lines}</div>"


def _pace(answer: dict[str, Json]) -> str:
    """Of a written text: when it began and how fast it went on."""
    first, each = answer.get("first_ms"), answer.get("each_ms")
    if not isinstance(first, float):
        return ""
    said = f"first token after {charts.show_number(first)} ms"
    if isinstance(each, float):
        said += f", each further one {charts.show_number(each)} ms"
    return f"<p class='mut'>{said}</p>"
