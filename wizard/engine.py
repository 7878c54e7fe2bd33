"""The one engine behind every door: seven functions and a few look-ups.

    examine(ref) -> ModelProfile       advise(profile, needs) -> Plan     start(plan) -> job id
    follow(job) -> events              cancel(job)                        compare(job) -> Outcome
    pack(job) -> ArtifactBundle

Covers: where things live (WIZARD_HOME, or the user's data folder), joining the rooms below.
Does not cover: any decision; those are in the rooms. The only place that reads the environment.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from wizard import bundle, examples, intake, jobs, library, run
from wizard.advise import command, command_for_job
from wizard.advise import record as track
from wizard.advise.record import Record, Trial
from wizard.errors import DiskFull, JobNotFound, MemoryFull, NotSupported
from wizard.jobs import JobStatus, Request, looking
from wizard.jobs.looking import left_to_download as left_to_download
from wizard.jobs.looking import search as search
from wizard.nouns import (
    ArtifactBundle,
    BestSoFar,
    CounterOffer,
    Device,
    Explained,
    Finished,
    HostFacts,
    Json,
    ModelProfile,
    ModelRef,
    Needs,
    Outcome,
    Plan,
    Rule,
    RunEvent,
    Sample,
    Source,
    Workload,
    jsonable,
)

Found = TypeVar("Found")

THIS_MACHINE = "this-machine"
# A job may use this share of the memory that is free when it starts.
MEMORY_SHARE = 0.9
TYPED = 4000  # characters of one field that are read


def home() -> Path:
    """Where jobs and exported models are kept: WIZARD_HOME, or the user's data folder."""
    import platformdirs

    named = os.environ.get("WIZARD_HOME")
    return Path(named) if named else platformdirs.user_data_path("compression-wizard")


def jobs_root() -> Path:
    """The folder of all job folders."""
    return home() / "jobs"


def cache_root() -> Path:
    """Exported models and model cards, by content hash; safe to delete."""
    return home() / "cache"


@lru_cache(maxsize=1)
def host() -> HostFacts:
    """The machine we run on, as found when first asked."""
    return intake.host_facts(Path.cwd())


def devices() -> Mapping[str, Device]:
    """Every device we know, this machine first."""
    return {THIS_MACHINE: intake.this_machine(host()), **library.devices()}


def samples() -> Mapping[str, Sample]:
    """The bundled models by name."""
    return library.samples()


def explain(error: Exception) -> Explained:
    """A failure in words: what happened and why, and what to do next."""
    return library.explain(error)


def rules() -> tuple[Rule, ...]:
    """Every rule on disk."""
    return library.rules()


def evidence_folder() -> Path:
    """Where runs of the rules are kept: with the rules in a checkout, else the user's folder."""
    beside = library.evidence_folder()
    ours = beside.parent.name == "presets" and os.access(beside.parent, os.W_OK)
    return beside if ours else home() / "evidence"


def evidence() -> Mapping[str, tuple[Trial, ...]]:
    """Every run of every rule on the samples, ours and the user's own, oldest first."""
    folders = dict.fromkeys((library.evidence_folder(), home() / "evidence"))
    return run.evidence.read(folder for folder in folders if folder.is_dir())


def runs_of(rule: Rule) -> tuple[Trial, ...]:
    """Every run of a rule as it stands today, oldest first."""
    return track.about(rule, evidence().get(rule.id, ()))


def records() -> Mapping[str, Record]:
    """How every rule has done on the samples."""
    known = evidence()
    return {rule.id: track.record(rule, known.get(rule.id, ())) for rule in rules()}


def strategies() -> Mapping[str, object]:
    """Every technique by name."""
    from wizard.strategies import _contract as contract

    return contract.discover()


def find(kind: str, name: str, known: Mapping[str, Found]) -> Found:
    """The entry of that name. Raises UnknownName with the nearest name known."""
    return library.find(kind, name, known)


def check_device(device_id: str) -> None:
    """Raises UnknownName for a misspelt device."""
    library.find("device", device_id, devices())


