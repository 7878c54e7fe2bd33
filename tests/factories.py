"""Nouns with sensible defaults, for tests: `a_profile(family="bert")` says what matters."""

from pathlib import Path

from wizard.measure.answered import Answered
from wizard.nouns import (
    Ability,
    Answers,
    Artifact,
    Audit,
    Basis,
    Budget,
    Candidate,
    Citation,
    Comparison,
    Confidence,
    Device,
    Effect,
    Forecast,
    Grade,
    HostFacts,
    JobForecast,
    Kind,
    Latency,
    Measurement,
    Memory,
    ModelProfile,
    ModelRef,
    Needs,
    Outcome,
    ParameterCount,
    Plan,
    Quality,
    Quantity,
    Reason,
    Rule,
    Source,
    Step,
    Support,
    SupportLevel,
    Task,
    Tolerance,
    Verdict,
    Workload,
)


def a_quantity(value=1.0, unit="ms", **changes):
    """A measured number with a narrow interval."""
    made = {
        "value": value,
        "unit": unit,
        "basis": Basis.MEASURED,
        "low": value * 0.98,
        "high": value * 1.02,
        "n": 200,
    }
    return Quantity(**{**made, **changes})


def a_profile(**changes):
    """A small BERT classifier with three labels."""
    made = {
        "ref": ModelRef(source=Source.SAMPLE, name="intents"),
        "title": "Voice commands",
        "family": "bert",
        "task": Task.TEXT_CLASSIFICATION,
        "architecture": "BertForSequenceClassification",
        "parameters": ParameterCount(embedding=1_500_000, linear=3_200_000, conv=0, other=14_000),
        "weights_bytes": 19_000_000,
        "dtype": "float32",
        "macs": 103_000_000,
        "workload": Workload(tokens=32),
        "support": Support(level=SupportLevel.TESTED, because="tested"),
        "labels": ("no", "yes", "maybe"),
        "max_tokens": 64,
        "layers": 4,
        "hidden_size": 256,
        "vocabulary": 6000,
    }
    return ModelProfile(**{**made, **changes})


def an_image_profile(**changes):
    """A small convolutional classifier."""
    made = {
        "family": "resnet",
        "task": Task.IMAGE_CLASSIFICATION,
        "architecture": "ResNetForImageClassification",
        "parameters": ParameterCount(embedding=0, linear=700, conv=150_000, other=2_000),
        "workload": Workload(image_size=32),
        "image_size": 32,
        "macs": 20_000_000,
        "max_tokens": None,
    }
    return a_profile(**{**made, **changes})


def some_needs(*, latency=None, size=None, memory=None, drop=1.0, **changes):
    """Needs with one point of tolerance on this machine; limits by keyword."""
    budgets = []
    if latency is not None:
        budgets.append(Budget(quantity="latency", at_most=latency, unit="ms", percentile=50))
    if size is not None:
        budgets.append(Budget(quantity="size", at_most=size, unit="MB"))
    if memory is not None:
        budgets.append(Budget(quantity="memory", at_most=memory, unit="MB"))
    made = {
        "device_id": "this-machine",
        "budgets": tuple(budgets),
        "tolerance": Tolerance(points=drop),
        "workload": Workload(tokens=32),
    }
    return Needs(**{**made, **changes})


def a_device(**changes):
    """This machine, with VNNI, graded FAST for 8 bits."""
    fast = Ability(grade=Grade.FAST, source="a test", read_on="2026-11-23")
    made = {
        "id": "this-machine",
        "name": "This machine",
        "group": "This machine",
        "subtitle": "two cores",
        "arch": "x86_64",
        "isa": frozenset({"avx2", "avx512f", "avx512_vnni"}),
        "runtimes": ("onnxruntime-cpu",),
        "cores": 2,
        "fp32_gops": 300.0,
        "fp16_gops": None,
        "int8_gops": 1200.0,
        "bandwidth_gbs": 20.0,
        "overhead_us_per_op": 3.0,
        "memory_bytes": 8_000_000_000,
        "max_file_bytes": None,
        "abilities": dict.fromkeys(("to_onnx", "lossless", "int8_dynamic", "int8_static"), fast),
        "sources": ("a test",),
        "measured_here": True,
    }
    return Device(**{**made, **changes})


def a_host(**changes):
    """Two cores with VNNI."""
    made = {
        "cpu": "Test CPU",
        "machine": "x86_64",
        "isa": frozenset({"avx2", "avx512_vnni"}),
        "physical_cores": 2,
        "usable_cores": 2,
        "ram_bytes": 16_000_000_000,
        "disk_free_bytes": 50_000_000_000,
        "system": "Linux 6",
        "python": "3.11.7",
        "versions": {"onnxruntime": "1.32.0"},
    }
    return HostFacts(**{**made, **changes})


def a_rule(**changes):
    """A proposal of dynamic int8 that fires for BERT."""
    made = {
        "id": "a-proposal",
        "rung": "R3",
        "title": "8-bit weights and activations",
        "effect": Effect.PROPOSE,
        "steps": ("to_onnx", "int8_dynamic"),
        "confidence": Confidence.HIGH,
        "reviewed": "2026-11-23",
        "why": "It is smaller and faster.",
        "when": {"family": "bert"},
        "settings": {},
        "expect": {"speed_ratio": (1.5, 3.0), "drop_points": (0.0, 0.5)},
        "sources": (Citation(kind="docs", cite="a manual", supports="that"),),
        "examples": (),
        "targets": (),
    }
    return Rule(**{**made, **changes})


