"""A model that comes as a file: a ZIP of its folder, or ONNX with whatever lies beside it.

Covers: a folder of ours for it, named by its content and made once; which files go along; an ONNX
file's own card in GIVEN beside it. Does not cover: what may be wrong with a ZIP (unpack.py) or a
graph (graph.py). Works in a child process; what it began is taken away when it fails.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizard import hub
from wizard.errors import ModelNotFound, UploadRefused
from wizard.examples import prepared
from wizard.intake import download, graph, source, unpack
from wizard.intake.given import GIVEN
from wizard.intake.weights import check_weights
from wizard.nouns import Json, ModelRef, Task

MODEL = "model.onnx"
ENDINGS = (".zip", ".onnx")
DATA_ENDINGS = (".data", "_data")
BESIDE = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("preprocessor_config.json", "processor_config.json", "generation_config.json"),
    *("vocab.txt", "merges.txt"),
    *("vocab.json", "sentencepiece.bpe.model", "spiece.model", "README.md", "LICENSE"),
)
ARCHITECTURES = {
    Task.TEXT_CLASSIFICATION: "ForSequenceClassification",
    Task.IMAGE_CLASSIFICATION: "ForImageClassification",
    Task.FEATURE_EXTRACTION: "Model",
}
# As most networks for photographs were trained; a file that says otherwise brings its own.
PREPARED = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
NO_PREPARATION = (
    "No preprocessor_config.json came with it, so pictures are scaled to 0 to 1 and normalized "
    "as ImageNet's are."
)


def take(path: Path, root: Path) -> Path:
    """The model's folder below `root`. Raises UploadRefused and what `unpack` raises."""
    if not path.is_file():
        raise ModelNotFound(model=str(path), suggestion="There is no such file.")
    if path.suffix.lower() not in ENDINGS:
        because = "a model comes as a ZIP of its folder or as an .onnx file"
        raise UploadRefused(file=path.name, because=because)
    home = root / _digest(path)
    done = home / path.stem
    if done.is_dir():
        return done
    root.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=root))
    try:
        folder = making / path.stem
        (_from_zip if path.suffix.lower() == ".zip" else _from_onnx)(path, folder)
        shutil.rmtree(home, ignore_errors=True)
        making.rename(home)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return done


def take_from_hub(ref: ModelRef, file: str, root: Path) -> Path:
    """An ONNX file of a repository, with what lies beside it and at the top, taken in like one.

    Raises UploadRefused for a file that is not there, and what a download raises.
    """
    pinned = source.resolve(ref)
    repository = hub.repository(pinned)
    graphs = [name for name in repository.files if name.endswith(".onnx")]
    if file not in graphs:
        named = ", ".join(graphs[:6]) or "none"
        because = f"{ref.name} has no such file; its ONNX files: {named}"
        raise UploadRefused(file=file, because=because)
    home = f"{file.rpartition('/')[0]}/".lstrip("/")
    wanted = [file, *(f"{file}{ending}" for ending in DATA_ENDINGS)]
    wanted += [place + name for place in dict.fromkeys(("", home)) for name in BESIDE]
    there = [name for name in wanted if name in repository.files]
    folder = download.download(pinned, repository, there, lambda fraction, detail: None)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hub-", dir=root) as place:
        for name in sorted(there, key=lambda one: one.startswith(home) and bool(home)):
            shutil.copyfile(folder / name, Path(place) / Path(name).name)
        whole = Path(place) / f"{ref.name.rpartition('/')[2]}.onnx"
        (Path(place) / Path(file).name).rename(whole)
        return take(whole, root)