def parse_ref(text: str) -> ModelRef:
    """A model as typed: `sample:NAME`, a Hub id with `@revision`, a folder, a ZIP, an ONNX file."""
    return looking.parse_ref(text, home())


def starts(profile: ModelProfile) -> list[str]:
    """ONNX files that the model's repository holds already, as typed to start from one."""
    return looking.starts(profile)


def take_upload(paths: Iterable[str]) -> ModelRef:
    """A model that came as files. Raises UploadRefused and what they are found to be."""
    return looking.take_together([Path(one) for one in paths], home())


def examine(ref: ModelRef, workload: Workload | None = None, *, runs: bool = False) -> ModelProfile:
    """The model's card, from its config alone. The first look at a model is taken in a child.

    `runs`: a job follows at once, and its process is started; of a model that lies here the child
    goes on with the export, where the card is known already the job makes it.
    """
    known = intake.cached(ref, workload, cache_root())
    goes_on = runs and known is None and ref.source is not Source.HUB
    if runs:
        jobs.get_ready(for_job=True, exports=not goes_on)
    if known is None:
        kept = None if jobs.caller.is_visitor() else str(cache_root())
        arguments: Json = {"ref": jsonable(ref), "workload": jsonable(workload), "cache": kept}
        ahead: Json = None
        if goes_on:
            ahead = {"cache": str(cache_root()), "turn": str(jobs_root() / jobs.TURN)}
        known = _profile(jobs.ask("examine", arguments, then=ahead))
    jobs.settle()
    return known


def keep_ready(*, for_jobs: bool) -> None:
    """Have the libraries loaded before the next model is looked at, and before the next job."""
    jobs.keep_ready(for_jobs=for_jobs)


def _profile(answer: Json) -> ModelProfile:
    from pydantic import TypeAdapter

    return TypeAdapter(ModelProfile).validate_python(answer)


def advise(profile: ModelProfile, needs: Needs) -> Plan:
    """Candidates with forecasts and reasons; the user's own rows are counted first."""
    return _advised(profile, jobs.counted(profile, needs))


def _advised(profile: ModelProfile, needs: Needs) -> Plan:
    named = needs.sibling
    sibling = examine(parse_ref(named), needs.workload) if named else None
    return run.plan_for(profile, needs, host(), evidence(), sibling, intake.pace())


def command_for(plan: Plan) -> str:
    """The command that does the same in a terminal."""
    typed = command(plan.needs, plan.profile.ref)
    if plan.dry_run:
        return run.dry.command_of(typed)
    return run.pair.command_of(plan, typed) if run.pair.is_pair(plan) else typed


def dry_plan(plan: Plan) -> Plan:
    """The plan as a dry run, to be started like any other: random weights, size and speed only."""
    return run.dry.plan_of(plan)


def pair_of(before: str, after: str, model: str | None) -> run.pair.Pair:
    """Two models as typed: ONNX files, bundles, or what `parse_ref` reads."""
    return run.pair.pair_of(before, after, model)


def advise_pair(profile: ModelProfile, needs: Needs, given: run.pair.Pair) -> Plan:
    """A plan that compares the two by that contract instead of compressing anything."""
    return run.pair.plan_of(_advised(profile, needs), given)


def judge_again(job: str, needs: Needs) -> Mapping[str, Json]:
    """The wizard.run/1 object of a job's measurements held against another contract."""
    outcome = compare(job)
    if outcome is None:
        raise JobNotFound(job=job)
    plan = _advised(outcome.plan.profile, needs)
    return run.result_object(run.offers.judged_again(outcome, plan), None)


def accept(job: str, needs: Needs) -> Outcome:
    """Judge an ended job by another contract for good; its bundle will be packed anew.

    The contract as first stated stays in the outcome's `asked`. Raises NotSupported while it runs.
    """
    outcome = compare(job)
    if outcome is None:
        raise JobNotFound(job=job)
    if status(job).state in {jobs.JobState.WAITING, jobs.JobState.RUNNING}:
        raise NotSupported(strategy="Another contract", because="the job is still running")
    again = run.offers.judged_again(outcome, _advised(outcome.plan.profile, needs))
    jobs.keep_outcome(jobs.folder_of(jobs_root(), job), again)
    return again


