"""How results look in a terminal: short tables, verdict first, one object with --json.

Covers: layout. Does not cover: what is shown; every value comes from the engine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from wizard import engine
from wizard.errors import Unexpected, WizardError
from wizard.nouns import (
    BestSoFar,
    CandidateFailed,
    CounterOffer,
    Device,
    Discarded,
    Finished,
    HostFacts,
    JobStarted,
    Json,
    Measured,
    ModelProfile,
    Noted,
    PhaseDone,
    PhasesAdded,
    PhaseStarted,
    RunEvent,
    Sample,
    jsonable,
)
from wizard.nouns import Progress as Step

if TYPE_CHECKING:
    from wizard.bundle import Verified
    from wizard.cli.doctor import Finding
    from wizard.jobs import JobStatus

Column: TypeAlias = tuple[str, Callable[..., str]]

SLICES_SHOWN, SLICES_IF_NONE = 5, 3
HEADINGS = ("", "part", "rows", "before", "after", "lost (95 %)", "by chance")
OPENING = "open"  # the phase that downloads; what others do within takes seconds
INSPECT_SCHEMA, ERROR_SCHEMA = "wizard.inspect/1", "wizard.error/1"


def _sample_title(sample: Sample) -> str:
    return sample.title


def _device_name(device: Device) -> str:
    return device.name


SAMPLE_COLUMNS: tuple[Column, ...] = (
    ("title", _sample_title),
    ("task", lambda sample: sample.task.on_hub),
    ("score", lambda sample: f"{sample.baseline:.3f} {sample.metric}"),
)
DEVICE_COLUMNS: tuple[Column, ...] = (
    ("device", _device_name),
    ("group", lambda device: device.group),
    ("what it is", lambda device: device.subtitle),
)
STRATEGY_COLUMNS: tuple[Column, ...] = (
    ("technique", lambda strategy: strategy.title),
    ("what it does", lambda strategy: strategy.summary),
)


def say(text: str = "") -> None:
    """One line on stdout."""
    print(text)


def emit(value: object) -> None:
    """One JSON object on stdout."""
    print(json.dumps(jsonable(value), ensure_ascii=False, indent=1))


def table(
    kind: str, known: Mapping[str, object], columns: Iterable[Column], *, as_json: bool
) -> None:
    """Names with a few columns each."""
    if as_json:
        emit({"schema": f"wizard.{kind}s/1", f"{kind}s": {k: _plain(v) for k, v in known.items()}})
        return
    shown = list(columns)
    rows = [("id", *(title for title, _ in shown))]
    rows += [(name, *(read(value) for _, read in shown)) for name, value in known.items()]
    for line in aligned(rows):
        say(line)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as text with aligned columns; the last column is never padded."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        "  ".join((*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]))
        for row in rows
    ]


def entry(value: object, *, as_json: bool) -> None:
    """One entry in full."""
    plain = _plain(value)
    if as_json:
        emit(plain)
        return
    for line in _lines(plain, 0):
        say(line)


def _plain(value: object) -> Json:
    """A noun as JSON; a strategy as its declared facts (its functions have no JSON form)."""
    describe = getattr(value, "describe", None)
    return jsonable(describe() if describe else value)


def _lines(value: Json, depth: int) -> Iterable[str]:
    margin = "  " * depth
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list) and item:
                yield f"{margin}{key}:"
                yield from _lines(item, depth + 1)
            elif item not in (None, "", [], {}):
                yield f"{margin}{key}: {item}"
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping | list):
                yield from _lines(item, depth)
                yield ""
            else:
                yield f"{margin}- {item}"
    else:
        yield f"{margin}{value}"


def doctor(found: Iterable[Finding], host: HostFacts, *, as_json: bool) -> None:
    """One line a finding, with the fix behind what does not work."""
    if as_json:
        emit({"schema": "wizard.doctor/1", "host": host, "findings": list(found)})
        return
    say(f"{host.cpu}, {host.usable_cores} cores, {host.system}")
    for one in found:
        mark = "ok  " if one.works else "note" if one.optional else "FIX "
        fix = f"  ->  {one.fix}" if not one.works else ""
        say(f"{mark}  {one.name}: {one.seen}{fix}")


def profile(shown: ModelProfile, *, as_json: bool) -> None:
    """The model card."""
    if as_json:
        left = engine.left_to_download(shown)
        model = {**_mapping(jsonable(shown)), "left_to_download": left}
        emit({"schema": INSPECT_SCHEMA, "model": model, "host": engine.host()})
        return
    facts = [
        ("model", f"{shown.title} ({shown.ref})"),
        ("task", shown.task.on_hub if shown.task else "none that we do"),
        ("family", f"{shown.family} ({shown.architecture})"),
        ("verdict", f"{shown.support.level.value}: {shown.support.because}"),
        ("nearest", shown.support.nearest or ""),
        ("licence", shown.licence or "not stated"),
        ("files", f"{shown.weights_bytes / 1e6:.1f} MB of {shown.dtype} weights"),
        ("download", _download(shown)),
        ("onnx", _starts(shown)),
        ("parameters", _parameters(shown)),
        ("work", f"{shown.macs / 1e6:.1f} M multiply-adds per request ({_workload(shown)})"),
        ("answers", f"{len(shown.labels)} labels" if shown.labels else ""),
    ]
    for line in aligned([(name, value) for name, value in facts if value]):
        say(line)


def _starts(shown: ModelProfile) -> str:
    """What could be started from without translating anything."""
    found = engine.starts(shown)
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"there already; to start from it, name {', '.join(found[:3])}{more}" if found else ""


def _download(shown: ModelProfile) -> str:
    """What a job would fetch, to the byte, and how much of it is here already."""
    whole = shown.download_bytes
    left = engine.left_to_download(shown)
    if not whole:
        return ""
    if not left:
        return f"nothing: its {whole:,} bytes are in the local cache"
    here = f"; {whole - left:,} are here" if left < whole else ""
    return f"{left:,} bytes ({left / 1e6:.1f} MB) in {len(shown.downloads)} files{here}"


def _parameters(shown: ModelProfile) -> str:
    counts = shown.parameters
    kinds = ("embedding", "linear", "conv", "other")
    parts = ", ".join(f"{kind} {getattr(counts, kind) / 1e6:.2f}" for kind in kinds)
    return f"{counts.total / 1e6:.2f} M: {parts}"


def _workload(shown: ModelProfile) -> str:
    work = shown.workload
    if work.tokens is not None or work.seconds is not None:
        return f"{work}, batch {work.batch}"
    labels = f", {work.labels} labels" if work.labels is not None else ""
    return f"{work.image_size} x {work.image_size} pixels{labels}, batch {work.batch}"


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


class Progress:
    """Events as lines on stderr, one a phase."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._titles: dict[str, str] = {}
        self._tenths: dict[str, int] = {}

    def _got_on(self, event: Step) -> str:
        """How far a download is, each time it got on by a tenth."""
        tenth, known = int(10 * event.fraction), self._tenths.get(event.phase, -1)
        self._tenths[event.phase] = max(tenth, known)
        return f"    {event.detail}" if event.phase == OPENING and tenth > known else ""

    def tell(self, event: RunEvent) -> None:
        """Print what a person following along wants to know."""
        if isinstance(event, JobStarted):
            self._titles = {phase: title for phase, title, _ in event.phases}
        if isinstance(event, PhasesAdded):
            self._titles |= {phase: title for phase, title, _ in event.phases}
        line = self._got_on(event) if isinstance(event, Step) else self._line(event)
        if line and not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def _line(self, event: RunEvent) -> str:
        match event:
            case PhaseStarted():
                return f"... {self._titles.get(event.phase, event.phase)}"
            case PhaseDone():
                return f"    done in {event.seconds:.1f} s"
            case Measured():
                return (
                    f"    {event.candidate_id}: {event.size_mb:.2f} MB, "
                    f"{event.latency_ms:.2f} ms, score {event.score:.4f} ({event.label})"
                )
            case CandidateFailed() | Discarded():
                what = "failed" if isinstance(event, CandidateFailed) else "left out"
                return f"    {event.candidate_id} {what}: {event.because}"
            case PhasesAdded():
                return f"going on with: {', '.join(title for _, title, _ in event.phases)}"
            case BestSoFar():
                return f"    best so far: {event.candidate_id} ({event.overall.value})"
            case Noted():
                return f"    note: {event.sentence}"
            case _:
                return ""