def _digest(path: Path) -> str:
    """Of the file and of what lies beside it that goes along."""
    hashed = hashlib.sha256()
    beside = [] if path.suffix.lower() == ".zip" else _beside(path)
    for one in (path, *beside, *_data_like(path)):
        with one.open("rb") as file:
            hashed.update(one.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()[:24]


def _beside(path: Path) -> list[Path]:
    """The model's small files in the same folder, or in the one above, as Optimum writes them."""
    homes = (path.parent, path.parent.parent) if path.parent.name == "onnx" else (path.parent,)
    found: dict[str, Path] = {}
    for home in reversed(homes):
        found |= {name: home / name for name in BESIDE if (home / name).is_file()}
    return [found[name] for name in BESIDE if name in found]


def _data_like(path: Path) -> list[Path]:
    named = [path.with_name(path.name + ending) for ending in DATA_ENDINGS]
    return [one for one in named if one.is_file()] if path.suffix == ".onnx" else []


def _from_zip(path: Path, folder: Path) -> None:
    unpack.unpack(path, folder)
    if list(folder.glob("*.safetensors")):
        check_weights(folder)
        return
    graphs = sorted(folder.rglob("*.onnx"), key=lambda one: (len(one.parts), one.name))
    if not graphs:
        return  # the card says what is missing
    if len(graphs) > 1 and not any(one.name == MODEL for one in graphs):
        because = f"it holds {len(graphs)} ONNX files; keep one, or call it {MODEL}"
        raise UploadRefused(file=path.name, because=because)
    chosen = next((one for one in graphs if one.name == MODEL), graphs[0])
    _adopt(chosen, folder)


def _from_onnx(path: Path, folder: Path) -> None:
    folder.mkdir()
    for one in _beside(path):
        shutil.copyfile(one, folder / one.name)
    _adopt(path, folder)


def _adopt(path: Path, folder: Path) -> None:
    """The graph as we feed it, with a config where there was none, and what a trial showed."""
    model = graph.load_checked(path)
    config = _json(folder / "config.json")
    task = graph.guess_task(model, config, path.name)
    graph.adapt(model, task, path.name)
    notes = _prepared(model, task, folder, path.name)
    side = _side(model, folder) if task is Task.IMAGE_CLASSIFICATION else None
    original = [_shape(one) for one in (*model.graph.input, *model.graph.output)]
    graph.free_axes(model)
    making = folder / f".{MODEL}"
    _save(model, making)
    found = graph.try_out(making, side, path.name)
    if not found.batch_free:
        for value, dims in zip((*model.graph.input, *model.graph.output), original, strict=True):
            _restore(value, dims)
        notes.append("Its batch is fixed at one input at a time.")
    making.unlink()
    (folder / f"{making.name}.data").unlink(missing_ok=True)
    _only(folder)
    _save(model, folder / MODEL)
    _describe(model, task, config, found, folder, notes)


def _shape(value: Any) -> list[tuple[int, str]]:
    return [(dim.dim_value, dim.dim_param) for dim in value.type.tensor_type.shape.dim]


def _restore(value: Any, dims: list[tuple[int, str]]) -> None:
    first = value.type.tensor_type.shape.dim
    if first:
        first[0].dim_value = dims[0][0] or 1


def _only(folder: Path) -> None:
    """Other graphs that came along would be taken for the model."""
    for one in (*folder.rglob("*.onnx"), *folder.rglob("*.data"), *folder.rglob("*_data")):
        one.unlink(missing_ok=True)


def _save(model: Any, path: Path) -> None:
    """In one file up to 1.5 GB; above, the weights in one file beside it."""
    import onnx

    large = model.ByteSize() > 1_500_000_000
    onnx.save_model(
        model,
        str(path),
        save_as_external_data=large,
        all_tensors_to_one_file=True,
        location=f"{path.name}.data" if large else None,
    )


def _prepared(model: Any, task: Task, folder: Path, name: str) -> list[str]:
    """What a model needs to turn rows into inputs; pictures can do without, texts cannot."""
    if task is not Task.IMAGE_CLASSIFICATION:
        there = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
        if any((folder / one).is_file() for one in there):
            return []
        because = (
            "it reads texts and no tokenizer.json lies beside it; put it into the same folder, or "
            "give a ZIP of both"
        )
        raise UploadRefused(file=name, because=because)
    if graph.sides_of(model)[0] != 3:
        raise UploadRefused(file=name, because="it reads pictures without three colours")
    if prepared.settings_in(folder, _json) is not None:
        return []
    side = graph.sides_of(model)[1] or graph.USUAL_SIDE
    written = {**PREPARED, "size": {"height": side, "width": side}}
    (folder / "preprocessor_config.json").write_text(json.dumps(written), encoding="utf-8")
    return [NO_PREPARATION]


def _side(model: Any, folder: Path) -> int:
    from wizard.intake.work import side_of

    said = side_of({}, prepared.settings_in(folder, _json) or {})
    return graph.sides_of(model)[1] or said or graph.USUAL_SIDE


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UploadRefused(file=path.name, because="it is not JSON") from error
    if not isinstance(found, dict):
        raise UploadRefused(file=path.name, because="it is no JSON object")
    return found


def _describe(
    model: Any,
    task: Task,
    config: dict[str, Any] | None,
    found: graph.Axes,
    folder: Path,
    notes: list[str],
) -> None:
    if config is None:
        named = {str(index): f"LABEL_{index}" for index in range(found.width)}
        made: Mapping[str, Json] = {
            "model_type": "onnx",
            "architectures": [f"Onnx{ARCHITECTURES.get(task, 'Model')}"],
            **({"id2label": named} if task is not Task.FEATURE_EXTRACTION else {}),
        }
        (folder / "config.json").write_text(json.dumps(made), encoding="utf-8")
    told = {
        "task": task.value,
        "width": found.width,
        "image_size": found.image_size,
        "compressed": graph.is_compressed(model),
        "counts": count(model),
        "notes": notes,
        "sha256": _digest(folder / MODEL),
    }
    (folder / GIVEN).write_text(json.dumps(told), encoding="utf-8")


def count(model: Any) -> dict[str, int]:
    """Parameters by the kind of layer that uses them; `applied` are multiply-adds of one place.

    One place is a token, or a pixel of a convolution's output, whose places are in `conv_macs`.
    """
    import math

    sizes = {one.name: math.prod(one.dims) for one in model.graph.initializer}
    shapes = {one.name: list(one.dims) for one in model.graph.initializer}
    placed = _places(model)
    kinds = dict.fromkeys(("embedding", "linear", "conv", "depthwise", "applied", "conv_macs"), 0)
    seen: set[str] = set()
    for node in model.graph.node:
        for used in node.input:
            if used not in sizes or used in seen:
                continue
            seen.add(used)
            kind = _kind(node.op_type, shapes[used])
            if kind is None:
                continue
            kinds[kind] += sizes[used]
            if kind == "linear":
                kinds["applied"] += sizes[used]
            if kind == "conv":
                kinds["conv_macs"] += sizes[used] * placed.get(node.output[0], 1)
                kinds["depthwise"] += sizes[used] * (shapes[used][1] == 1)
    kinds["other"] = sum(sizes.values()) - sum(kinds[k] for k in ("embedding", "linear", "conv"))
    kinds["layers"] = sum(node.op_type in {"Softmax", "Conv"} for node in model.graph.node)
    return kinds


def _kind(operator: str, shape: list[int]) -> str | None:
    if operator in {"MatMul", "Gemm", "Transpose"} and len(shape) == 2:
        return "linear"
    if operator in {"Conv", "ConvTranspose"} and len(shape) > 2:
        return "conv"
    return "embedding" if operator == "Gather" and len(shape) == 2 else None


def _places(model: Any) -> dict[str, int]:
    """Places of each convolution's output, where ONNX can infer them."""
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (ValueError, RuntimeError):
        return {}
    found = {}
    for value in inferred.graph.value_info:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        found[value.name] = dims[2] * dims[3] if len(dims) == 4 else 1
    return found
