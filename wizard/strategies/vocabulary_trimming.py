"""A word table with fewer rows: the same answers on texts made of the words that were kept.

Covers: the table that reads the token ids; a small list in front of it says where each id's row
is now, so that the tokenizer stays as it is. Kept are special pieces, single characters, pieces of
the user's rows and texts, and the commonest ones in the scripts seen there (or asked for). An id
that lost its row reads the kept row most like its own, or the row for unknown words.
Does not cover: tables that a last layer reads too (tied); retraining; a shorter tokenizer, which
would cut rare words into kept pieces instead.
Sources: Abdaoui et al. 2020 (arXiv 2010.05609) and Ushio et al. 2023 (arXiv 2305.15020) drop rows
of multilingual tables by language; the list of ids in front is ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import examples, nouns
from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph, _inputs, _pieces
from wizard.strategies._contract import Strategy, Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Fewer words"
IDS = "input_ids"
THROUGH = {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
SMALLEST_GAIN = 0.05  # of the file; below, the words given up buy nothing
SCRIPT_SEEN = 0.01  # share of the rows' letters that makes a script the user's own
INT32, UINT16_ENDS = 6, 1 << 16
# Multiplications to compare every lost row with every kept one; above, in fewer dimensions.
COMPARED_WHOLE, FEWER = 4e11, 64
AT_A_TIME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`keep_share`: of the pieces in the user's scripts, the commonest are kept.

    `languages`: two-letter codes whose scripts are kept instead of those in the rows. `texts`: a
    file of the user's own texts, every piece of which is kept. `alike`: the cosine from which on a
    kept row stands in for a lost one; below, the row for unknown words does (2: always).
    """

    keep_share: float = 0.5
    languages: tuple[str, ...] = ()
    texts: str = ""
    # Intents and MiniLM: nearer rows beat the unknown word's, farther ones do on MiniLM alone.
    alike: float = 0.35


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses pictures, tied tables, unknown tokenizers, and gains below 5 % of the file."""
    model = _graph.load(artifact.path)
    lookup = _lookup(model)
    if lookup is None:
        because = "it has no word table of its own: no text, or the last layer reads the table too"
        raise NotSupported(strategy=TITLE, because=because)
    rows, width = _graph.stored(model)[lookup.input[0]].dims
    kept = _kept(int(rows), settings, bench)
    if _saved(int(rows), len(kept), int(width)) < SMALLEST_GAIN * artifact.bytes:
        because = f"{len(kept)} of its {rows} word pieces are needed: next to nothing to gain"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Choose the pieces, find each lost one's stand-in, write the smaller table."""
    from onnx import numpy_helper

    model = _graph.load(artifact.path)
    lookup = _lookup(model)
    if lookup is None:
        raise NotSupported(strategy=TITLE, because="it has no word table of its own")
    table = numpy_helper.to_array(_graph.stored(model)[lookup.input[0]])
    bench.report(0.1, "choosing the words to keep")
    kept = _kept(len(table), settings, bench)
    bench.report(0.3, f"keeping {len(kept)} of {len(table)} word pieces")
    places = _places(table, kept, _unknown(bench), settings.alike)
    _write(model, lookup, table[kept], places)
    bench.report(0.9, "writing the file")
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _lookup(model: onnx.ModelProto) -> onnx.NodeProto | None:
    """The only reader of the table that token ids go into."""
    makers = {out: node for node in model.graph.node for out in node.output}
    reads = _graph.users(model)
    for node in _graph.embeddings(model):
        name = node.input[1]
        while name in makers and makers[name].op_type in THROUGH:
            name = makers[name].input[0]
        if name == IDS and reads[node.input[0]] == 1:
            return node
    return None


def _kept(rows: int, settings: Settings, bench: Workbench) -> list[int]:
    """Ids that keep their row, ascending. Raises NotSupported, CalibrationTooSmall."""
    tokenizer = _tokenizer(bench)
    pieces = _pieces.read(tokenizer)
    read = _read(tokenizer, settings, bench)
    scripts = _scripts(settings, pieces, read)
    own = sorted((p for p in pieces if p.scripts <= scripts), key=lambda piece: piece.rank)
    common = own[: round(settings.keep_share * len(own))]
    kept = {piece.id for piece in pieces if piece.needed} | {piece.id for piece in common} | {*read}
    return sorted(one for one in kept if one < rows)


def _tokenizer(bench: Workbench) -> Path:
    beside = bench.calibration.parent if bench.calibration else None
    found = _pieces.find(bench.model_folder, beside)
    if found is None or not _pieces.read(found):
        because = "it has no tokenizer.json with a list of pieces: nobody knows what each row says"
        raise NotSupported(strategy=TITLE, because=because)
    return found


def _read(tokenizer: Path, settings: Settings, bench: Workbench) -> Counter[int]:
    """How often each piece occurs in the sample rows and in the user's texts."""
    found: Counter[int] = Counter()
    if bench.calibration is not None or not (settings.languages or settings.texts):
        feeds = _inputs.enough_rows(bench)
        if not feeds.is_text:
            raise NotSupported(strategy=TITLE, because="it reads pictures, which have no words")
        found.update(_ids(feeds))
    if settings.texts:
        path = Path(settings.texts)
        if not path.is_file():
            raise NotSupported(strategy=TITLE, because=f"there is no file of texts at {path.name}")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found.update(_pieces.of_texts(tokenizer, lines))
    return found


