"""The values behind the fake engine: a model, a plan, an outcome, all invented but plausible.

Covers: needs that are kept (a budget of 1 ms or more), missed (less), refused (a model named
`.../generator`). Does not cover: events (fake_engine.py).
"""

import random
from pathlib import Path

from wizard.compare import compare, judge, who_pays
from wizard.compare.judge import within_budgets
from wizard.nouns import (
    Answers,
    Artifact,
    Audit,
    Basis,
    Candidate,
    CounterOffer,
    Device,
    DryCandidate,
    DryRun,
    ExampleSet,
    Failed,
    Forecast,
    HostFacts,
    JobForecast,
    Kind,
    Latency,
    LayerDamage,
    Measurement,
    Memory,
    ModelProfile,
    Outcome,
    ParameterCount,
    Plan,
    Quality,
    Quantity,
    Reason,
    Refusal,
    Source,
    Step,
    Support,
    SupportLevel,
    Task,
    Workload,
    WouldChange,
)
from wizard.run import dry
from wizard.run.offers import measured_offers

LABELS = [
    *("lights_on", "lights_off", "play_music", "stop_music", "set_timer", "set_alarm"),
    *("weather_today", "traffic_home", "call_contact", "send_message", "add_to_list"),
    *("open_calendar", "volume_up", "volume_down"),
]
ROWS = 1554
HOST = HostFacts(
    cpu="A processor with VNNI",
    machine="x86_64",
    isa=frozenset({"avx2", "avx512_vnni"}),
    physical_cores=2,
    usable_cores=2,
    ram_bytes=16 * 10**9,
    disk_free_bytes=50 * 10**9,
    system="Linux 6.1",
    python="3.11.9",
    versions={"onnxruntime": "1.32.0", "torch": "2.13.0", "transformers": "5.23.0"},
)


def this_machine():
    return Device(
        id="this-machine",
        name="This machine",
        group="This machine",
        subtitle="A processor with VNNI, 2 cores, 16 GB",
        arch="x86_64",
        isa=HOST.isa,
        runtimes=("onnxruntime-cpu",),
        cores=2,
        fp32_gops=300.0,
        fp16_gops=None,
        int8_gops=1200.0,
        bandwidth_gbs=20.0,
        overhead_us_per_op=3.0,
        memory_bytes=9 * 10**9,
        max_file_bytes=None,
        abilities={},
        sources=("tests",),
        measured_here=True,
    )


def profile_of(ref, samples):
    if ref.source is Source.SAMPLE and samples[ref.name].task is Task.IMAGE_CLASSIFICATION:
        return _profile(ref, samples[ref.name].title, Task.IMAGE_CLASSIFICATION)
    title = samples[ref.name].title if ref.source is Source.SAMPLE else ref.name
    if ref.name.endswith("generator"):
        support = Support(
            level=SupportLevel.NOT_HERE,
            because="It writes texts, and we do not compress writers yet.",
            nearest="A model that sorts texts.",
        )
        return _profile(ref, title, None, support)
    return _profile(ref, title, Task.TEXT_CLASSIFICATION)


def _profile(ref, title, task, support=None):
    picture = task is Task.IMAGE_CLASSIFICATION
    return ModelProfile(
        ref=ref,
        title=title,
        family="resnet" if picture else "bert",
        task=task,
        architecture="BertForSequenceClassification",
        parameters=ParameterCount(embedding=1_100_000, linear=2_600_000, conv=0, other=14_000),
        weights_bytes=14_900_000,
        dtype="float32",
        macs=82_000_000,
        workload=Workload(image_size=32) if picture else Workload(tokens=32),
        support=support
        or Support(level=SupportLevel.TESTED, because="This family was tested with two models."),
        licence="apache-2.0",
        labels=tuple(LABELS),
        max_tokens=None if picture else 128,
        image_size=32 if picture else None,
        layers=4,
    )


def estimate(value, unit, low, high):
    return Quantity(value=value, unit=unit, basis=Basis.ESTIMATED, low=low, high=high)


def _forecast(size, latency, drop, memory):
    return Forecast(
        size=estimate(size, "MB", size * 0.93, size * 1.08),
        latency=estimate(latency, "ms", latency / 1.8, latency * 1.8),
        drop=estimate(drop, "points", 0.0, drop * 2),
        memory=estimate(memory, "MB", memory * 0.9, memory * 1.2),
        seconds=estimate(9.0, "s", 5.0, 15.0),
    )