def command_to_accept(job: str, plan: Plan, offer: CounterOffer) -> str:
    """The command that holds a job's measurements against its contract with an offer accepted."""
    return command_for_job(run.offers.relaxed(plan.needs, offer), job)


def relaxed(needs: Needs, offer: CounterOffer) -> Needs:
    """The contract with an offer accepted."""
    return run.offers.relaxed(needs, offer)


def start(plan: Plan, *, owner: str = "local") -> str:
    """Begin the job in its own process; its id. Raises before anything is written.

    NotSupported without a candidate; MemoryFull or DiskFull when the forecast does not fit;
    QueueFull when this owner has a job already or too many wait.
    """
    if not plan.candidates:
        first = plan.refusals[0] if plan.refusals else None
        because = first.because if first else "no technique fits this model"
        raise NotSupported(strategy=first.what if first else "this plan", because=because)
    free = _free_memory()
    _check_room(plan, free)
    request = Request(
        owner=owner,
        created=time.time(),
        command=command_for(plan),
        memory_bytes=int(free * MEMORY_SHARE),
        cache=cache_root(),
        plan=plan,
    )
    return jobs.start(jobs_root(), request)


def _free_memory() -> int:
    import psutil

    available = int(psutil.virtual_memory().available) + jobs.memory_of_those_going_on()
    return min(available, host().ram_bytes)


def _check_room(plan: Plan, free_memory: int) -> None:
    needed = plan.job.memory.value * 1e6
    if needed > free_memory * MEMORY_SHARE:
        raise MemoryFull(
            needed_mb=round(needed / 1e6),
            free_mb=round(free_memory / 1e6),
            command=command_for(plan),
        )
    jobs_root().mkdir(parents=True, exist_ok=True)
    free, wanted = shutil.disk_usage(jobs_root()).free, plan.job.disk.value * 1e6
    if wanted > free:
        raise DiskFull(path=str(home()), needed_mb=round(wanted / 1e6), free_mb=round(free / 1e6))


def events(job: str) -> tuple[RunEvent, ...]:
    """What has happened in a job so far."""
    return jobs.events(jobs_root(), job)


def follow(job: str) -> Iterator[RunEvent]:
    """Every event of a job, as it comes, until the last one."""
    return jobs.follow(jobs_root(), job)


def cancel(job: str) -> None:
    """Stop a job; what it had found stays."""
    jobs.cancel(jobs_root(), job)


def status(job: str) -> JobStatus:
    """A job at a glance."""
    return jobs.status(jobs_root(), job)


def plan_of(job: str) -> Plan:
    """The plan that a job works on, as it was shown."""
    return jobs.request_of(jobs_root(), job).plan


def history(owner: str | None = None) -> tuple[JobStatus, ...]:
    """Every job at a glance, or those of one owner only, newest first."""
    return jobs.listing(jobs_root(), owner)


def sweep(older_than_seconds: float) -> tuple[str, ...]:
    """Delete ended jobs and kept work older than that (a hosted app's disk is not ours to fill)."""
    run.shared.forget(cache_root(), time.time() - older_than_seconds)
    looking.forget(home(), time.time() - older_than_seconds)
    return jobs.sweep(jobs_root(), older_than_seconds, time.time())


def compare(job: str) -> Outcome | None:
    """Everything measured and concluded so far; None before the original was measured."""
    return run.read_outcome(jobs.folder_of(jobs_root(), job))


def checks(samples: Iterable[str], rules: Iterable[Rule]) -> tuple[run.evidence.Check, ...]:
    """What to run to check those rules on those samples, on this machine."""
    device, checked = devices()[THIS_MACHINE], tuple(rules)
    found = []
    for name in samples:
        profile = examine(parse_ref(f"sample:{name}"))
        family = library.families().get(profile.family)
        found.append(run.evidence.check_of(profile, device, checked, family, library.rules()))
    return tuple(one for one in found if one is not None)


