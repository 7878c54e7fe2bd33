"""Two small SentencePiece models, their joint vocabulary, and what MarianTokenizer makes of texts.

Run once, with sentencepiece 0.2.3 beside the wizard (no test needs it):
`pip install sentencepiece && python -m tests.marian_files.make`. The texts are those of the sample
`translations`, which are ours.
"""

from __future__ import annotations

import csv
import json
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).parent
ROWS = HERE.parents[1] / "assets" / "samples" / "translations" / "data" / "calibration.csv"
# Usual ones, spaces at odd places, letters that only the other side knows or nobody, wide forms,
# a code of a language, and none at all.
TEXTS = (
    "ich möchte zwei Fahrkarten nach Berlin",
    "  ich   möchte  heute ",
    "I would like two tickets",
    "por favor, ¿dónde está el tren?",
    "\uff21\uff22\uff23 \ufb01ne \u00bd",
    "日本語 und Deutsch",
    ">>eng<< je voudrais un café",
    "ein\ttab und\neine zeile",
    "</s> mitten im Satz",
    "a",
    "",
    " ",
)


def main() -> None:
    """Write source.spm, target.spm, vocab.json, tokenizer_config.json and expected.json."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
    from transformers import MarianTokenizer

    with ROWS.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    pieces: list[str] = []
    for column, (name, rule) in enumerate((("source", "nmt_nfkc"), ("target", "identity"))):
        model = BytesIO()
        SentencePieceTrainer.train(
            sentence_iterator=iter([row[column] for row in rows]),
            model_writer=model,
            vocab_size=180,
            normalization_rule_name=rule,
            minloglevel=2,
        )
        path = HERE / f"{name}.spm"
        path.write_bytes(model.getvalue())
        known = SentencePieceProcessor(model_file=str(path))
        pieces += [known.id_to_piece(at) for at in range(3, known.get_piece_size())]
    named = ["</s>", "<unk>", *dict.fromkeys(pieces), ">>eng<<", "<pad>"]
    vocabulary = {piece: at for at, piece in enumerate(named)}
    _write("vocab.json", vocabulary)
    _write("tokenizer_config.json", {"tokenizer_class": "MarianTokenizer"})
    theirs = MarianTokenizer.from_pretrained(HERE)
    found = []
    for text in TEXTS:
        read, written = theirs(text).input_ids, theirs(text_target=text).input_ids
        back = theirs.decode(written, skip_special_tokens=True)
        found.append({"text": text, "source": read, "target": written, "back": back})
    _write("expected.json", found)


def _write(name: str, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
