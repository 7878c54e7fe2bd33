"""Names that columns go by, and the inputs of text models; shared by the tasks' cards."""

from __future__ import annotations

TEXT = ("text", "sentence", "utterance", "review", "content", "query", "comment", "tweet")
STATED = "label_index"  # a column of that name holds positions in the model's list
LABEL = ("label", STATED, "labels", "intent", "class", "category", "target", "sentiment")
FIRST = ("sentence1", "text1", "premise", "question1", "a")
SECOND = ("sentence2", "text2", "hypothesis", "question2", "b")
# Of two texts that a label is about; names that one text goes by as well come last.
FIRST_OF_TWO = ("sentence1", "text1", "premise", "question1", "text_a", "query", "question")
SECOND_OF_TWO = ("sentence2", "text2", "hypothesis", "question2", "text_b", "passage", "answer",
                 "sentence")  # fmt: skip
# Labels, in small letters, that only two texts can have.
OF_TWO = frozenset({
    "entailment", "not_entailment", "contradiction", "duplicate", "not_duplicate", "equivalent",
    "not_equivalent", "paraphrase", "not_paraphrase",
})  # fmt: skip
LABELS = ("labels", "label", "label_names", "tags", "emotions", "topics", "categories", "classes")
RATED = ("score", "relevance", "similarity", "label", "rating", "stars", "relatedness")
SCORE = ("score", "similarity", "label", "relatedness")
TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
PROMPT = ("prompt", "instruction", "input")
FOLLOWS = ("completion", "response", "answer", "output", "target", "label")
SOURCE = ("source", "article", "document", "dialogue", "input", "src")
REWRITTEN = ("translation", "summary", "highlights", "reference", *FOLLOWS, "tgt")
SOURCE_INPUTS = ("input_ids", "attention_mask", "decoder_input_ids")
