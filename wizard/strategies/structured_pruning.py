"""A smaller network of the same kind: fewer heads, neurons, channels or layers, no training.

Covers: encoders built like BERT or DistilBERT, ResNets. What matters least for the answers on
sample rows goes until the wanted share of the arithmetic is left, and the layers that remain are
fitted so that they make up for it. The weights themselves get smaller, so every runtime gains.
Does not cover: other families, training afterwards (recovery), zeros that stay in the file.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard import nouns, tasks
from wizard.errors import NotSupported, PickleOnly, PromiseBroken
from wizard.nouns import Artifact, Kind
from wizard.strategies import _checkpoint, _graph, _groups, _importance, _refit, _seen
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._groups import Group

TITLE = "Structured pruning"
NOTE_FILE = "pruned.json"
ROWS_FOR_LAYERS = 32
HELD_BYTES, FLOAT32 = 2_000_000_000, 4  # second moments in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`macs`: the share of the encoder's (the convolutions') multiply-accumulates to keep.

    `heads`, `neurons`, `channels`: what may go. `layers`: so many whole layers go first. `samples`
    rows are looked at.
    """

    macs: float = 0.75
    heads: bool = True
    neurons: bool = True
    channels: bool = True
    layers: int = 0
    samples: int = 256


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without sixteen rows, other families, pickles, and settings that mean nothing."""
    family = json.loads((artifact.path / "config.json").read_text("utf-8")).get("model_type")
    if family not in _groups.FAMILIES:
        because = f"it knows where to cut in BERT-like encoders and ResNets, not in '{family}'"
        raise NotSupported(strategy=TITLE, because=because)
    if bench.profile.task not in tasks.cards():
        because = "the model's task is none of those whose answers we can watch"
        raise NotSupported(strategy=TITLE, because=because)
    if not list(artifact.path.glob("*.safetensors")):
        raise PickleOnly(model=artifact.path.name)
    if not 0 < settings.macs < 1:
        because = f"a share of {settings.macs:g} of the arithmetic leaves nothing to do or to keep"
        raise NotSupported(strategy=TITLE, because=because)
    if settings.layers < 0 or (settings.layers and family == _groups.RESNET):
        because = "whole layers are taken out of text encoders only, and never fewer than none"
        raise NotSupported(strategy=TITLE, because=because)
    _seen.enough_rows(bench)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Watch the model on the rows, choose, cut, fit, save."""
    import torch

    torch.set_num_threads(bench.threads)
    assert bench.profile.task is not None  # noqa: S101 - `requires` looked
    with _graph.quiet():
        original = _checkpoint.load(artifact.path, bench.profile.task)
    rows = _seen.rows_of(original, settings.samples, bench)
    smaller = copy.deepcopy(original)
    stay = _drop_layers(smaller, rows, settings)
    groups = _groups.groups_of(smaller)
    work = _groups.work_of(smaller, groups, rows[0])
    whole = _groups.work_of(original, _groups.groups_of(original), rows[0])
    scale = sum(one.macs for one in work) / sum(one.macs for one in whole)
    enough = scale <= settings.macs  # the layers that went were as much as was asked for
    orders = [] if enough else _orders(smaller, groups, settings, rows, bench)
    kept = _importance.search(work, groups, orders, settings.macs / scale)
    if kept is None:
        because = f"even with all that may go, more than {settings.macs:.0%} of the work is left"
        raise NotSupported(strategy=TITLE, because=because)
    attributes: dict[str, dict[str, int]] = {}
    for group, units in zip(groups, kept, strict=True):
        if len(units) < group.units:
            attributes |= _groups.slice_out(smaller, group, units)
    _refit.refit(original, smaller, groups, stay, rows, bench)
    bench.report(0.95, "writing the smaller model")
    shape = _composed(_checkpoint.shape_of(artifact.path), smaller, stay, attributes)
    target = _checkpoint.save(smaller, shape, artifact.path, bench.folder / STRATEGY.file_stem)
    counts = [len(units) for units in kept]
    _write_note(target, groups, counts, scale * _groups.share(work, groups, counts))
    return target


def _drop_layers(model: Any, rows: Sequence[_seen.Row], settings: Settings) -> list[int]:
    """Take whole layers out of `model`; the numbers of those that stay."""
    import torch

    count = len(_groups.blocks_of(model))
    if not settings.layers:
        return list(range(count))
    if settings.layers >= count:
        because = f"it has {count} layers, and at least one must stay"
        raise NotSupported(strategy=TITLE, because=because)
    gone = _importance.least_needed_layers(model, rows[:ROWS_FOR_LAYERS], settings.layers)
    stay = [at for at in range(count) if at not in gone]
    parent, _, last = _groups.layers_of(model).rpartition(".")
    entries = model.get_submodule(f"{parent}.{last}")
    layers = torch.nn.ModuleList([entries[at] for at in stay])
    setattr(model.get_submodule(parent), last, layers)
    return stay


