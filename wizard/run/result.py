"""The wizard.run/1 object: what a job found, in the words of the command line's contract.

Covers: the shape of product.md part 4 for a whole run. Does not cover: printing it.
"""

from __future__ import annotations

from collections.abc import Mapping

from wizard.bundle import damage
from wizard.measure.metrics import named
from wizard.nouns import (
    ArtifactBundle,
    Candidate,
    Clause,
    Json,
    Measurement,
    Outcome,
    jsonable,
)

SCHEMA = "wizard.run/1"


def result_object(outcome: Outcome, bundle: ArtifactBundle | None) -> Mapping[str, Json]:
    """One JSON object: contract, verdict, candidates, chosen, bundle, files, seconds, seed."""
    plan, comparison = outcome.plan, outcome.comparison
    best = comparison.chosen or comparison.nearest
    clauses = next((v.clauses for v in comparison.verdicts if v.candidate_id == best), ())
    return {
        "schema": SCHEMA,
        "model": jsonable(plan.profile),
        "device": jsonable(plan.device),
        "host": jsonable(outcome.original.host),
        "contract": contract_object(outcome),
        "sentence": plan.sentence,
        "verdict": {
            "overall": comparison.overall.value,
            "headline": comparison.headline,
            "clauses": [_clause(clause) for clause in clauses],
        },
        "counter_offers": [jsonable(one) for one in outcome.counter_offers],
        "asked": outcome.asked or None,
        "who_pays": _who_pays(outcome, best, flips=True),
        "original": _measured(outcome.original),
        "candidates": [_candidate(candidate, outcome) for candidate in plan.candidates],
        "ladder": _ladder(outcome),
        "sibling": jsonable(plan.sibling),
        "siblings": [jsonable(one) for one in plan.siblings],
        "chosen": comparison.chosen,
        "nearest": comparison.nearest,
        "bundle": bundle.folder.as_posix() if bundle else None,
        "files": [jsonable(file) for file in bundle.files] if bundle else [],
        "seconds": jsonable(outcome.seconds),
        "seed": plan.needs.seed,
        "notes": list(outcome.notes),
        "reused": [jsonable(one) for one in outcome.reused],
    }


def contract_object(outcome: Outcome) -> Json:
    """The clauses as the user stated them, before any measurement."""
    needs = outcome.plan.needs
    budgets: list[Json] = [jsonable(budget) for budget in needs.budgets]
    metric = named(outcome.original.quality.metric)
    unit = metric.unit_of_loss
    tolerance: dict[str, Json] = {
        "quantity": "quality",
        "metric": metric.name,
        "at_most": needs.tolerance.points,
        "unit": f"{unit} {'below' if metric.higher_is_better else 'above'} the original",
        "absolute": not metric.relative,
        "higher_is_better": metric.higher_is_better,
        "hard": True,
    }
    return [*budgets, tolerance]


def _clause(clause: Clause) -> Json:
    return jsonable(clause)


def _candidate(candidate: Candidate, outcome: Outcome) -> Json:
    failed = next((f for f in outcome.failed if f.candidate_id == candidate.id), None)
    out = next((one for one in outcome.left_out if one.candidate_id == candidate.id), None)
    measurement = outcome.measurements.get(candidate.id)
    verdict = next((v for v in outcome.comparison.verdicts if v.candidate_id == candidate.id), None)
    status = "failed" if failed else "left out" if out else "not tried"
    stopped = failed or out
    return {
        "id": candidate.id,
        "title": candidate.title,
        "steps": [jsonable(step) for step in candidate.steps],
        "forecast": None if _is_given(candidate) else jsonable(candidate.forecast),
        "measured": _measured(measurement) if measurement else None,
        "status": "measured" if measurement else status,
        "verdict": verdict.overall.value if verdict else None,
        "who_pays": _who_pays(outcome, candidate.id, flips=False),
        "because": stopped.because if stopped else [r.sentence for r in candidate.reasons],
    }


def _ladder(outcome: Outcome) -> Json:
    """Recipes beyond the first ones: what was left out and why, what was not come to, the end."""
    out = {one.candidate_id: one.because for one in outcome.left_out}
    return {
        "stopped": outcome.stopped or None,
        "not_tried": [
            {
                "id": one.id,
                "title": one.title,
                "forecast": jsonable(one.forecast),
                "because": out.get(one.id),
            }
            for one in outcome.plan.ladder
        ],
    }


def _who_pays(outcome: Outcome, candidate_id: str | None, *, flips: bool) -> Json:
    """Sentence and parts; the changed answers only of the candidate that is delivered."""
    found = outcome.payers.get(candidate_id or "")
    if found is None:
        return None
    return {
        "sentence": found.sentence,
        "slices": [jsonable(one) for one in found.slices if flips or one.clear],
        "too_small": found.too_small,
        "flips_total": found.flips_total,
        **({"flips": [jsonable(one) for one in found.flips]} if flips else {}),
    }


def _is_given(candidate: Candidate) -> bool:
    """A model that was brought to be compared; nobody forecast it."""
    return candidate.steps[-1].strategy == "given"


def _measured(measurement: Measurement) -> Json:
    """A measurement without its thousands of samples and rows."""
    return {
        "label": measurement.audit.label,
        "sha256": measurement.artifact.sha256,
        "size": jsonable(measurement.size),
        "zipped": jsonable(measurement.zipped),
        "latency_p50": jsonable(measurement.latency.p50),
        "latency_p95": jsonable(measurement.latency.p95),
        **_per_token(measurement),
        "noise": measurement.latency.noise,
        "noise_between_processes": measurement.latency.apart,
        "busy": measurement.latency.busy,
        "threads": measurement.threads,
        "memory": jsonable(measurement.memory),
        "quality": {
            "metric": measurement.quality.metric,
            "higher_is_better": named(measurement.quality.metric).higher_is_better,
            "value": jsonable(measurement.quality.value),
            "agreement": jsonable(measurement.quality.agreement),
            "also": jsonable(measurement.quality.also),
            "collapse": list(measurement.quality.answers.collapse),
        },
        "saturating": _saturating(measurement),
        "damage": damage.sentence(measurement),
        "layers": jsonable(measurement.layers or ()),
        "sensitivity": jsonable(measurement.sensitivity),
        "audit": jsonable(measurement.audit),
    }


def _saturating(measurement: Measurement) -> Json:
    """The quality on a processor whose 8-bit sums overflow, where it was emulated."""
    there = measurement.saturating
    if there is None:
        return None
    rows = len(there.answers.rows)
    return {"metric": there.metric, "value": jsonable(there.value), "rows": rows}


def _per_token(measurement: Measurement) -> dict[str, Json]:
    """Of a model that writes; `latency` is then that of the first token."""
    each = measurement.token
    if each is None:
        return {}
    return {"token_p50": jsonable(each.p50), "token_p95": jsonable(each.p95)}