RECIPES = (
    ("int8", "Weights and arithmetic in 8 bits", "int8_dynamic", _forecast(3.9, 1.2, 0.4, 70.0)),
    ("half", "Weights in half precision", "float16", _forecast(7.5, 3.1, 0.0, 76.0)),
    ("four", "Weights in 4 bits", "int4_weights", _forecast(2.9, 2.6, 1.6, 68.0)),
    ("free", "Tidied, not changed", "lossless", _forecast(14.9, 3.2, 0.0, 82.0)),
)
WHYS = {
    "int8": "This processor multiplies 8-bit numbers natively, so it gets smaller and faster.",
    "half": "Halves the file and keeps nearly every answer; the speed stays as it is.",
    "four": "The smallest file that still answers; a few answers will change.",
    "free": "Removes what is stored twice; the answers stay bit for bit the same.",
}


def candidates(only=None):
    return tuple(
        Candidate(
            id=name,
            title=title,
            steps=(Step(strategy="to_onnx"), Step(strategy=last, settings={"per_channel": True})),
            forecast=cast,
            reasons=(Reason(sentence=WHYS[name], rule_id=name, source="ONNX Runtime docs"),),
            warnings=(Reason(sentence="Rare classes may suffer more than the average says."),)
            if name == "four"
            else (),
        )
        for name, title, last, cast in RECIPES
        if only in (None, last)
    )


def plan_of(profile, needs, device):
    latency = next((b.at_most for b in needs.budgets if b.quantity == "latency"), 100.0)
    tight = latency < 0.6
    place = "this machine" if device.measured_here else device.name
    return Plan(
        profile=profile,
        needs=needs,
        device=device,
        baseline=_forecast(14.9, 3.4, 0.0, 84.0),
        candidates=candidates(needs.only),
        refusals=(
            Refusal(
                what="Setting weights to zero",
                because="Zeros make no runtime here faster.",
                source="apple/ml-compress-and-compare",
            ),
        ),
        also_considered=(
            Refusal(
                what="8 bits with learnt ranges",
                because="Texts vary too much for ranges learnt beforehand.",
                relax="Try it with --only int8_static.",
            ),
        ),
        would_change=(
            WouldChange(fact="If size mattered most", then="Weights in 4 bits would lead."),
        ),
        counter_offers=(
            CounterOffer(
                clause="latency",
                relax_to=2.2,
                unit="ms",
                candidate_id="int8",
                sentence="allow 2.2 ms, and weights and arithmetic in 8 bits is expected to do.",
            ),
        )
        if tight
        else (),
        job=JobForecast(
            memory=estimate(420, "MB", 300, 600),
            disk=estimate(60, "MB", 50, 80),
            seconds=estimate(40, "s", 25, 70),
            first=estimate(20, "s", 10, 40),
        ),
        sentence=f"Run {profile.title} on {place}, in at most {latency:g} ms per request (in the "
        f"median, 32 tokens), losing at most {needs.tolerance.points:g} point of quality; among "
        f"those that do, the {needs.priority.value} wins.",
    )


def _latency(middle, seed):
    rng = random.Random(seed)  # noqa: S311 - invented figures
    samples = tuple(sorted(middle * rng.lognormvariate(0.02, 0.06) for _ in range(240)))
    return Latency(
        p50=measured(samples[120], "ms", samples[112], samples[128], 240),
        p95=measured(samples[228], "ms", samples[220], samples[236], 240),
        samples_ms=samples,
        blocks=(80, 80, 80),
        noise=1.03,
    )


def measured(value, unit, low=None, high=None, n=1):
    return Quantity(value=value, unit=unit, basis=Basis.MEASURED, low=low, high=high, n=n)


def _answers(flips, seed):
    rng = random.Random(4)  # noqa: S311 - invented figures
    truth = [rng.randrange(len(LABELS)) for _ in range(ROWS)]
    said = [t if rng.random() < 0.958 else (t + 1) % len(LABELS) for t in truth]
    draw = random.Random(seed)  # noqa: S311 - invented figures
    for row in draw.sample(range(ROWS), flips):
        said[row] = truth[row] if said[row] != truth[row] else (truth[row] + 3) % len(LABELS)
    share = sum(t == s for t, s in zip(truth, said, strict=True)) / ROWS
    answers = Answers(
        rows=tuple(range(ROWS)),
        predicted=tuple(said),
        confidence=tuple(0.9 for _ in said),
        truth=tuple(truth),
    )
    return share, answers