def a_refusal(**changes):
    """A rule that refuses dynamic int8 for BERT."""
    made = {
        "id": "a-refusal",
        "effect": Effect.REFUSE,
        "steps": (),
        "why": "There is no kernel.",
        "targets": ("int8_dynamic",),
    }
    return a_rule(**{**made, **changes})


def a_forecast(**changes):
    """Four megabytes, one millisecond, half a point."""
    made = {
        "size": a_quantity(4.9, "MB", basis=Basis.ESTIMATED),
        "latency": a_quantity(1.2, "ms", basis=Basis.ESTIMATED),
        "drop": a_quantity(0.2, "points", low=0.0, high=0.5, basis=Basis.ESTIMATED),
        "memory": a_quantity(70.0, "MB", basis=Basis.ESTIMATED),
        "seconds": a_quantity(9.0, "s", basis=Basis.ESTIMATED),
    }
    return Forecast(**{**made, **changes})


def a_candidate(**changes):
    """Dynamic int8."""
    made = {
        "id": "int8-dynamic-000000",
        "title": "8-bit weights and activations",
        "steps": (Step(strategy="to_onnx"), Step(strategy="int8_dynamic")),
        "forecast": a_forecast(),
        "reasons": (Reason(sentence="It is smaller.", rule_id="a-proposal", source="a manual"),),
    }
    return Candidate(**{**made, **changes})


def a_plan(**changes):
    """One candidate for the intents sample on this machine."""
    made = {
        "profile": a_profile(),
        "needs": some_needs(latency=5.0),
        "device": a_device(),
        "baseline": a_forecast(),
        "candidates": (a_candidate(),),
        "refusals": (),
        "also_considered": (),
        "would_change": (),
        "counter_offers": (),
        "job": JobForecast(
            memory=a_quantity(600, "MB"),
            disk=a_quantity(100, "MB"),
            seconds=a_quantity(40, "s"),
            first=a_quantity(20, "s"),
        ),
        "sentence": "Run it on this machine in at most 5 ms.",
    }
    return Plan(**{**made, **changes})


def a_latency(p50=2.0, *, noise=1.02, busy=False, spread=0.02):
    """Fourteen blocks of twenty requests around `p50` ms."""
    samples = tuple(p50 * (1 + spread * ((i * 7 % 11) - 5) / 5) for i in range(280))
    return Latency(
        p50=a_quantity(p50, low=p50 * (1 - spread), high=p50 * (1 + spread), n=280),
        p95=a_quantity(p50 * 1.2, low=p50 * 1.15, high=p50 * 1.3, n=280),
        samples_ms=samples,
        blocks=(20,) * 14,
        noise=noise,
        busy=busy,
    )


def an_audit(**changes):
    """An 8-bit file."""
    made = {
        "label": "8-bit weights, 8-bit activations, 100% of the arithmetic",
        "bits": {"MatMul": 8.0},
        "weight_bits": 8,
        "activation_bits": 8,
        "low_bit_weight_share": 1.0,
        "low_bit_mac_share": 1.0,
        "duplicated_bytes": 0,
        "operators": {"MatMulInteger": 12},
        "opset": 20,
        "domains": ("ai.onnx",),
        "external_data_complete": True,
    }
    return Audit(**{**made, **changes})


def some_answers(rows=1000, *, right=None, predicted=None, **changes):
    """Answers to `rows` rows whose truth is always 1; `right` of them are right."""
    right = rows if right is None else right
    predicted = predicted or (1,) * right + (0,) * (rows - right)
    made = {
        "rows": tuple(range(rows)),
        "predicted": tuple(predicted),
        "confidence": (0.9,) * rows,
        "truth": (1,) * rows,
    }
    return Answers(**{**made, **changes})


def a_measurement(*, answers=None, p50=2.0, megabytes=5.0, against=None, **changes):
    """A candidate's measurement; `answers` decide its score."""
    answers = answers or some_answers()
    share = sum(p == t for p, t in zip(answers.predicted, answers.truth, strict=False)) / max(
        1, len(answers.truth)
    )
    made = {
        "artifact": Artifact(
            path=Path("model.onnx"), kind=Kind.ONNX, sha256="0" * 64, bytes=int(megabytes * 1e6)
        ),
        "size": a_quantity(megabytes, "MB"),
        "zipped": a_quantity(megabytes * 0.9, "MB"),
        "latency": a_latency(p50),
        "memory": Memory(
            peak=a_quantity(70, "MB"),
            steady=a_quantity(65, "MB"),
            load_ms=a_quantity(30),
            first_ms=a_quantity(4),
        ),
        "quality": Quality(metric="accuracy", value=a_quantity(share, "share"), answers=answers),
        "audit": an_audit(),
        "host": a_host(),
        "against": against,
    }
    return Measurement(**{**made, **changes})


def an_outcome(plan, original, measurements, **changes):
    """What a job found; the comparison is not asked for."""
    comparison = Comparison(
        overall=Verdict.MISS, verdicts=(), chosen=None, nearest=None, headline="None."
    )
    made = {
        "plan": plan,
        "original": original,
        "measurements": measurements,
        "failed": (),
        "comparison": comparison,
        "seconds": {},
    }
    return Outcome(**{**made, **changes})


def classes_answered(logits):
    """What the measuring process keeps of a classifier's logits [rows, classes]."""
    return Answered({"logits": list(logits)})


def vectors_answered(vectors, texts=1):
    """What it keeps of vectors [texts of all rows, dimensions], so many to a row."""
    return Answered({"vectors": list(vectors.reshape(-1, texts, vectors.shape[-1]))})
