"""An engine that only pretends: realistic values, events by the clock, no model anywhere.

Covers: everything wizard/ui asks for (wizard/ui/engine_protocol.py), waiting, cancelling, bad
input by name. Speed: WIZARD_FAKE_SECONDS is the length of a run (default 3).
Does not cover: truth; every figure is invented.
"""

import json
import os
import random
import secrets
import threading
import time
import zipfile
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from tests.ui.fake_values import dry_run_of, outcome_of, plan_of, profile_of, this_machine
from wizard import library
from wizard.errors import (
    BadNeeds,
    DataUnreadable,
    JobNotFound,
    ModelNotFound,
    QueueFull,
    RepoNotFound,
    UnsupportedTask,
    UploadRefused,
)
from wizard.nouns import (
    ArtifactBundle,
    BestSoFar,
    BundleFile,
    CandidateFailed,
    Ending,
    Finished,
    HubModel,
    JobStarted,
    Measured,
    ModelRef,
    Noted,
    PhaseDone,
    PhaseStarted,
    Plan,
    Progress,
    Source,
    SupportLevel,
    jsonable,
)
from wizard.run.offers import relaxed

FIXED_SECONDS = {"open": 1.0, "rows": 2.0, "export": 12.0, "original": 8.0, "pack": 3.0}


@dataclass
class Glance:
    id: str
    state: str
    created: float
    position: int
    model: str
    command: str
    device: str = "This machine"
    sentence: str = ""


@dataclass
class Job:
    owner: str
    plan: Plan
    created: float
    cancelled_at: float | None = None
    dead: bool = False
    asked: str = ""
    timeline: list = field(default_factory=list)


