"""What the makers share: opening and end, a vocabulary, an optimizer schedule, batches, tables.

Covers: the text makers and the image maker. Does not cover: what a sample is about.
"""

from __future__ import annotations

import csv
import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

Row = TypeVar("Row")
PADDING, UNKNOWN, FIRST, LAST, MASK = SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_TOKENS = 64


def fix_seeds(seed: int) -> None:
    """One thread, deterministic algorithms, every generator seeded."""
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def begin(seed: int) -> float:
    """How every maker of a text model opens: seeds fixed. When it began, in seconds of a clock."""
    fix_seeds(seed)
    return time.perf_counter()


def keep(
    here: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    columns: Sequence[str],
    parts: Mapping[str, Iterable[Sequence[object]]],
) -> None:
    """The sample's folder: `data/PART.csv` for each part, `model/` with its tokenizer."""
    for name, rows in parts.items():
        write_table(here / "data" / f"{name}.csv", columns, rows)
    model.save_pretrained(here / "model")
    tokenizer.save_pretrained(here / "model")


def tell(model: nn.Module, began: float, **figures: float) -> None:
    """What was made, as one JSON object: parameters, the figures, seconds."""
    parameters = sum(one.numel() for one in model.parameters())
    seconds = round(time.perf_counter() - began)
    told = {name.replace("_", " "): value for name, value in figures.items()}
    print(json.dumps({"parameters": parameters, **told, "seconds": seconds}))


def normalized(pictures: np.ndarray, mean: float, std: float) -> torch.Tensor:
    """Pictures [n, side, side, 3] as a processor gives them: float32 [n, 3, side, side]."""
    scaled = pictures.astype(np.float32) * np.float32(1 / 255)
    return torch.from_numpy(((scaled - mean) / std).transpose(0, 3, 1, 2).copy())


def tokenizer_for(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A WordPiece vocabulary learnt from the texts, with BERT's special tokens.

    The trainer numbers letters inside words in the order of a hash map and breaks ties by number,
    so the same texts give other words each time (tokenizers 0.23); we number those letters first.
    """
    ordered = sorted(texts)
    inside = sorted({f"##{letter}" for text in ordered for letter in text.lower()})
    learner = _word_pieces(models.WordPiece(unk_token=UNKNOWN))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=[*SPECIALS, *inside], show_progress=False
    )
    learner.train_from_iterator(ordered, trainer)
    tokenizer = _word_pieces(models.WordPiece(learner.get_vocab(), unk_token=UNKNOWN))
    tokenizer.add_special_tokens(list(SPECIALS))
    ids = [(token, tokenizer.token_to_id(token)) for token in (FIRST, LAST)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PADDING,
        cls_token=FIRST,
        sep_token=LAST,
        mask_token=MASK,
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _word_pieces(model: models.WordPiece) -> Tokenizer:
    """A tokenizer that prepares text as BERT does: lower case, split at spaces and punctuation."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def byte_pairs(
    texts: Iterable[str],
    vocabulary: int,
    *,
    template: str,
    longest: int,
    spaced: bool,
    **named: str,
) -> PreTrainedTokenizerFast:
    """Byte pairs learnt from the texts; every byte has a token, so nothing is unknown.

    `named`: the special tokens as transformers calls them, in the order of their numbers;
    `template`: how a text is put between them ($A is the text); `spaced`: one begins with a space.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(named.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learner.train_from_iterator(sorted(texts), trainer)
    used = [(one, learner.token_to_id(one)) for one in named.values() if one in template]
    learner.post_processor = processors.TemplateProcessing(single=template, special_tokens=used)
    return PreTrainedTokenizerFast(
        tokenizer_object=learner,
        **named,
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def one_cycle(
    model: nn.Module, rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with a short warm-up and a long decay over `steps`."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1
    )
    return optimizer, schedule


def batches(rng: random.Random, rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """The rows in a new order, in full batches."""
    order = list(rows)
    rng.shuffle(order)
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file in UTF-8 with Unix line ends."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
