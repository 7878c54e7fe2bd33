"""Reads presets/ and assets/ into typed records; the only one who knows those paths.

Covers: rules, devices, families, failures, the rates of this machine, the sample models; "did you
mean" for any name. A misspelt key stops the house at start-up (PresetBroken).
Does not cover: whether a rule fires (advise), whether its steps exist (advise, at start-up).
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from wizard.errors import PresetBroken, Unexpected, UnknownName, WizardError
from wizard.nouns import Ability, Device, Explained, Family, Priority, Rule, Sample, Task, Value

Found = TypeVar("Found")
Record = TypeVar("Record")

SUITS = {  # a condition's operator -> the kinds of fact it may ask about; "" is equality
    "": ("text", "number", "list", "yes or no"),
    "_in": ("text", "number"),
    "_at_least": ("number",),
    "_below": ("number",),
    "_has_any": ("list",),
    "_has_none": ("list",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The closed vocabulary of the presets, and the jargon that no reason may use.

    `facts` maps each fact a condition may ask about to "text", "number", "list" or "yes or no";
    `languages` a code in the data to the name people use.
    """

    arches: tuple[str, ...]
    groups: tuple[str, ...]
    runtimes: tuple[str, ...]
    shapes: tuple[str, ...]
    citations: tuple[str, ...]
    techniques: tuple[str, ...]
    isa: tuple[str, ...]
    jargon: tuple[str, ...]
    facts: Mapping[str, str]
    languages: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRate:
    """What an instruction set gives: operations per cycle and core, and which abilities."""

    isa: str
    fp32_per_cycle: float
    int8_per_cycle: float
    abilities: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRates:
    """How the rates of this machine follow from its instructions; the first matching row wins.

    `abilities` holds one table per name that a row's `abilities` may have.
    """

    gigahertz: float
    bandwidth_gbs: float
    overhead_us_per_op: float
    memory_share: float
    rates: tuple[MachineRate, ...]
    abilities: Mapping[str, Mapping[str, Ability]]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure in words; {names} are filled from the error's facts."""

    sentence: str
    cause: str
    next: str


def _place(name: str) -> Path:
    """Beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parent
    beside = package.parent / name
    return beside if beside.is_dir() else package / f"_{name}"


def presets_folder() -> Path:
    """Where the expert knowledge lies."""
    return _place("presets")


def evidence_folder() -> Path:
    """Where the runs of the rules on the samples lie, a file per rule."""
    return presets_folder() / "evidence"


def assets_folder() -> Path:
    """Where styles, pictures and sample models lie."""
    return _place("assets")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PresetBroken(file=path.name, because=str(error)) from error


@lru_cache(maxsize=16)
def _reader(kind: Any) -> Any:  # building one costs milliseconds, so each is kept
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _typed(kind: type[Record], values: Mapping[str, Any], path: Path) -> Record:
    """Values as a record; a misspelt or missing key is named, with what was probably meant."""
    from pydantic import ValidationError

    known = [f.name for f in fields(cast("type[Any]", kind))]
    for key in values:
        if key not in known:
            raise PresetBroken(file=path.name, because=_unknown("key", key, known))
    try:
        return cast("Record", _reader(cast("Any", kind)).validate_python(values, extra="forbid"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PresetBroken(file=path.name, because=f"{where}: {first['msg']}") from error


def _unknown(kind: str, word: str, known: Iterable[str]) -> str:
    near = closest(word, known)
    return f"unknown {kind} '{word}'" + (f"; did you mean '{near}'?" if near else "")


def _only_known(kind: str, used: Iterable[str], known: Collection[str], path: Path) -> None:
    for word in sorted(used):
        if word not in known:
            raise PresetBroken(file=path.name, because=_unknown(kind, word, known))


@lru_cache(maxsize=1)
def words() -> Words:
    """The vocabulary that every preset is held to."""
    path = presets_folder() / "words.toml"
    return _typed(Words, _toml(path), path)


def condition(name: str) -> tuple[str, str]:
    """A condition's fact and operator: `isa_has_any` is ("isa", "_has_any"); no operator is "".

    Raises UnknownName for a fact that does not exist.
    """
    fact, operator = _parts(name)
    find("fact", fact, words().facts)
    return fact, operator


def _parts(name: str) -> tuple[str, str]:
    operator = next((one for one in SUITS if one and name.endswith(one)), "")
    return name.removesuffix(operator), operator


def _files(folder: str) -> list[Path]:
    return sorted((presets_folder() / folder).glob("*.toml"))


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Every rule, by file name. The file's name is the rule's id."""
    return tuple(read_rule(path) for path in _files("rules"))


