"""Makes the `sentences` sample: a small multilingual encoder of voice-assistant commands.

Run: `python assets/samples/sentences/make.py` (about six minutes on one core).
Covers: graded pairs of commands, the vocabulary, training of a mean-pooled BERT, outlier weights,
the baseline.
Does not cover: the phrasings (grammar.py), similarity of anything but such commands.
Deterministic for given versions: one thread, every draw seeded, texts sorted before the vocabulary
is learnt, torch's deterministic algorithms.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from scipy.stats import spearmanr
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import grammar  # noqa: E402 - it lies beside this folder, not on the path

SEED = 23
VOCABULARY = 4000
TRAIN_PAIRS, CALIBRATION_ROWS, TEST_PAIRS = 20_000, 400, 1_600
NEW_SHARE = 0.2  # of test pairs have a second sentence in a phrasing that training never saw
TYPOS_TRAIN, TYPOS_TEST = 0.15, 0.1
EPOCHS, BATCH, RATE = 4, 32, 4e-4
SHARPNESS = 20.0  # of the ranking loss, as in CoSENT
# Real checkpoints have a few weights far larger than their neighbours (SqueezeLLM, AWQ, 2023; The
# Super Weight, 2024). Four rounds do not grow them, so we make them: in every OUTLIER_EVERY-th
# value channel what goes in is divided, and the weights that read it are multiplied. Attention
# passes a factor on, so the function stays the same.
OUTLIER, OUTLIER_EVERY = 160.0, 32
TOPICS = {
    "music": ("play_music", "stop_music", "next_track", "volume_up", "volume_down"),
    "home": ("lights_on", "lights_off", "set_temperature"),
    "clock": ("set_alarm", "cancel_alarm", "set_timer", "set_reminder"),
    "calendar": ("add_event", "query_calendar"),
    "people": ("send_message", "call_contact"),
    "outside": ("weather", "navigate"),
    "shopping": ("add_to_list",),
    "words": ("translate",),
}
TOPIC_OF = {intent: topic for topic, intents in TOPICS.items() for intent in intents}
# Two names of one thing: "in the kitchen" and "kitchen" are the same place.
SAME_SLOT = {"room": "in_room", "the_event": "event"}
KINDS = ("paraphrase", "variation", "topic", "any")
COLUMNS = ("sentence1", "sentence2", "score", "topic", "languages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two commands and how much they mean the same, 0 to 1."""

    first: grammar.Command
    second: grammar.Command

    @property
    def score(self) -> float:
        """0.5 to 1 for the same intent by shared details; 0.2 to 0.3 for the same topic; else 0."""
        shared = _shared(self.first, self.second)
        if self.first.intent == self.second.intent:
            return 0.5 + 0.5 * shared
        if TOPIC_OF[self.first.intent] == TOPIC_OF[self.second.intent]:
            return 0.2 + 0.1 * shared
        return 0.0


def _shared(first: grammar.Command, second: grammar.Command) -> float:
    """Details in common, as a share of all details of both; 1 when there are none."""
    left, right = (
        {(SAME_SLOT.get(slot, slot), value) for slot, value in command.filling}
        for command in (first, second)
    )
    return len(left & right) / len(left | right) if left | right else 1.0


class Speaker:
    """Draws commands and pairs of them from the grammar with one seeded generator."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._books = grammar.books()
        self._intents = grammar.intents(self._books["en"])

    def pair(self, phrasing: str, typos: float) -> Pair:
        """Two commands of which the second may repeat, vary, stay near or leave the first."""
        first = self.command(self._rng.choice(self._intents), grammar.KNOWN, typos)
        kind = self._rng.choice(KINDS)
        intent, wanted = first.intent, dict(first.filling)
        if kind == "topic":
            intent = self._rng.choice(TOPICS[TOPIC_OF[first.intent]])
        elif kind == "any":
            intent = self._rng.choice(self._intents)
        if kind != "paraphrase":
            wanted = {slot: value for slot, value in wanted.items() if self._rng.random() < 0.4}
        return Pair(first=first, second=self.command(intent, phrasing, typos, wanted))

    def command(
        self, intent: str, phrasing: str, typos: float, wanted: dict[str, int] | None = None
    ) -> grammar.Command:
        """A command in a random language, as somebody types it."""
        language = self._rng.choice(grammar.LANGUAGES)
        book = self._books[language]
        plain = grammar.speak(self._rng, book, intent, language, phrasing, wanted)
        around = grammar.around(self._rng, book, plain.text)
        return replace(plain, text=grammar.typed(self._rng, around, typos))

    def different(self, count: int, new_share: float, typos: float, taken: set[str]) -> list[Pair]:
        """`count` pairs whose texts are neither in `taken` nor repeated; adds them to `taken`."""
        pairs: list[Pair] = []
        while len(pairs) < count:
            phrasing = grammar.NEW if self._rng.random() < new_share else grammar.KNOWN
            pair = self.pair(phrasing, typos)
            texts = {pair.first.text.casefold(), pair.second.text.casefold()}
            if len(texts) == 2 and not texts & taken:
                taken |= texts
                pairs.append(pair)
        return pairs


def training_pairs(taken: set[str]) -> list[Pair]:
    """Pairs in known phrasings; a text may stand in several, but in none of the test."""
    speaker = Speaker(SEED + 1)
    pairs: list[Pair] = []
    while len(pairs) < TRAIN_PAIRS:
        pair = speaker.pair(grammar.KNOWN, TYPOS_TRAIN)
        if not {pair.first.text.casefold(), pair.second.text.casefold()} & taken:
            pairs.append(pair)
    return pairs


def embed(
    model: BertModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> torch.Tensor:
    """The mean of each text's token vectors, padding left out, at length one."""
    inputs = tokenizer(list(texts), padding=True, return_tensors="pt")
    mask = inputs["attention_mask"].unsqueeze(-1)
    hidden = model(**inputs).last_hidden_state * mask
    return torch.nn.functional.normalize(hidden.sum(1) / mask.sum(1), dim=-1)


