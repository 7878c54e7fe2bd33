"""The one-page report: self-contained HTML that prints well and convinces a third person.

Covers: verdict, clauses, before and after, charts with a table each, candidates, who pays,
reasons with sources, host facts, the command. Does not cover: the web page (ui).
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path

from wizard import charts
from wizard.bundle import damage, payers, siblings
from wizard.bundle.privacy import public_command, without_folders
from wizard.cited import cited
from wizard.measure.metrics import named
from wizard.measure.speed import PROCESSES_APART
from wizard.nouns import (
    Audit,
    Basis,
    Candidate,
    Clause,
    Measurement,
    Outcome,
    Quality,
    Quantity,
    Verdict,
)

CHANGED_AT_MOST = 12
TRADE_OFF_KEY = (
    "Lines are 95 % intervals. The shaded zone keeps the size and the quality you asked for, as "
    "far as the middle value tells; the verdict looks at the whole interval of the loss."
)
SPOKE = {"fired": "spoke", "lost": "was beaten"}
STYLE = Path(__file__).parent / "templates" / "report.css"


def report(outcome: Outcome, candidate: Candidate, command: str) -> str:
    """report.html; everything in it comes from the outcome."""
    after = outcome.measurements[candidate.id]
    judged = next(v for v in outcome.comparison.verdicts if v.candidate_id == candidate.id)
    sections = [
        _head(outcome, judged.overall),
        "<h2>The contract</h2>",
        f"<p>{escape(outcome.plan.sentence)}</p>",
        f"<p class='mut'>First asked: {escape(outcome.asked)}</p>" if outcome.asked else "",
        clauses_table(judged.clauses),
        "<h2>Before and after</h2>",
        before_after(outcome.original, after),
        figures(outcome, candidate.id),
        "<h2>What was tried</h2>",
        tried(outcome),
        siblings.section(outcome),
        "<h2>Who pays</h2>",
        payers.section(outcome, candidate.id) or changed(outcome, candidate.id),
        "<h2>Where the damage is</h2>",
        damage.section(after),
        "<h2>Why this candidate</h2>",
        reasons(candidate),
        rules(outcome),
        "<h2>How it was measured</h2>",
        host(outcome),
        f"<pre><code>{escape(public_command(command))}</code></pre>",
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(outcome.plan.profile.title)}, compressed</title>"
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>"
    )


def _head(outcome: Outcome, overall: Verdict) -> str:
    return (
        f"<p class='mut'>Compression Wizard, report on {escape(outcome.plan.profile.title)}</p>"
        f"{badge(overall)}<h1>{escape(outcome.comparison.headline)}</h1>"
    )


def badge(verdict: Verdict) -> str:
    """PASS, MISS or CANNOT TELL in its colour."""
    css = verdict.value.split(" ", 1)[0]
    return f"<span class='badge {css}'>{verdict.value}</span>"


def clauses_table(clauses: tuple[Clause, ...]) -> str:
    """Each clause with its verdict, why, what next and where the number comes from."""
    rows = "".join(
        f"<tr><td data-l='Verdict'>{badge(one.verdict)}</td>"
        f"<td data-l='Clause'>{escape(one.name)}</td>"
        f"<td data-l='Why'><span>{escape(one.because)}"
        f"{f'<br><b>{escape(one.next)}</b>' if one.next else ''}</span></td>"
        f"<td data-l='Basis'>{one.basis.value}</td></tr>"
        for one in clauses
    )
    return (
        "<div class='tw'><table class='tb'><thead><tr><th scope='col'>Verdict</th>"
        "<th scope='col'>Clause</th><th scope='col'>Why, and what next</th>"
        f"<th scope='col'>Basis</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def before_after(before: Measurement, after: Measurement) -> str:
    """The table of everything measured, with intervals and where each number comes from."""
    rows = [
        *measured_rows(before, after),
        ("What the file is", before.audit.label, after.audit.label, "", Basis.CONFIG.value),
        ("Operators", *(_operators(one.audit) for one in (before, after)), "", Basis.CONFIG.value),
    ]
    return charts.table(("What", "Before", "After", "Change", "Basis"), rows)


def _operators(audit: Audit) -> str:
    """`opset 18; ai.onnx, com.microsoft`: what a runtime must know to open the file."""
    return f"opset {audit.opset}; {', '.join(audit.domains)}"


def measured_rows(before: Measurement, after: Measurement) -> list[tuple[str, str, str, str, str]]:
    """(what, before, after, change, basis) in words, for the report and the model card."""
    pairs = [
        ("File", before.size, after.size),
        ("Zipped", before.zipped, after.zipped),
        *_times(before, after),
        ("Peak memory", before.memory.peak, after.memory.peak),
        ("Steady memory", before.memory.steady, after.memory.steady),
        ("Load time", before.memory.load_ms, after.memory.load_ms),
        ("First answer", before.memory.first_ms, after.memory.first_ms),
    ]
    rows = [
        (name, _shown(b), _shown(a), charts.show_change(b.value, a.value), a.basis.value)
        for name, b, a in pairs
    ]
    was, now = (_score(one) for one in (before, after))
    change = score_change(before.quality, after.quality)
    metric = _title(after.quality.metric)
    return [
        *rows,
        *_threads(before, after),
        (metric, _shown(was), _shown(now), change, now.basis.value),
        *_also(before, after),
    ]


def _times(before: Measurement, after: Measurement) -> list[tuple[str, Quantity, Quantity]]:
    """Of a whole answer; of a model that writes, to the first token and of each further one."""
    first, was = after.against or before.latency, after.token_against or before.token
    if after.token is None or was is None:
        return [
            ("Latency, median", first.p50, after.latency.p50),
            ("Latency, 95th percentile", first.p95, after.latency.p95),
        ]
    return [
        ("First token, median", first.p50, after.latency.p50),
        ("First token, 95th percentile", first.p95, after.latency.p95),
        ("Each further token, median", was.p50, after.token.p50),
        ("Each further token, 95th percentile", was.p95, after.token.p95),
    ]


def _threads(before: Measurement, after: Measurement) -> list[tuple[str, str, str, str, str]]:
    """The fewest that answer as soon as more would, which the times were taken with."""
    if before.threads is None or after.threads is None:
        return []
    return [("Threads", str(before.threads), str(after.threads), "", Basis.MEASURED.value)]


def _also(before: Measurement, after: Measurement) -> list[tuple[str, str, str, str, str]]:
    """Other measures of the same answers, and how many tokens the original would have chosen."""
    rows = []
    for name, now in after.quality.also.items():
        was = before.quality.also.get(name)
        if was is not None:
            first, then = (named(name).shown(one.value) for one in (was, now))
            change = charts.show_change(was.value, now.value)
            rows.append((_title(name), first, then, change, now.basis.value))
    kept = after.quality.agreement
    if after.token is not None and kept is not None:
        name = "Likeliest tokens as before"
        rows.append((name, "100 %", f"{100 * kept.value:.2f} %", "", kept.basis.value))
    return rows


def score_change(before: Quality, after: Quality) -> str:
    """In points of the measure, or in per cent where it is judged so."""
    was, now = before.value.value, after.value.value
    if named(after.metric).relative:
        return charts.show_change(was, now)
    return charts.show_points(round(100 * (now - was), 2))


def _title(metric: str) -> str:
    """With a capital first; `F1` keeps its own."""
    return metric[:1].upper() + metric[1:]


def _shown(quantity: Quantity) -> str:
    """`1.09 ms (1.08 to 1.10)`; the range only where one was computed."""
    value = f"{charts.show_number(quantity.value)} {quantity.unit}".rstrip()
    if quantity.low is None or quantity.high is None or quantity.low == quantity.high:
        return value
    return f"{value} ({charts.show_number(quantity.low)} to {charts.show_number(quantity.high)})"


def _score(measurement: Measurement) -> Quantity:
    """The score in hundredths: per cent right, or a hundred times a correlation or cosine.

    Perplexity is no share and stays what it is.
    """
    quality = measurement.quality
    metric = named(quality.metric)
    if metric.relative:
        return replace(quality.value, unit="")
    low, high = (
        100 * (quality.value.value if end is None else end)
        for end in (quality.value.low, quality.value.high)
    )
    unit = "of 100" if metric.name == "spearman" else "%"
    return replace(quality.value, value=100 * quality.value.value, low=low, high=high, unit=unit)


def figures(outcome: Outcome, candidate_id: str) -> str:
    """Latency strip, megabytes and trade-off plot; the tables around them say the same."""
    after = outcome.measurements[candidate_id]
    before = outcome.original
    limit = limit_of(outcome, "latency") if outcome.plan.device.measured_here else None
    strip = charts.latency_strip(after.against or before.latency, after.latency, limit)
    sizes = charts.bars(
        [
            charts.Bar(name=name, before=b.value, after=a.value, unit="MB")
            for name, b, a in (
                ("File", before.size, after.size),
                ("Zipped", before.zipped, after.zipped),
                ("Memory", before.memory.peak, after.memory.peak),
            )
        ]
    )
    return (
        "<div class='two'><div class='stack'>"
        f"{_figure('Every request here, in milliseconds', strip)}"
        f"{_figure('Megabytes, before and after', sizes)}</div>"
        f"{_figure('File size in MB against score', trade_off(outcome), TRADE_OFF_KEY)}</div>"
    )


def _figure(caption: str, drawing: str, note: str = "") -> str:
    return (
        f"<figure class='card fig'><figcaption>{escape(caption)}</figcaption>{drawing}"
        f"{f'<p class=mut>{escape(note)}</p>' if note else ''}</figure>"
    )


def limit_of(outcome: Outcome, quantity: str) -> float | None:
    """The limit of a clause, if the user set one."""
    budgets = outcome.plan.needs.budgets
    return next((one.at_most for one in budgets if one.quantity == quantity), None)


def trade_off(outcome: Outcome) -> str:
    """Every measured candidate and the original: size against score, with intervals."""
    best = outcome.comparison.chosen or outcome.comparison.nearest
    titles = {one.id: one.title for one in outcome.plan.candidates}
    entries = [("original", outcome.original), *outcome.measurements.items()]
    points = [
        charts.Point(
            name=titles.get(name, "Original"),
            cost=one.size.value,
            score=score.value,
            score_low=score.value if score.low is None else score.low,
            score_high=score.value if score.high is None else score.high,
            chosen=name == best,
            original=name == "original",
        )
        for name, one, score in ((name, one, _score(one)) for name, one in entries)
    ]
    quality, points_lost = outcome.original.quality, outcome.plan.needs.tolerance.points
    metric = named(quality.metric)
    return charts.trade_off(
        points,
        cost_limit=limit_of(outcome, "size"),
        score_limit=metric.allowed(quality.value.value, points_lost),
        higher_is_better=metric.higher_is_better,
    )


def tried(outcome: Outcome) -> str:
    """The original and every candidate: what came out, or why nothing did."""
    failed = {one.candidate_id: one.because for one in outcome.failed}
    judged = {one.candidate_id: one.overall.value for one in outcome.comparison.verdicts}
    rows = [_measured("Original", outcome.original, "")]
    for candidate in outcome.plan.candidates:
        after = outcome.measurements.get(candidate.id)
        if after is None:
            said = without_folders(failed.get(candidate.id, "not reached"))
            rows.append((candidate.title, "", "", "", said))
            continue
        rows.append(_measured(candidate.title, after, judged.get(candidate.id, "")))
    score = _title(outcome.original.quality.metric)
    return charts.table(("Candidate", "File", "Latency here", score, "Verdict"), rows)


def _measured(title: str, found: Measurement, end: str) -> tuple[str, str, str, str, str]:
    return (
        title,
        f"{charts.show_number(found.size.value)} MB",
        f"{charts.show_number(found.latency.p50.value)} ms",
        _shown(_score(found)),
        end,
    )


def changed(outcome: Outcome, candidate_id: str) -> str:
    """How many answers changed, and the first of them."""
    before = outcome.original.quality.answers
    after = outcome.measurements[candidate_id].quality.answers
    if not after.predicted:
        agreement = outcome.measurements[candidate_id].quality.agreement
        mean = f"{agreement.value:.4f}" if agreement else "not measured"
        return f"<p>Mean cosine between the original's vectors and the new ones: {mean}.</p>"
    labels = outcome.plan.profile.labels
    pairs = list(zip(before.rows, before.predicted, after.predicted, strict=True))
    flips = [(at, *pair) for at, pair in enumerate(pairs) if pair[1] != pair[2]]
    kinds = [_kind(before.truth[at] if before.truth else None, b, a) for at, _, b, a in flips]
    said = f"{len(flips)} of {len(pairs)} answers changed"
    if before.truth:
        said += f": {kinds.count('broke')} right before are wrong now, {kinds.count('fixed')} the "
        said += "other way round"
    if not flips:
        return f"<p>{said}.</p>"
    rows = [
        (
            str(row),
            labels[before.truth[at]] if before.truth else "",
            f"{labels[b]} ({before.confidence[at]:.0%})",
            f"{labels[a]} ({after.confidence[at]:.0%})",
            kind,
        )
        for (at, row, b, a), kind in list(zip(flips, kinds, strict=True))[:CHANGED_AT_MOST]
    ]
    return f"<p>{said}.</p>" + charts.table(("Row", "Truth", "Before", "After", "Change"), rows)


def _kind(truth: int | None, before: int, after: int) -> str:
    if truth is None:
        return "changed"
    return "broke" if before == truth else "fixed" if after == truth else "changed"


def reasons(candidate: Candidate) -> str:
    """Each reason with its source, each warning."""
    items = "".join(
        f"<li>{escape(one.sentence)}"
        f"{f' <span class=mut>({cited(one.source)})</span>' if one.source else ''}</li>"
        for one in (*candidate.reasons, *candidate.warnings)
    )
    return f"<p><b>{escape(candidate.title)}</b></p><ul>{items}</ul>"


def rules(outcome: Outcome) -> str:
    """Every rule that spoke or lost, with what it said or who beat it, and its sources."""
    rows = [
        (one.title, SPOKE[one.outcome], one.because, cited(one.source), one.record)
        for one in outcome.plan.rules
        if one.outcome in SPOKE
    ]
    if not rows:
        return ""
    silent = len(outcome.plan.rules) - len(rows)
    headings = ("Rule", "It", "Why", "Source", "On our samples")
    more = f"<p class='mut'>{silent} other rules stayed silent: their conditions do not hold.</p>"
    return charts.table(headings, rows) + more


def host(outcome: Outcome) -> str:
    """The machine and the versions behind every number."""
    facts = outcome.original.host
    times = outcome.original.latency
    versions = ", ".join(f"{name} {value}" for name, value in sorted(facts.versions.items()))
    return (
        f"<p>{escape(facts.cpu)}, {facts.usable_cores} cores, {facts.ram_bytes / 1e9:.0f} GB, "
        f"{escape(facts.system)}; {escape(', '.join(sorted(facts.isa)))}.</p>"
        f"<p class='mut'>{escape(versions)}.</p>"
        "<p>The original and each candidate ran in turns, in fresh processes, on the same inputs. "
        f"The machine's own noise was {max(0.01, times.noise - 1):.0%} or less, and two fresh "
        f"processes of the original were {times.apart - 1:.1%} apart beyond that; a speed-up "
        f"inside either, or inside the {PROCESSES_APART:.1%} assumed at least, is called none. "
        f"Quality was compared on the same {len(outcome.original.quality.answers.rows)} rows.</p>"
    )
