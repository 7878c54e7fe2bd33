"""What a model that holds pictures against texts reads for each label to choose from.

Covers: the sentence that a label becomes, its length in tokens, the manners of the families
(transformers 5.23: modeling_clip.py, modeling_siglip.py, tokenization_siglip.py).
Does not cover: tokenizing (preparers/pictures_beside_labels.py).
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

# The sentence that CLIP's authors put a label into (Radford et al. 2021, part 3.1.4).
SENTENCE = "a photo of a {}."
USUAL_TOKENS = 9  # of that sentence with a label of one or two words, and the signs around it
# What transformers takes where text_config says nothing.
POSITIONS = {"clip": 77, "siglip": 64}
# They were trained on texts in lower case without punctuation, filled up to their full length (the
# last place is what is looked at), and judge each label by itself (Zhai et al. 2023).
ALONE = frozenset({"siglip"})


def judged_alone(config: Mapping[str, Any]) -> bool:
    """Whether an answer is a chance of its own for each label (sigmoid), not a share of one."""
    return config.get("model_type") in ALONE


def sentence(label: str, config: Mapping[str, Any]) -> str:
    """What is read for a label, which may come from a folder's name (`red_circle`)."""
    said = SENTENCE.format(" ".join(label.replace("_", " ").split()))
    if not judged_alone(config):
        return said
    return said.lower().translate(str.maketrans("", "", string.punctuation))


def longest(config: Mapping[str, Any]) -> int:
    """Tokens of the longest text that the model takes."""
    said = (config.get("text_config") or {}).get("max_position_embeddings")
    return said if isinstance(said, int) else POSITIONS.get(str(config.get("model_type")), 64)


def sees(config: Any) -> Any:
    """Of transformers' config of a model, that of the part that sees."""
    return getattr(config, "vision_config", config)


def usual(config: Mapping[str, Any]) -> int:
    """About how many tokens a label has, before any is tokenized."""
    most = longest(config)
    return most if judged_alone(config) else min(most, USUAL_TOKENS)