class FakeEngine:
    """One job at a time; the next one waits."""

    def __init__(self, folder: Path, seconds: float | None = None):
        self.folder = folder
        self.seconds = seconds or float(os.environ.get("WIZARD_FAKE_SECONDS", "3"))
        self.jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------ look-ups
    def samples(self):
        return library.samples()

    def devices(self):
        return {"this-machine": this_machine(), **library.devices()}

    def explain(self, error):
        return library.explain(error)

    def sweep(self, older_than_seconds):
        return ()

    def keep_ready(self, *, for_jobs):
        """It answers at once."""

    def parse_ref(self, text):
        if text.startswith("sample:"):
            if text.removeprefix("sample:") not in self.samples():
                raise ModelNotFound(model=text, suggestion="Did you mean sample:intents?")
            return ModelRef(source=Source.SAMPLE, name=text.removeprefix("sample:"))
        if text.startswith(("/", ".", "~")):
            return ModelRef(source=Source.FOLDER, name=text)
        return ModelRef(source=Source.HUB, name=text)

    # ------------------------------------------------------------ the seven
    def examine(self, ref, workload=None):
        if ref.source is Source.HUB and ref.name.startswith("nobody/"):
            raise RepoNotFound(model=str(ref), suggestion="")
        profile = profile_of(ref, self.samples())
        return replace(profile, workload=workload) if workload else profile

    def take_upload(self, paths):
        names = [Path(one).name for one in paths]
        if not any(one.endswith((".zip", ".onnx")) for one in names):
            raise UploadRefused(file=names[0], because="it is no model")
        return ModelRef(source=Source.FOLDER, name=f"/taken/{Path(names[0]).stem}")

    def search(self, words):
        if len(words) < 2:
            return []
        hits = (
            HubModel(name="them/tiny-intents", task="text-classification", downloads=1_250_000),
            HubModel(name="them/intents-large", task="text-classification", gated=True),
            HubModel(name="other/intents-video", task="text-to-video", downloads=300),
        )
        return [one for one in hits if words.lower() in one.name]

    def starts(self, profile):
        return [f"{profile.ref.name}:onnx/model.onnx"] if "tiny" in profile.ref.name else []

    def left_to_download(self, profile):
        return profile.download_bytes

    def preview_data(self, profile, path):
        if path == "sample":
            return {
                "test_rows": 1554,
                "calibration_rows": 256,
                "labels": list(profile.labels),
                "notes": [],
                "origin": "intents",
            }
        lines = Path(path).read_text("utf-8").strip().splitlines()
        if len(lines) < 20:
            raise DataUnreadable(path="your lines", because=f"there are only {len(lines)} of them")
        return {
            "test_rows": len(lines) * 4 // 5,
            "calibration_rows": len(lines) // 5,
            "labels": [],
            "notes": ["The column 'text' is read as the text; there are no labels."],
            "origin": "your lines",
        }

    def advise(self, profile, needs):
        for budget in needs.budgets:
            if not 0.001 <= budget.at_most <= 3_600_000:
                raise BadNeeds(
                    name=f"The {budget.quantity} limit",
                    value=f"{budget.at_most:g}",
                    because="it must lie between 0.001 and 3,600,000 ms",
                )
        if not 0 <= needs.tolerance.points <= 100:
            raise BadNeeds(
                name="The allowed drop",
                value=f"{needs.tolerance.points:g}",
                because="it must lie between 0 and 100 points",
            )
        if profile.support.level is SupportLevel.NOT_HERE:
            raise UnsupportedTask(task=profile.support.because, supported="texts and pictures")
        return plan_of(profile, needs, self.devices()[needs.device_id])

    def command_for(self, plan):
        needs = plan.needs
        latency = next((b.at_most for b in needs.budgets if b.quantity == "latency"), None)
        words = f"wizard run {plan.profile.ref} --device {needs.device_id}"
        words += f" --latency-ms {latency:g}" if latency else ""
        words += f" --max-drop {needs.tolerance.points:g}"
        words += f" --only {needs.only}" if needs.only else ""
        return words + " --out out/"

    def dry_plan(self, plan):
        return replace(plan, dry_run=True)

    def result(self, job, bundle_folder):
        plan = self._job(job).plan
        return jsonable(dry_run_of(plan, outcome_of(plan, {c.id for c in plan.candidates})))

    def start(self, plan, *, owner="local"):
        with self._lock:
            for name, job in self.jobs.items():
                if job.owner == owner and self.status(name).state in {"waiting", "running"}:
                    raise QueueFull(waiting=1, hint=f" ({name})")
            busy = [name for name in self.jobs if self.status(name).state in {"waiting", "running"}]
            name = secrets.token_hex(12)
            began = time.time()
            for other in busy:
                began = max(began, self.jobs[other].created + self.seconds)
            job = Job(owner=owner, plan=plan, created=began)
            job.timeline = timeline(plan, self.seconds)
            self.jobs[name] = job
            return name

    def _job(self, job):
        if job not in self.jobs:
            raise JobNotFound(job=job)
        return self.jobs[job]

    def events(self, job):
        one = self._job(job)
        until = one.cancelled_at if one.cancelled_at is not None else time.time()
        happened = [
            replace(event, at=one.created + after)
            for after, event in one.timeline
            if one.created + after <= until
        ]
        if one.cancelled_at is not None and not _over(happened):
            code = "interrupted" if one.dead else "cancelled"
            sentence = "The run was cut off." if one.dead else "You cancelled the run."
            happened.append(
                Finished(
                    at=one.cancelled_at,
                    ending=Ending.FAILED if one.dead else Ending.CANCELLED,
                    code=code,
                    sentence=sentence,
                    next="What was found until then is kept; start again when you like.",
                )
            )
        return tuple(happened)

    def status(self, job):
        one = self._job(job)
        events = self.events(job)
        ahead = sum(1 for other in self.jobs.values() if other.created < one.created)
        state = "running" if events else "waiting"
        if _over(list(events)):
            state = "interrupted" if one.dead else "ended"
        return Glance(
            id=job,
            state=state,
            created=one.created,
            position=ahead if state == "waiting" else 0,
            model=str(one.plan.profile.ref),
            command=self.command_for(one.plan),
            sentence=events[-1].sentence if _over(list(events)) else "",
        )

    def history(self, owner=None):
        mine = [job for job, one in self.jobs.items() if owner in {None, one.owner}]
        return [self.status(job) for job in reversed(mine)]

    def cancel(self, job):
        self._job(job).cancelled_at = time.time()

    def kill(self, job):
        """Pretend that the child process died."""
        self._job(job).dead = True
        self.cancel(job)

    def plan_of(self, job):
        return self._job(job).plan

    def relaxed(self, needs, offer):
        return relaxed(needs, offer)

    def accept(self, job, needs):
        one = self._job(job)
        first = one.plan.sentence
        one.plan = replace(self.advise(one.plan.profile, needs), candidates=one.plan.candidates)
        one.asked = first
        return self.compare(job)

    def compare(self, job):
        found = [e for e in self.events(job) if isinstance(e, Measured | CandidateFailed)]
        if not any(isinstance(e, Measured) for e in found):
            return None
        names = {e.candidate_id for e in found}
        return replace(outcome_of(self._job(job).plan, names), asked=self._job(job).asked)

    def pack(self, job):
        folder = self.folder / job / "bundle"
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "report.html": "<!doctype html><title>report</title><h1>A report</h1>",
            "recipe.json": json.dumps({"schema": "wizard.recipe/1"}),
            "README.md": "# A bundle\n",
            "MANIFEST.json": json.dumps({"job": job}),
        }
        zipped = folder.parent / "bundle.zip"
        with zipfile.ZipFile(zipped, "w") as archive:
            for name, text in texts.items():
                (folder / name).write_text(text, "utf-8")
                archive.writestr(name, text)
        files = tuple(
            BundleFile(path=name, bytes=len(text), sha256=sha256(text.encode()).hexdigest())
            for name, text in texts.items()
        )
        return ArtifactBundle(folder=folder, files=files, zip=zipped)

    def try_picture(self, job, file, number, labels=""):
        said = {"name": Path(file).name, "label": ""} if file else {}
        shown = {"name": f"Example {number + 1} of 700", "label": "seven", "picture": PIXEL}
        return {**self.try_both(job, [str(number)]), **shown, **said}

    def try_both(self, job, typed):
        plan = self._job(job).plan
        rng = random.Random(typed[0])  # noqa: S311 - invented figures
        names = rng.sample(plan.profile.labels, 4)
        return {
            "before": {"answers": _shares(names, 0.93), "ms": 3.41},
            "after": {"answers": _shares(names, 0.88), "ms": 1.22},
        }


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def _shares(names, first):
    return [[name, first * (1 - first) ** rank] for rank, name in enumerate(names)]