def result(outcome: Mapping[str, Json], *, as_json: bool) -> None:
    """Verdict first, then each clause with why and what next."""
    if as_json:
        emit(outcome)
        return
    verdict = _mapping(outcome["verdict"])
    first = f"\nfirst asked: {outcome['asked']}" if outcome.get("asked") else ""
    say(f"{verdict['overall']}  {verdict['headline']}{first}")
    clauses = verdict["clauses"]
    assert isinstance(clauses, list)  # noqa: S101 - the shape of wizard.run/1
    for clause in (_mapping(one) for one in clauses):
        say(f"  {clause['verdict']:<11}  {clause['name']}: {clause['because']}")
        if clause.get("next"):
            say(f"               next: {clause['next']}")
    _not_measured(outcome)
    _who_pays(_mapping(outcome.get("who_pays")))
    hurt = _damage(outcome)
    if hurt:
        say(f"  damage       {hurt}")
    if outcome.get("bundle"):
        say(f"bundle: {outcome['bundle']}")


def _not_measured(outcome: Mapping[str, Json]) -> None:
    """What failed or was left out, each with why, and why nothing further was tried."""
    for one in map(_mapping, _list(outcome["candidates"])):
        if one["status"] in {"failed", "left out"}:
            say(f"  {one['status']:<11}  {one['title']}: {one['because']}")
    stopped = _mapping(outcome.get("ladder")).get("stopped")
    if stopped and _mapping(outcome["verdict"])["overall"] != "PASS":
        say(f"  no further   {stopped}")