def measurement(label, size, middle, memory, flips, seed):
    share, answers = _answers(flips, seed)
    return Measurement(
        artifact=Artifact(
            path=Path("model.onnx"), kind=Kind.ONNX, sha256=label, bytes=int(size * 1e6)
        ),
        size=measured(size, "MB"),
        zipped=measured(size * 0.9, "MB"),
        latency=_latency(middle, seed),
        memory=Memory(
            peak=measured(memory, "MB"),
            steady=measured(memory * 0.9, "MB"),
            load_ms=measured(40, "ms"),
            first_ms=measured(middle * 2, "ms"),
        ),
        quality=Quality(
            metric="accuracy",
            value=measured(share, "", share - 0.01, share + 0.01, ROWS),
            answers=answers,
            agreement=measured(1 - flips / ROWS, ""),
        ),
        audit=Audit(
            label=label,
            bits={"MatMul": 8.0},
            weight_bits=8,
            activation_bits=8,
            low_bit_weight_share=0.98,
            low_bit_mac_share=0.99,
            duplicated_bytes=0,
            operators={"MatMul": 30},
            opset=18,
            domains=("",),
            external_data_complete=True,
        ),
        host=HOST,
        against=_latency(3.42, seed + 50) if flips or label != "fp32" else None,
        layers=_layers() if label != "fp32" else (),
    )


def _layers():
    """Twelve layers of an encoder, the one that adds most damage first."""
    names = ("intermediate.dense", "output.dense", "attention.output.dense")
    layers = [
        LayerDamage(
            layer=f"bert.encoder.layer.{at}.{name}",
            operator="MatMulInteger",
            relative_error=0.09 / (1 + at + place),
            own_error=0.07 / (1 + at + place),
            saturated=0.004 if at == place == 0 else 0.0,
        )
        for at in range(4)
        for place, name in enumerate(names)
    ]
    return tuple(sorted(layers, key=lambda one: -one.own_error))


MADE = {
    "int8": ("int8, 8-bit arithmetic", 3.87, 1.21, 71.0, 9, 11),
    "half": ("fp16", 7.48, 3.4, 78.0, 1, 12),
    "free": ("fp32, tidied", 14.8, 3.38, 83.0, 0, 13),
}


ROWS_HELD = ExampleSet(
    origin="the bundled examples",
    inputs=tuple(f"please do thing number {row}" for row in range(ROWS)),
    columns={"language": tuple(("German", "English", "French")[row % 3] for row in range(ROWS))},
    rows=tuple(range(ROWS)),
)


def outcome_of(plan, names):
    original = measurement("fp32", 14.9, 3.42, 85.0, 0, 10)
    measurements = {
        c.id: measurement(*MADE[c.id]) for c in plan.candidates if c.id in names and c.id in MADE
    }
    verdicts = {name: judge(plan, name, original, one) for name, one in measurements.items()}
    broken = "The 4-bit file did not shrink as promised, so it was thrown away."
    failed = [
        Failed(candidate_id=c.id, code="promise-broken", because=broken)
        for c in plan.candidates
        if c.id in names and c.id not in MADE
    ]
    payers = {
        name: who_pays(original, one, ROWS_HELD, tuple(LABELS), 0)
        for name, one in measurements.items()
    }
    return Outcome(
        plan=plan,
        original=original,
        measurements=measurements,
        failed=tuple(failed),
        comparison=compare(plan, original, measurements, verdicts),
        seconds={"export": 11.2, "original": 7.4},
        notes=("1554 rows are used for the test and 256 others for calibration.",),
        data_origin="the bundled examples",
        payers=payers,
        counter_offers=measured_offers(plan, original, measurements, verdicts.values(), payers),
    )


def dry_run_of(plan, outcome):
    """The same figures as a dry run would tell them: no quality."""
    tried = [
        DryCandidate(
            candidate_id=c.id,
            title=c.title,
            size=after.size,
            latency=after.latency.p50,
            original_latency=after.against.p50 if after.against else None,
            memory=after.memory.peak,
            label=after.audit.label,
            clauses=tuple(within_budgets(plan, c.id, outcome.original, after)),
        )
        if (after := outcome.measurements.get(c.id))
        else DryCandidate(candidate_id=c.id, title=c.title, failed=outcome.failed[0].because)
        for c in plan.candidates
    ]
    first = outcome.original
    return DryRun(
        size=first.size,
        latency=first.latency.p50,
        memory=first.memory.peak,
        candidates=tuple(tried),
        host=first.host,
        seconds=21.0,
        sentence=dry.sentence_of(tried),
    )