def read_rule(path: Path) -> Rule:
    """One rule file. Raises PresetBroken with what is wrong in it."""
    values = _toml(path)
    values["id"] = path.stem
    values["reviewed"] = str(values.get("reviewed", ""))
    for key in ("when", "settings", "expect"):
        values.setdefault(key, {})
    values.setdefault("steps", [])
    rule = _typed(Rule, values, path)
    _check_facts(rule.when, path)
    for example in rule.examples:
        _check_facts(example.facts, path)
    _only_known("kind of source", (source.kind for source in rule.sources), words().citations, path)
    return rule


def _check_facts(stated: Mapping[str, Value], path: Path) -> None:
    """Every fact exists, its operator suits it, and named things are things we know."""
    for name, value in stated.items():
        fact, operator = _parts(name)
        _only_known("fact", [fact], words().facts, path)
        if words().facts[fact] not in SUITS[operator]:
            raise PresetBroken(file=path.name, because=f"{name} does not suit the fact {fact}")
        known = _known_values(fact)
        if known is not None:
            given = value if isinstance(value, list) else [value]
            _only_known(fact, map(str, given), known, path)


@lru_cache(maxsize=64)  # asked for every condition of every rule
def _known_values(fact: str) -> Collection[str] | None:
    """The values a fact can take, or None when it is a number."""
    lists = {
        "isa": words().isa,
        "arch": words().arches,
        "runtimes": words().runtimes,
        "shape": words().shapes,
        "device_group": words().groups,
        "priority": tuple(Priority),
        "task": tuple(Task),
    }
    if fact == "family":
        return families()
    if fact == "device_id":
        return [path.stem for path in _files("devices")]
    return lists.get(fact)


@lru_cache(maxsize=1)
def devices() -> Mapping[str, Device]:
    """Every device but this machine, in the order in which people look for them."""
    found = [read_device(path) for path in _files("devices") if path.stem != "this-machine"]
    return {device.id: device for device in sorted(found, key=_device_order)}


def _device_order(device: Device) -> tuple[int, str]:
    return (words().groups.index(device.group), device.name)


def read_device(path: Path) -> Device:
    """One device file. Raises PresetBroken with what is wrong in it."""
    values = _toml(path)
    values["id"] = path.stem
    values.setdefault("abilities", {})
    values.setdefault("max_file_bytes", None)
    values.setdefault("fp16_gops", None)
    values.setdefault("int8_gops", None)
    _spell_dates(values["abilities"])
    device = _typed(Device, values, path)
    _only_known("isa flag", device.isa, words().isa, path)
    _only_known("arch", [device.arch], words().arches, path)
    _only_known("group", [device.group], words().groups, path)
    _only_known("runtime", device.runtimes, words().runtimes, path)
    return device


def _spell_dates(abilities: Mapping[str, dict[str, Any]]) -> None:
    for ability in abilities.values():
        ability["read_on"] = str(ability.get("read_on", ""))


@lru_cache(maxsize=1)
def machine_rates() -> MachineRates:
    """How to compute the rates of the machine we run on."""
    path = presets_folder() / "devices" / "this-machine.toml"
    values = _toml(path)
    for abilities in values.get("abilities", {}).values():
        _spell_dates(abilities)
    rates = _typed(MachineRates, values, path)
    _only_known("isa flag", (row.isa for row in rates.rates), (*words().isa, "any"), path)
    _only_known("table of abilities", (row.abilities for row in rates.rates), rates.abilities, path)
    return rates


