"""The pieces that a tokenizer cuts texts into: what each says, in which script, how common it is.

Covers: tokenizer.json with WordPiece, BPE (also of bytes) or Unigram; scripts of languages; the
pieces of a user's own texts.
Does not cover: which pieces to keep (vocabulary_trimming.py); changing a tokenizer.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# How tokenizers mark the beginning or the middle of a word.
MARKS = ("##", "\u2581", "\u0120", "@@", "</w>")
BYTE = "<0x"  # a piece that stands for one byte
# The first word of a letter's Unicode name, by language; every other language we know is Latin.
SCRIPTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be", "kk", "mn"), ("CYRILLIC",)),
    **dict.fromkeys(("ar", "fa", "ur", "ps"), ("ARABIC",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    "zh": ("CJK",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "ko": ("HANGUL",),
    "el": ("GREEK",),
    "he": ("HEBREW",),
    "th": ("THAI",),
    "hy": ("ARMENIAN",),
    "ka": ("GEORGIAN",),
    "bn": ("BENGALI",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "kn": ("KANNADA",),
    "ml": ("MALAYALAM",),
    "gu": ("GUJARATI",),
    "pa": ("GURMUKHI",),
    "si": ("SINHALA",),
    "my": ("MYANMAR",),
    "km": ("KHMER",),
    "lo": ("LAO",),
    "am": ("ETHIOPIC",),
    **dict.fromkeys(
        ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "nb", "fi", "is", "pl", "cs",
         "sk", "sl", "hr", "bs", "hu", "ro", "tr", "az", "et", "lv", "lt", "ga", "cy", "ca", "eu",
         "gl", "sq", "mt", "af", "sw", "id", "ms", "vi", "tl", "so", "eo", "la"),
        ("LATIN",),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece. `rank`: 0 is the most common, by the tokenizer's own order or probability.

    `needed`: special, a single character or a byte, without which some text cannot be cut at all.
    """

    id: int
    rank: int
    scripts: frozenset[str]
    needed: bool


def find(folder: Path, beside: Path | None) -> Path | None:
    """The model's tokenizer.json, or the one that preparing the rows made in `beside`."""
    places = [folder, *([beside] if beside else [])]
    return next((p for one in places if (p := one / "tokenizer.json").is_file()), None)


def read(path: Path) -> tuple[Piece, ...]:
    """Every piece of a tokenizer.json, in the order of their ids; empty for an unknown kind."""
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = written["model"].get("vocab", {})
    if isinstance(vocabulary, dict):
        ids = {str(piece): int(at) for piece, at in vocabulary.items()}
        order = sorted(ids, key=ids.__getitem__)
    else:
        ids = {str(one[0]): at for at, one in enumerate(vocabulary)}
        order = [str(one[0]) for one in sorted(vocabulary, key=lambda one: -float(one[1]))]
    if not ids:
        return ()
    added = {str(one["content"]): int(one["id"]) for one in written.get("added_tokens") or ()}
    bytewise = _of_bytes(written)
    ranks = {piece: rank for rank, piece in enumerate(order)}
    found = [
        _piece(text, at, ranks.get(text, 0), bytewise=bytewise, special=text in added)
        for text, at in (ids | added).items()
    ]
    return tuple(sorted(found, key=lambda one: one.id))


def _piece(text: str, at: int, rank: int, *, bytewise: bool, special: bool) -> Piece:
    plain = text
    for mark in MARKS:
        plain = plain.replace(mark, "")
    said = _from_bytes(plain) if bytewise else plain
    needed = special or len(said) <= 1 or len(plain) <= 1 or text.startswith(BYTE)
    return Piece(id=at, rank=rank, scripts=frozenset(scripts_of(said)), needed=needed)


def scripts_of(text: str) -> Counter[str]:
    """Letters by script, each named by the first word of its Unicode name."""
    return Counter(name for letter in text if (name := _script(letter)))


@lru_cache(maxsize=1 << 16)
def _script(letter: str) -> str:
    """The script of a letter, "" for anything else."""
    if not letter.isalpha():
        return ""
    return unicodedata.name(letter, "").split(" ", 1)[0]


def _of_bytes(written: Mapping[str, Any]) -> bool:
    """Whether pieces are spelt in stand-ins for bytes, as GPT-2's are."""
    parts = [written.get(name) or {} for name in ("pre_tokenizer", "decoder")]
    kinds = {part.get("type") for part in parts}
    kinds |= {one.get("type") for part in parts for one in part.get("pretokenizers", ())}
    return "ByteLevel" in kinds


def _from_bytes(piece: str) -> str:
    """The text behind a byte-level piece, as far as its bytes make characters."""
    known = _stand_ins()
    return bytes(known[one] for one in piece if one in known).decode("utf-8", errors="ignore")


@lru_cache(maxsize=1)
def _stand_ins() -> Mapping[str, int]:
    """GPT-2's character for each byte: printable ones stand for themselves, others from 256 on."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(one): one for one in plain} | {chr(256 + at): one for at, one in enumerate(rest)}


def of_texts(tokenizer: Path, texts: Iterable[str]) -> set[int]:
    """The ids of every piece in these texts."""
    from tokenizers import Tokenizer

    cutter = Tokenizer.from_file(str(tokenizer))
    cutter.no_padding()
    cutter.no_truncation()
    found: set[int] = set()
    for one in cutter.encode_batch([text for text in texts if text]):
        found.update(one.ids)
    return found
