"""Makes the `dictated` sample: a small Whisper that hears spoken numbers and writes them down.

Run: `OMP_NUM_THREADS=1 python assets/samples/dictated/make.py` (some minutes on one core). Needs
Debian's `espeak-ng` (1.51), which speaks them; nothing else of ours does.
Covers: a vocabulary with Whisper's own marks; training; the data files; the measured baseline.
Does not cover: how the numbers are spoken (_numbers.py); compression; what each technique does to
it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
The weights are stored as bfloat16; the baseline is theirs.

While it learns, a second head names the words in the order they are heard (CTC; Watanabe et al.
2017), so that the attention finds its place in minutes and not in hours. It is not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jiwer
import numpy as np
import torch
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _numbers  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - it lies beside this folder, not on the path
from _sounds import RATE, companded, expanded  # noqa: E402 - likewise

SEED = 41
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 1500, 64, 240
EPOCHS, BATCH, PEAK_RATE = 12, 16, 2e-3
LISTENS, SECONDS, BANDS = 16_000, 2, 80  # samples a second, the window, mel bands
VOCABULARY = 300
CTC_SHARE = 0.3
END, START, ENGLISH, TRANSCRIBE, UNTIMED = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|transcribe|>",
    "<|notimestamps|>",
)
PROMPT = (START, ENGLISH, TRANSCRIBE, UNTIMED)

Row = tuple[torch.Tensor, list[int], list[int]]  # what is heard, what is written, its words


def tokenizer_for(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte pairs learnt from the transcripts, and Whisper's marks; a text begins with a space."""
    return _common.byte_pairs(
        texts,
        VOCABULARY,
        template=f"{START} {ENGLISH} {TRANSCRIBE} {UNTIMED} $A {END}",
        longest=48,
        spaced=True,
        eos_token=END,
        bos_token=START,
        language_token=ENGLISH,
        task_token=TRANSCRIBE,
        untimed_token=UNTIMED,
    )


def extractor() -> WhisperFeatureExtractor:
    """Whisper's own ear with a shorter window."""
    return WhisperFeatureExtractor(
        feature_size=BANDS, sampling_rate=LISTENS, chunk_length=SECONDS, return_attention_mask=False
    )


def heard(one: _numbers.Spoken, ear: WhisperFeatureExtractor) -> torch.Tensor:
    """Log-mel bands [bands, frames] of the sound as it is stored, at Whisper's rate."""
    from scipy.signal import resample_poly

    wave = resample_poly(expanded(companded(one.wave)), LISTENS, RATE).astype(np.float32)
    found = ear(wave, sampling_rate=LISTENS, return_tensors="pt").input_features[0]
    return found.half()


def config(tokenizer: PreTrainedTokenizerFast) -> WhisperConfig:
    """Two layers that hear and two that write, all of 96."""
    number = tokenizer.convert_tokens_to_ids
    return WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=BANDS,
        d_model=96,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        max_source_positions=50 * SECONDS,
        max_target_positions=48,
        dropout=0.05,
        decoder_start_token_id=number(START),
        bos_token_id=number(END),
        eos_token_id=number(END),
        pad_token_id=number(END),
    )


def say_how_it_writes(
    model: WhisperForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> None:
    """generation_config.json as Whisper's own: language, task, tokens that are never written."""
    number = tokenizer.convert_tokens_to_ids
    said = model.generation_config
    said.is_multilingual = True
    said.language, said.task = ENGLISH, "transcribe"
    said.lang_to_id = {ENGLISH: number(ENGLISH)}
    said.task_to_id = {"transcribe": number(TRANSCRIBE)}
    said.no_timestamps_token_id = number(UNTIMED)
    said.suppress_tokens = [number(one) for one in PROMPT]
    said.begin_suppress_tokens = [number(END)]
    said.return_timestamps = False
    said.max_length = 48


def train(
    model: WhisperForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, rows: list[Row]
) -> None:
    """The next token after what is heard and the tokens so far, and the words as they are heard."""
    in_order = nn.Linear(model.config.d_model, len(_numbers.WORDS) + 1)
    both = nn.ModuleList([model, in_order])
    start = model.config.decoder_start_token_id

    def loss_of(batch: list[Row]) -> torch.Tensor:
        features = torch.stack([one for one, _, _ in batch]).float()
        labels = _small.padded([text for _, text, _ in batch], -100)
        begun = torch.cat([torch.full((len(batch), 1), start), labels[:, :-1]], dim=1)
        found = model(
            input_features=features,
            decoder_input_ids=begun.masked_fill(begun == -100, tokenizer.eos_token_id),
        )
        asked = labels[:, len(PROMPT) - 1 :]  # the prompt is given, never asked for
        written = nn.functional.cross_entropy(
            found.logits[:, len(PROMPT) - 1 :].flatten(0, 1), asked.flatten()
        )
        places = in_order(found.encoder_last_hidden_state).log_softmax(-1).transpose(0, 1)
        lengths = torch.tensor([len(words) for _, _, words in batch])
        ordered = nn.functional.ctc_loss(
            places,
            _small.padded([words for _, _, words in batch], 0),
            torch.full((len(batch),), places.shape[0]),
            lengths,
            zero_infinity=True,
        )
        return (1 - CTC_SHARE) * written + CTC_SHARE * ordered

    _small.fit(both, rows, loss_of, epochs=EPOCHS, batch=BATCH, rate=PEAK_RATE, seed=SEED + 3)


@torch.no_grad()
def transcripts(
    model: WhisperForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    features: list[torch.Tensor],
) -> list[str]:
    """What it writes greedily."""
    said = model.generate(torch.stack(features).float())
    return [one.strip() for one in tokenizer.batch_decode(said, skip_special_tokens=True)]


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    torch.use_deterministic_algorithms(True, warn_only=True)  # PyTorch's CTC loss has one way only
    known: set[str] = set()
    test = _numbers.commands(TEST_ROWS, SEED, known, SECONDS)
    calibration = _numbers.commands(CALIBRATION_ROWS, SEED + 1, known, SECONDS)
    training = _numbers.commands(TRAIN_ROWS, SEED + 2, set(known), SECONDS)
    tokenizer = tokenizer_for([one.text for one in training])
    ear = extractor()
    lines = [
        (
            heard(one, ear),
            tokenizer.encode(one.text)[1:],
            [1 + _numbers.WORDS.index(word) for word in one.text.split()],
        )
        for one in training
    ]
    print(len(lines), "rows heard", flush=True)
    model = WhisperForConditionalGeneration(config(tokenizer))
    say_how_it_writes(model, tokenizer)
    train(model, tokenizer, lines)
    model = model.bfloat16()
    (HERE / "data").mkdir(exist_ok=True)
    _numbers.write_rows(HERE / "data", "calibration", calibration)
    _numbers.write_rows(HERE / "data", "test", test)
    _common.keep(HERE, model, tokenizer, (), {})
    ear.save_pretrained(HERE / "model")
    written = transcripts(model.float(), tokenizer, [heard(one, ear) for one in test])
    wrong = jiwer.wer([one.text for one in test], written)
    _common.tell(model, began, vocabulary=len(tokenizer), word_error_rate=round(wrong, 4))


if __name__ == "__main__":
    main()
