"""Makes the `spoken` sample: a small wav2vec2 that writes down spoken numbers, by CTC.

Run: `OMP_NUM_THREADS=1 python assets/samples/spoken/make.py` (some minutes on one core). Needs
Debian's `espeak-ng` (1.51), which speaks them; nothing else of ours does.
Covers: training; the data files; the measured baseline.
Does not cover: how the numbers are spoken (_numbers.py); compression; what each technique does to
it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import jiwer
import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _common import batches, fix_seeds, one_cycle
from _numbers import WORDS, Spoken, commands, write_rows
from _sounds import RATE, companded, expanded

HERE = Path(__file__).resolve().parent
SEED = 23
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 1200, 64, 240
EPOCHS, BATCH, PEAK_RATE = 12, 16, 2e-3
LETTERS = sorted({letter for word in WORDS for letter in word})
SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "|")


def vocabulary() -> dict[str, int]:
    """Numbers of the letters, wav2vec2's special tokens first."""
    return {token: index for index, token in enumerate((*SPECIALS, *LETTERS))}


def normalized(wave: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1, as the feature extractor does it, after the storage's 8 bits."""
    heard = expanded(companded(wave))
    return ((heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)).astype(np.float32)


def batch_of(rows: list[Spoken], ids: dict[str, int]) -> dict[str, torch.Tensor]:
    """Sounds and texts as tensors, padded; the mask says where a sound ends."""
    waves = [normalized(one.wave) for one in rows]
    texts = [[ids[letter] for letter in one.text.replace(" ", "|")] for one in rows]
    length, letters = max(map(len, waves)), max(map(len, texts))
    values, mask = (torch.zeros(len(rows), length) for _ in range(2))
    labels = torch.full((len(rows), letters), -100)
    for at, (wave, text) in enumerate(zip(waves, texts, strict=True)):
        values[at, : len(wave)] = torch.from_numpy(wave)
        mask[at, : len(wave)] = 1
        labels[at, : len(text)] = torch.tensor(text)
    return {"input_values": values, "attention_mask": mask.long(), "labels": labels}


def train(model: Wav2Vec2ForCTC, rows: list[Spoken], ids: dict[str, int]) -> None:
    """AdamW on batches of commands of about one length."""
    rng = random.Random(SEED + 1)
    steps = EPOCHS * (len(rows) // BATCH)
    optimizer, schedule = one_cycle(model, PEAK_RATE, steps)
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for group in batches(rng, rows, BATCH):
            loss = model(**batch_of(group, ids)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(epoch, round(total * BATCH / len(rows), 3), flush=True)
    model.eval()


@torch.no_grad()
def transcripts(model: Wav2Vec2ForCTC, rows: list[Spoken], ids: dict[str, int]) -> list[str]:
    """What the model writes down: the likeliest letter of each frame, repeats and blanks gone."""
    names = {index: token for token, index in ids.items()}
    found = []
    for one in rows:
        best = model(torch.from_numpy(normalized(one.wave))[None]).logits[0].argmax(-1).tolist()
        kept = [now for now, then in zip(best, [None, *best], strict=False) if now != then]
        letters = "".join(names[index] for index in kept if index != ids["<pad>"])
        found.append(" ".join(letters.replace("|", " ").split()))
    return found


def config() -> Wav2Vec2Config:
    """wav2vec2's plan with a hundredth of its width: 20 ms a frame at 8 kHz."""
    return Wav2Vec2Config(
        vocab_size=len(SPECIALS) + len(LETTERS),
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        conv_dim=(32, 48, 64),
        conv_kernel=(16, 10, 8),
        conv_stride=(8, 5, 4),
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=8,
        hidden_dropout=0.05,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        ctc_loss_reduction="mean",
        ctc_zero_infinity=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def main() -> None:
    """Make everything and print the baseline."""
    began = time.time()
    fix_seeds(SEED)
    ids, known = vocabulary(), set[str]()
    test = commands(TEST_ROWS, SEED, known)
    calibration = commands(CALIBRATION_ROWS, SEED + 1, known)
    training = commands(TRAIN_ROWS, SEED + 2, set(known))
    torch.use_deterministic_algorithms(True, warn_only=True)  # PyTorch's CTC loss has one way only
    model = Wav2Vec2ForCTC(config())
    train(model, training, ids)
    wrong = jiwer.wer([one.text for one in test], transcripts(model, test, ids))
    print(json.dumps({
        "parameters": sum(p.numel() for p in model.parameters()),
        "word_error_rate": wrong,
        "seconds": round(time.time() - began),
    }))  # fmt: skip
    write_rows(HERE / "data", "calibration", calibration)
    write_rows(HERE / "data", "test", test)
    model.save_pretrained(HERE / "model")
    Wav2Vec2FeatureExtractor(
        sampling_rate=RATE, do_normalize=True, return_attention_mask=True
    ).save_pretrained(HERE / "model")
    written = json.dumps(ids, indent=1)
    (HERE / "model" / "vocab.json").write_text(written, encoding="utf-8")
    told = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "word_delimiter_token": "|",
        "do_lower_case": False,
    }
    (HERE / "model" / "tokenizer_config.json").write_text(json.dumps(told, indent=1), "utf-8")


if __name__ == "__main__":
    main()