def _orders(
    model: Any,
    groups: Sequence[Group],
    settings: Settings,
    rows: Sequence[_seen.Row],
    bench: Workbench,
) -> list[list[_importance.Removal]]:
    """In which order each group's units would go; none where they must stay."""
    allowed = {
        _groups.HEADS: settings.heads,
        _groups.NEURONS: settings.neurons,
        _groups.CHANNELS: settings.channels,
    }
    touched = [group for group in groups if allowed[group.kind]]
    if not touched:
        return [[] for _ in groups]
    needed = sum(_inputs(model, group) ** 2 * FLOAT32 for group in touched)
    if needed > HELD_BYTES:
        because = f"watching its layers would take {needed / 1e9:.0f} GB of memory"
        raise NotSupported(strategy=TITLE, because=because)
    found = {}
    for at, one in enumerate(_seen.seen_by(model, touched, rows, bench)):
        bench.report(0.4 + 0.2 * at / len(touched), "choosing what can go")
        found[touched[at].reader] = _importance.removals(model, touched[at], one)
    return [found.get(group.reader, []) for group in groups]


def _inputs(model: Any, group: Group) -> int:
    weight = model.get_submodule(group.reader).weight
    return int(weight[0].numel())


def _composed(
    before: _checkpoint.Shape,
    model: Any,
    stay: Sequence[int],
    attributes: Mapping[str, Mapping[str, int]],
) -> _checkpoint.Shape:
    """The note of a model that may have been made smaller before."""
    if model.config.model_type == _groups.RESNET:
        return dataclasses.replace(before, attributes={**before.attributes, **attributes})
    layers = _groups.layers_of(model)
    was = before.kept.get(layers)
    numbers = [was[at] for at in stay] if was else list(stay)
    renamed = {}
    for name, values in before.attributes.items():
        head, _, rest = name.removeprefix(f"{layers}.").partition(".")
        if not name.startswith(f"{layers}."):
            renamed[name] = values
        elif int(head) in stay:
            renamed[f"{layers}.{list(stay).index(int(head))}.{rest}"] = values
    return _checkpoint.Shape(
        kept={**before.kept, layers: numbers}, attributes={**renamed, **attributes}
    )


def _write_note(folder: Path, groups: Sequence[Group], counts: Sequence[int], left: float) -> None:
    """What `ensures` holds the weights against."""
    note = {
        "macs": left,
        "groups": [
            {
                "makers": list(group.makers),
                "reader": group.reader,
                "width": group.width,
                "units": group.units,
                "kept": count,
            }
            for group, count in zip(groups, counts, strict=True)
        ],
    }
    (folder / NOTE_FILE).write_text(json.dumps(note, indent=1), encoding="utf-8")


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """The weights' own shapes are as small as was promised, and fewer numbers are stored."""
    note = json.loads((after.path / NOTE_FILE).read_text(encoding="utf-8"))
    if not note["macs"] <= settings.macs + 1e-9:
        raise PromiseBroken(
            strategy=TITLE,
            promised=f"at most {settings.macs:.0%} of the arithmetic",
            found=f"{note['macs']:.0%}",
        )
    was, now = _shapes(before.path), _shapes(after.path)
    for group in note["groups"]:
        wanted = group["kept"] * group["width"]
        found = {now[f"{name}.weight"][0] for name in group["makers"]}
        found.add(now[f"{group['reader']}.weight"][1])
        if found != {wanted}:
            raise PromiseBroken(
                strategy=TITLE,
                promised=f"{wanted} inputs of {group['reader']}",
                found=", ".join(str(one) for one in sorted(found)),
            )
    numbers = [sum(math.prod(shape) for shape in shapes.values()) for shapes in (was, now)]
    if numbers[1] >= numbers[0]:
        raise PromiseBroken(
            strategy=TITLE,
            promised=f"fewer than {numbers[0]} numbers",
            found=str(numbers[1]),
        )


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The stored tensors' shapes, from the files' headers."""
    from safetensors import safe_open

    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            names = list(file.keys())
            found |= {name: tuple(file.get_slice(name).get_shape()) for name in names}
    return found


STRATEGY = Strategy(
    name="structured_pruning",
    title=TITLE,
    summary="fewer heads, neurons, channels or layers: less arithmetic on any device, no training",
    stage=0,
    accepts=Kind.CHECKPOINT,
    gives=Kind.CHECKPOINT,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="pruned",
)
