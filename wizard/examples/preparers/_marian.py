"""Marian's tokenizers, from the two SentencePiece files and the joint vocabulary of a checkpoint.

Covers: what is read (source.spm) and what is written (target.spm), each as a tokenizers.Tokenizer
that gives the ids of transformers' MarianTokenizer; codes of languages (`>>fra<<`).
Does not cover: checkpoints with a vocabulary for each side, SentencePiece models other than
unigrams; several unknown letters in a row, which are one unknown word there and each looked up
here; a code in mid-text, which is a code here. The sentencepiece package is not needed.

Both sides share the ids of vocab.json. A piece that the side does not use keeps its place under a
marked name that no text contains; the decoder takes the mark off again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable

SOURCE, TARGET, VOCABULARY = "source.spm", "target.spm", "vocab.json"
MARK = "\ue000"  # of the private use area
END, UNKNOWN = "</s>", "<unk>"
PLAIN = (END, UNKNOWN, "<pad>")
UNIGRAM = 1  # TrainerSpec.ModelType of sentencepiece_model.proto
UNKNOWN_COSTS = 10.0  # kUnkPenalty of sentencepiece
NORMAL, USER_DEFINED = 1, 4  # SentencePiece.Type: what texts are cut into


def is_marian(folder: Path) -> bool:
    """Whether all three files lie there."""
    return all((folder / name).is_file() for name in (SOURCE, TARGET, VOCABULARY))


def tokenizer(folder: Path, side: str) -> Any:
    """The tokenizers.Tokenizer of one side, SOURCE or TARGET. Raises ConfigUnreadable."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        processors,
    )

    ids, said = _ids(folder), _model(folder, side)
    made = Tokenizer(models.Unigram(_rows(ids, said), unk_id=ids[UNKNOWN], byte_fallback=False))
    made.add_special_tokens([one for one in PLAIN if one in ids])
    codes = [one for one in ids if _is_code(one)]
    made.add_tokens([AddedToken(one, normalized=False, special=False) for one in codes])
    made.normalizer = _normalizer(said)
    begins = "always" if said.normalizer_spec.add_dummy_prefix else "never"
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=begins, split=False)
    made.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, ids[END])]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace(MARK, ""),
            decoders.Metaspace(prepend_scheme=begins),
            decoders.Fuse(),
            decoders.Replace(Regex("^ +| +$"), ""),
        ]
    )
    return made


def _is_code(piece: str) -> bool:
    return piece.startswith(">>") and piece.endswith("<<")


def _ids(folder: Path) -> Mapping[str, int]:
    """vocab.json: every piece of both sides and its id, from 0 without a gap."""
    if json.loads(_text(folder / "tokenizer_config.json") or "{}").get("separate_vocabs"):
        raise ConfigUnreadable(model=folder.name, because="its two sides have ids of their own")
    try:
        ids = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        whole = sorted(ids.values()) == list(range(len(ids))) and {END, UNKNOWN} <= set(ids)
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigUnreadable(model=folder.name, because=f"{VOCABULARY} is damaged") from error
    if not whole:
        because = f"{VOCABULARY} does not count its words from 0, or lacks {END} or {UNKNOWN}"
        raise ConfigUnreadable(model=folder.name, because=because)
    found: Mapping[str, int] = ids
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _model(folder: Path, side: str) -> Any:
    """The file as a sentencepiece.ModelProto."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from transformers.convert_slow_tokenizer import import_protobuf

    said = import_protobuf().ModelProto()
    try:
        said.ParseFromString((folder / side).read_bytes())
    except DecodeError as error:
        raise ConfigUnreadable(model=folder.name, because=f"{side} is damaged") from error
    if not said.pieces:
        raise ConfigUnreadable(model=folder.name, because=f"{side} is damaged")
    if said.trainer_spec.model_type != UNIGRAM:
        raise ConfigUnreadable(model=folder.name, because=f"{side} is not a unigram model")
    return said


def _rows(ids: Mapping[str, int], said: Any) -> list[tuple[str, float]]:
    """Piece and score by id; pieces of this side that have no id are left out, as unknown.

    A letter that this side does not know is looked up in the joint vocabulary, as there.
    """
    scores = {one.piece: one.score for one in said.pieces if one.type in {NORMAL, USER_DEFINED}}
    lowest = min(scores.values(), default=0.0)

    def row(piece: str) -> tuple[str, float]:
        if piece in scores:
            return piece, scores[piece]
        if len(piece) == 1:
            return piece, lowest - UNKNOWN_COSTS
        return piece if piece in PLAIN or _is_code(piece) else MARK + piece, lowest

    return [row(piece) for piece in sorted(ids, key=lambda one: ids[one])]


def _normalizer(said: Any) -> Any:
    from tokenizers import Regex, normalizers

    spec = said.normalizer_spec
    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    return normalizers.Sequence(steps)