def _ids(feeds: examples.Feeds) -> Counter[int]:
    return Counter(int(i) for at in range(len(feeds)) for i in feeds.row(at)[IDS].ravel())


def _scripts(
    settings: Settings, pieces: Collection[_pieces.Piece], read: Mapping[int, int]
) -> set[str]:
    """The scripts of the languages asked for, else those that the user's texts are written in."""
    for one in settings.languages:
        if one not in _pieces.SCRIPTS:
            because = f"'{one}' is no language code it knows; de, en, ru, zh are such codes"
            raise NotSupported(strategy=TITLE, because=because)
    if settings.languages:
        return {script for one in settings.languages for script in _pieces.SCRIPTS[one]}
    seen: Counter[str] = Counter()
    for piece in pieces:
        for script in piece.scripts:
            seen[script] += read.get(piece.id, 0)
    total = seen.total() or 1
    return {script for script, count in seen.items() if count >= SCRIPT_SEEN * total}


def _unknown(bench: Workbench) -> int | None:
    """The id that the tokenizer gives to what it does not know; one of bytes has none."""
    from tokenizers import Tokenizer

    cutter = Tokenizer.from_file(str(_tokenizer(bench)))
    known = (cutter.token_to_id(one) for one in ("[UNK]", "<unk>"))
    return next((one for one in known if one is not None), None)


def _places(table: Array, kept: list[int], unknown: int | None, alike: float) -> Array:
    """For each id, the row it reads in the table of kept rows."""
    import numpy as np

    places = np.zeros(len(table), np.int64)
    places[kept] = np.arange(len(kept))
    lost = np.setdiff1d(np.arange(len(table)), kept)
    nearest, cosine = _nearest(table, lost, kept)
    known = nearest if unknown is None else np.where(cosine >= alike, nearest, places[unknown])
    places[lost] = known
    return places.astype(np.uint16 if len(kept) <= UINT16_ENDS else np.int32)


def _nearest(table: Array, lost: Array, kept: list[int]) -> tuple[Array, Array]:
    """Places of the kept rows most like the lost ones, and how alike: cosine less the mean row."""
    import numpy as np

    apart = table - table.mean(axis=0)
    if len(lost) * len(kept) * apart.shape[1] > COMPARED_WHOLE and apart.shape[1] > FEWER:
        axes = np.linalg.eigh(apart.T @ apart)[1][:, -FEWER:]
        apart = apart @ axes
    apart /= np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-12)
    wide = np.ascontiguousarray(apart[kept].T)
    nearest, cosine = np.zeros(len(lost), np.int64), np.zeros(len(lost))
    for at in range(0, len(lost), AT_A_TIME):
        compared = apart[lost[at : at + AT_A_TIME]] @ wide
        nearest[at : at + AT_A_TIME] = compared.argmax(axis=1)
        cosine[at : at + AT_A_TIME] = compared.max(axis=1)
    return nearest, cosine


def _write(model: onnx.ModelProto, lookup: onnx.NodeProto, rows: Array, places: Array) -> None:
    from onnx import numpy_helper
    from onnx.helper import make_node

    table, out = lookup.input[0], lookup.output[0]
    name = lookup.name or out
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(rows, f"{table}_kept"),
            numpy_helper.from_array(places, f"{table}_places"),
        ]
    )
    nodes = [
        make_node("Gather", [f"{table}_places", lookup.input[1]], [f"{out}_place"],
                  name=f"{name}_place", axis=0),
        make_node("Cast", [f"{out}_place"], [f"{out}_row"], name=f"{name}_row", to=INT32),
        make_node("Gather", [f"{table}_kept", f"{out}_row"], [out], name=lookup.name, axis=0),
    ]  # fmt: skip
    _graph.replace_nodes(model, {out: nodes})
    _graph.drop_unused(model)


def _saved(rows: int, kept: int, width: int) -> int:
    """Bytes: the rows that go, less the list of places."""
    return 4 * width * (rows - kept) - (2 if kept <= UINT16_ENDS else 4) * rows


def trimmed(model: onnx.ModelProto) -> tuple[int, int] | None:
    """(rows kept, ids known) of the first table behind a list of places, else None."""
    known = _graph.stored(model)
    makers = {out: node for node in model.graph.node for out in node.output}
    for node in model.graph.node:
        cast = makers.get(node.input[1]) if node.op_type == "Gather" else None
        first = makers.get(cast.input[0]) if cast is not None and cast.op_type == "Cast" else None
        if (
            first is None
            or first.op_type != "Gather"
            or not {node.input[0], first.input[0]} <= {*known}
        ):
            continue
        if len(known[first.input[0]].dims) == 1:
            return int(known[node.input[0]].dims[0]), int(known[first.input[0]].dims[0])
    return None


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """A shorter table is in the file, it is as small as arithmetic says, it opens."""
    del settings
    was = _graph.load(before.path)
    lookup, now = _lookup(was), trimmed(_graph.load(after.path))
    if lookup is None or now is None:
        raise PromiseBroken(strategy=TITLE, promised="a shorter word table", found="none")
    width = int(_graph.stored(was)[lookup.input[0]].dims[1])
    _graph.must_weigh(after.bytes, before.bytes - _saved(now[1], now[0], width), TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="vocabulary_trimming",
    title=TITLE,
    summary="a shorter word table: the same answers on texts made of the words that are kept",
    stage=3,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_words",
)
