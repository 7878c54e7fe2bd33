"""Names that columns go by, and the inputs of text models; shared by the tasks' cards."""

from __future__ import annotations

TEXT = ("text", "sentence", "utterance", "review", "content", "query", "comment", "tweet")
STATED = "label_index"  # a column of that name holds positions in the model's list
LABEL = ("label", STATED, "labels", "intent", "class", "category", "target", "sentiment")
FIRST = ("sentence1", "text1", "premise", "question1", "a")
SECOND = ("sentence2", "text2", "hypothesis", "question2", "b")
SCORE = ("score", "similarity", "label", "relatedness")
TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
PROMPT = ("prompt", "instruction", "input")
FOLLOWS = ("completion", "response", "answer", "output", "target", "label")
SOURCE = ("source", "article", "document", "dialogue", "input", "src")
REWRITTEN = ("translation", "summary", "highlights", "reference", *FOLLOWS, "tgt")
SOURCE_INPUTS = ("input_ids", "attention_mask", "decoder_input_ids")