def counter_offers(offers: Iterable[tuple[CounterOffer, str]]) -> None:
    """What would do, as measured, each with the command that accepts it."""
    for number, (offer, command) in enumerate(offers):
        say("What would do, as measured:" if number == 0 else "or")
        say(f"  {offer.sentence}")
        say(f"  {command}")


def _who_pays(found: Mapping[str, Json]) -> None:
    """The sentence, how many answers changed, and the parts that stand out or lost most."""
    if not found:
        return
    say(f"who pays: {found['sentence']}")
    parts = [_mapping(one) for one in _list(found["slices"])]
    most = SLICES_SHOWN if any(one["clear"] for one in parts) else SLICES_IF_NONE
    losing = [one for one in parts if one["clear"] or _loss(one) > 0][:most]
    rows: list[tuple[str, ...]] = [HEADINGS]
    rows += [_slice_row(one) for one in losing]
    for line in aligned(rows) if losing else []:
        say(f"  {line}")
    say(f"answers that changed: {found['flips_total']}")


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()


def _loss(part: Mapping[str, Json]) -> float:
    value = _mapping(part["drop"])["value"]
    return value if isinstance(value, float) else 0.0


def _slice_row(part: Mapping[str, Json]) -> tuple[str, ...]:
    drop = _mapping(part["drop"])
    return (
        "!" if part["clear"] else " ",
        f"{part['column']} {part['value']}",
        f"{part['rows']}",
        f"{part['before']:.1f}",
        f"{part['after']:.1f}",
        f"{drop['value']:.1f} ({drop['low']:.1f} to {drop['high']:.1f})",
        f"p {part['p']:.2g}",
    )


def _damage(outcome: Mapping[str, Json]) -> str:
    """Where the delivered candidate hurts, in one sentence."""
    best = outcome.get("chosen") or outcome.get("nearest")
    candidates = outcome["candidates"]
    assert isinstance(candidates, list)  # noqa: S101 - the shape of wizard.run/1
    found = [_mapping(one["measured"]) for one in map(_mapping, candidates) if one["id"] == best]
    return str(found[0].get("damage") or "") if found else ""


def failed_job(job: str, last: Finished, *, as_json: bool) -> int:
    """A job without a verdict: its sentence, and exit status 2 (1 when the fault is ours)."""
    if as_json:
        emit(_error(last.code or "failed", last.sentence, last.next))
    else:
        print(f"wizard: {last.sentence} {last.next}".rstrip(), file=sys.stderr)
        print(f"(job {job})", file=sys.stderr)
    return 1 if last.code == Unexpected.code else 2


def refusal(error: WizardError, *, as_json: bool) -> int:
    """One sentence on stderr, or the wizard.error/1 object; exit status 2 (1: our bug)."""
    explained = engine.explain(error)
    if as_json:
        emit(_error(explained.code, explained.message, explained.next))
    else:
        print(f"wizard: {explained.message} {explained.next}".rstrip(), file=sys.stderr)
    return 1 if isinstance(error, Unexpected) else 2


def _error(code: str, message: str, next_step: str) -> Json:
    return {"schema": ERROR_SCHEMA, "code": code, "message": message, "next": next_step}


def verified(found: Verified, *, as_json: bool) -> None:
    """What a bundle was found to be."""
    if as_json:
        emit({"schema": "wizard.verify/1", **_mapping(jsonable(found))})
        return
    say(f"{found.label}: {len(found.files)} files, every hash matches")
    for sentence in found.sentences:
        say(f"  {sentence}")


def jobs(listed: Iterable[JobStatus], *, as_json: bool) -> None:
    """The history, newest first."""
    shown = list(listed)
    if as_json:
        emit({"schema": "wizard.jobs/1", "jobs": jsonable(shown)})
        return
    if not shown:
        say("No jobs yet.")
        return
    rows: list[tuple[str, ...]] = [("id", "state", "model", "device", "result")]
    rows += [(one.id, one.state.value, one.model, one.device, one.sentence) for one in shown]
    for line in aligned(rows):
        say(line)