@lru_cache(maxsize=1)
def families() -> Mapping[str, Family]:
    """Every model family we know something about."""
    return {path.stem: read_family(path) for path in _files("families")}


def read_family(path: Path) -> Family:
    """One family file. Raises PresetBroken with what is wrong in it."""
    values = _toml(path)
    for sibling in values.get("siblings", ()):
        sibling["read_on"] = str(sibling.get("read_on", ""))
    family = _typed(Family, {"id": path.stem, **values}, path)
    _only_known("shape", [family.shape], words().shapes, path)
    return family


@lru_cache(maxsize=1)
def samples() -> Mapping[str, Sample]:
    """The bundled models, by folder name; `intents` first because it makes the best tour."""
    paths = sorted((assets_folder() / "samples").glob("*/sample.toml"))
    found = {path.parent.name: _sample(path) for path in paths}
    return dict(sorted(found.items(), key=lambda item: (item[0] != "intents", item[0])))


def _sample(path: Path) -> Sample:
    values = _toml(path)
    values.pop("expect", None)
    return _typed(Sample, {**values, "name": path.parent.name, "folder": path.parent}, path)


def rows_of(name: str) -> Path:
    """The folder with the rows that belong to a sample: calibration and test."""
    return assets_folder() / "samples" / name / "data"


def sample_task(named: str) -> Task:
    """The task of a sample, named as users do: `sample:intents`."""
    return samples()[named.removeprefix("sample:")].task


@lru_cache(maxsize=1)
def exports() -> Mapping[str, Mapping[str, float]]:
    """The largest difference to PyTorch, by model_type and task, where an export was recorded.

    Written by tests/slow/test_every_family_exports.py: tiny models with random weights, three
    shapes, float32.
    """
    path = presets_folder() / "exports.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {kind: {str(task): float(d) for task, d in some.items()} for kind, some in found.items()}


@lru_cache(maxsize=1)
def failures() -> Mapping[str, Failure]:
    """Every failure in words, by code."""
    path = presets_folder() / "failures.toml"
    return {code: _typed(Failure, entry, path) for code, entry in _toml(path).items()}


@lru_cache(maxsize=1)
def links() -> Mapping[str, str]:
    """Where cited sources can be read: the words of the citation -> https address."""
    return {
        str(name): str(address) for name, address in _toml(presets_folder() / "links.toml").items()
    }


def explain(error: Exception) -> Explained:
    """What happened and why, and what to do next, fit to be read by the user.

    An exception that is not a WizardError is a mistake of ours and is called one.
    """
    known = error if isinstance(error, WizardError) else _mistake(error)
    entry = failures()[known.code]
    facts = {name: str(fact) for name, fact in known.facts.items()}
    if "because" in facts:  # a sentence of its own, or the end of ours
        facts["because"] = facts["because"].removesuffix(".")
    try:
        return Explained(
            code=known.code,
            message=entry.sentence.format_map(facts).strip(),
            next=entry.next.format_map(facts).strip(),
        )
    except KeyError as missing:
        because = f"{known.code} wants the fact {missing}"
        raise PresetBroken(file="failures.toml", because=because) from missing


def _mistake(error: Exception) -> Unexpected:
    return Unexpected(because=f"{type(error).__name__}: {error}".split("\n", 1)[0][:200])


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if one is near."""
    options = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), options, n=1, cutoff=0.55)
    return options[near[0]] if near else None


def find(kind: str, name: str, known: Mapping[str, Found]) -> Found:
    """The entry of that name. Raises UnknownName, with what was probably meant."""
    if name in known:
        return known[name]
    near = closest(name, known)
    raise UnknownName(
        kind=kind,
        name=name,
        suggestion=f"Did you mean {near}?" if near else "",
        known=", ".join(known),
    )