def check_presets(check: run.evidence.Check) -> Generator[RunEvent | Trial, None, None]:
    """Run the recipes of one check; each run of a rule is kept as soon as it is measured.

    Ending it early stops the job; the runs kept until then stay.
    """
    job = start(check.plan, owner="check-presets")
    kept: set[str] = set()
    try:
        for event in follow(job):
            yield event
            if isinstance(event, BestSoFar | Finished):
                yield from _keep_trials(check, job, kept)
    finally:
        if status(job).state in {jobs.JobState.WAITING, jobs.JobState.RUNNING}:
            cancel(job)


def _keep_trials(check: run.evidence.Check, job: str, kept: set[str]) -> Iterator[Trial]:
    from wizard import __version__

    outcome = compare(job)
    if outcome is None:
        return
    at = datetime.now(UTC).isoformat(timespec="seconds")
    for trial in run.evidence.trials_of(check, outcome, at, __version__):
        if trial.rule not in kept:
            kept.add(trial.rule)
            run.evidence.append(evidence_folder(), trial)
            yield trial


def pack(job: str) -> ArtifactBundle:
    """The job's bundle with its zip. A job that was stopped gets the best it had found."""
    folder = jobs.folder_of(jobs_root(), job)
    if run.pair.is_pair(plan_of(job)):
        because = "two given models were compared and nothing new was made"
        raise NotSupported(strategy="Packing a bundle", because=because)
    if not (folder / "bundle" / "MANIFEST.json").is_file():
        jobs.ask("pack_again", {"folder": str(folder)})
    return bundle.zip_of(folder / "bundle")


def result(job: str, bundle_folder: Path | None) -> Mapping[str, Json]:
    """The wizard.run/1 object of a job; `bundle_folder` names where the bundle was copied to.

    Of a dry run the wizard.dry-run/1 object, as far as it came.
    """
    if plan_of(job).dry_run:
        return run.dry.read(jobs.folder_of(jobs_root(), job))
    outcome = compare(job)
    if outcome is None:
        raise JobNotFound(job=job)
    if run.pair.is_pair(outcome.plan) or not outcome.measurements:
        return run.result_object(outcome, None)
    packed = pack(job)
    where = bundle_folder or packed.folder
    return run.result_object(outcome, replace(packed, folder=where))


def verify(folder: Path, receipt: Path | None = None) -> bundle.Verified:
    """Re-open a bundle, audit it, check its hashes; fold in a device's receipt."""
    return bundle.verify(folder, receipt)


def data_name(
    path: str, *, by_index: bool, calibration: str | None, columns: Sequence[str] = ()
) -> str:
    """The data and what is said about it, as the one word that Needs.data holds.

    `columns` are `text=COLUMN` each. Raises BadNeeds.
    """
    said = examples.parse(path)
    return str(
        replace(
            said,
            labels_are_positions=by_index or said.labels_are_positions,
            calibration=calibration or said.calibration,
            columns=examples.stated(list(columns)) if columns else said.columns,
        )
    )


def preview_data(profile: ModelProfile, path: str) -> Json:
    """A look into a data file, in a child: rows, labels found, columns guessed, notes."""
    return jobs.ask("preview", {"profile": jsonable(profile), "path": path, "seed": 0})


def try_both(job: str, typed: Sequence[str]) -> Json:
    """What the original and the best candidate say to one input, in a child process.

    `typed` has one text for each field that the task's card asks for.
    """
    if compare(job) is None:
        raise JobNotFound(job=job)
    words: Json = [one[:TYPED] for one in typed]
    arguments: Json = {"folder": str(jobs.folder_of(jobs_root(), job)), "typed": words}
    return jobs.ask("answer_both", arguments)


def try_picture(job: str, file: str | None, number: int, labels: str = "") -> Json:
    """The same for a picture file, or without one for example `number` of those judged on.

    `labels`: what to choose among, apart by commas, where the model has no list of its own;
    without any, what the examples choose among.
    """
    if compare(job) is None:
        raise JobNotFound(job=job)
    folder = str(jobs.folder_of(jobs_root(), job))
    arguments: Json = {"folder": folder, "file": file, "number": number, "labels": labels[:TYPED]}
    return jobs.ask("answer_picture", arguments)