def _over(events):
    return bool(events) and isinstance(events[-1], Finished)


def timeline(plan, seconds):
    """(seconds after the start, event) for a whole run of that length."""
    titles = {
        "open": "Open the model",
        "rows": "Prepare the examples",
        "export": "Translate it for ONNX Runtime",
        "original": "Measure the original",
    }
    phases = [(name, title, FIXED_SECONDS[name]) for name, title in titles.items()]
    phases += [(f"try:{c.id}", c.title, c.forecast.seconds.value) for c in plan.candidates]
    phases.append(("pack", "Pack the bundle", FIXED_SECONDS["pack"]))
    scale = seconds / sum(one[2] for one in phases)
    outcome = outcome_of(plan, {"original", *(c.id for c in plan.candidates)})
    made = [(0.0, JobStarted(at=0.0, phases=tuple(phases)))]
    now = 0.0
    for name, _, usual in phases:
        took = usual * scale
        made.append((now, PhaseStarted(at=0.0, phase=name, detail=_detail(name))))
        for part in range(1, 8):
            step = Progress(at=0.0, phase=name, fraction=part / 8, detail=_detail(name, part * 190))
            made.append((now + took * part / 8, step))
        now += took
        made += [(now, event) for event in _results(plan, outcome, name)]
        made.append((now, PhaseDone(at=0.0, phase=name, seconds=took)))
    overall = outcome.comparison.overall
    made.append((now, Finished(at=0.0, ending=Ending.FINISHED, overall=overall, sentence="Done.")))
    return made


def _detail(name, rows=0):
    if name == "rows":
        return "1554 to judge on, 256 to learn from"
    return f"{rows} of 1554 rows" if rows and name not in {"open", "pack", "export"} else ""


def _results(plan, outcome, phase):
    candidate = "original" if phase == "original" else phase.partition(":")[2]
    failed = {one.candidate_id: one for one in outcome.failed}
    if candidate in failed:
        one = failed[candidate]
        return [CandidateFailed(at=0.0, candidate_id=candidate, code=one.code, because=one.because)]
    after = outcome.original if candidate == "original" else outcome.measurements.get(candidate)
    if after is None:
        return [] if phase != "rows" else [Noted(at=0.0, sentence="The machine was quiet.")]
    events = [
        Measured(
            at=0.0,
            candidate_id=candidate,
            file="measurement.json",
            size_mb=after.size.value,
            latency_ms=after.latency.p50.value,
            score=after.quality.value.value,
            label=after.audit.label,
        )
    ]
    if candidate != "original":
        so_far = outcome_of(plan, {"original", candidate})
        events.append(
            BestSoFar(
                at=0.0,
                candidate_id=candidate,
                overall=so_far.comparison.overall,
                sentence=so_far.comparison.headline,
            )
        )
    return events