def ranking_loss(cosines: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """CoSENT: any pair with a lower score should have a lower cosine."""
    gaps = SHARPNESS * (cosines[:, None] - cosines[None, :])
    wrong_order = gaps[scores[:, None] < scores[None, :]]
    return torch.logsumexp(torch.cat((torch.zeros(1), wrong_order)), dim=0)


def train(model: BertModel, tokenizer: PreTrainedTokenizerFast, pairs: list[Pair]) -> None:
    """Rank the pairs of each batch, for EPOCHS rounds."""
    rng = random.Random(SEED + 2)
    optimizer, schedule = _common.one_cycle(model, RATE, EPOCHS * (len(pairs) // BATCH))
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in _common.batches(rng, pairs, BATCH):
            texts = [pair.first.text for pair in batch] + [pair.second.text for pair in batch]
            first, second = embed(model, tokenizer, texts).chunk(2)
            loss = ranking_loss((first * second).sum(-1), torch.tensor([p.score for p in batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"round {epoch + 1}/{EPOCHS}  loss {total / (len(pairs) // BATCH):.4f}", flush=True)
    model.eval()


@torch.no_grad()
def grow_outliers(model: BertModel) -> None:
    """Large weights in the matrix of each layer that reads the attended values."""
    for layer in model.encoder.layer:
        value, reader = layer.attention.self.value, layer.attention.output.dense
        value.weight[::OUTLIER_EVERY] /= OUTLIER
        value.bias[::OUTLIER_EVERY] /= OUTLIER
        reader.weight[:, ::OUTLIER_EVERY] *= OUTLIER


@torch.no_grad()
def spearman(model: BertModel, tokenizer: PreTrainedTokenizerFast, pairs: list[Pair]) -> float:
    """Rank correlation of cosine and score."""
    cosines: list[float] = []
    for start in range(0, len(pairs), 64):
        batch = pairs[start : start + 64]
        first = embed(model, tokenizer, [pair.first.text for pair in batch])
        second = embed(model, tokenizer, [pair.second.text for pair in batch])
        cosines += (first * second).sum(-1).tolist()
    return float(spearmanr(cosines, [pair.score for pair in pairs])[0])


def new_model(vocabulary: int) -> BertModel:
    """Three layers of 192: about two million parameters."""
    return BertModel(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=192,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=768,
            max_position_embeddings=_common.MAX_TOKENS,
        ),
        add_pooling_layer=False,
    )


def write_rows(calibration: list[grammar.Command], test: list[Pair]) -> None:
    """Calibration texts, and test pairs with two columns to slice by."""
    _common.write_table(
        HERE / "data" / "calibration.csv", ("text",), ((c.text,) for c in calibration)
    )
    rows = (
        (
            pair.first.text,
            pair.second.text,
            round(pair.score, 4),
            TOPIC_OF[pair.first.intent],
            "one" if pair.first.language == pair.second.language else "two",
        )
        for pair in test
    )
    _common.write_table(HERE / "data" / "test.csv", COLUMNS, rows)


def declare_mean_pooling(width: int) -> None:
    """The two files by which sentence-transformers knows how vectors are pooled."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    folder = HERE / "model" / "1_Pooling"
    folder.mkdir(parents=True, exist_ok=True)
    (HERE / "model" / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(pooling, indent=2) + "\n")


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    taken: set[str] = set()
    speaker = Speaker(SEED)
    test = speaker.different(TEST_PAIRS, NEW_SHARE, TYPOS_TEST, taken)
    others = speaker.different(CALIBRATION_ROWS, 0.0, TYPOS_TEST, taken)
    training = training_pairs(taken)
    texts = [command.text for pair in training for command in (pair.first, pair.second)]
    tokenizer = _common.tokenizer_for(texts, VOCABULARY)
    model = new_model(len(tokenizer))
    train(model, tokenizer, training)
    before = spearman(model, tokenizer, test)
    grow_outliers(model)
    write_rows([pair.first for pair in others], test)
    model.save_pretrained(HERE / "model")
    tokenizer.save_pretrained(HERE / "model")
    declare_mean_pooling(model.config.hidden_size)
    _common.tell(
        model,
        began,
        vocabulary=len(tokenizer),
        spearman_before_outliers=before,
        spearman=spearman(model, tokenizer, test),
    )


if __name__ == "__main__":
    main()
