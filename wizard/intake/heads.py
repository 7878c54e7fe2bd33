"""Which task a model answers, by the name of its architecture in config.json.

Covers: endings of names, heads that mean another task where a model hears, classifiers of texts
that give several labels or a number, models that write from texts, from sounds or from several
things together, models that hold pictures against texts.
Does not cover: whether we do the task (card.py).
"""

from __future__ import annotations

from typing import Any

from wizard.nouns import Task

# The endings of config.json's `architectures`, and the Hub task each one answers. Checked in
# tests against the task names and AutoModel classes that optimum keeps.
TASK_OF_ENDING = {
    "ForSequenceClassification": "text-classification",
    "ForImageClassification": "image-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForMultipleChoice": "multiple-choice",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForImageSegmentation": "image-segmentation",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForZeroShotImageClassification": "zero-shot-image-classification",
    "ForDepthEstimation": "depth-estimation",
    "Model": "feature-extraction",
}
# Of these, a ForSequenceClassification sorts sounds, not texts; checked as well.
OF_SOUND = frozenset(
    {
        *("wav2vec2", "wav2vec2-bert", "wav2vec2-conformer", "hubert", "wavlm", "data2vec-audio"),
        *("sew", "sew-d", "unispeech", "unispeech-sat"),
    }
)
# A ForConditionalGeneration of these writes from a text, of those from a sound; of all others from
# pictures, sounds and texts together. Checked as well.
FROM_TEXT = frozenset(
    {
        *("bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "fsmt", "led", "longt5"),
        *("m2m_100", "mbart", "mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x", "plbart"),
        *("prophetnet", "switch_transformers", "t5", "t5gemma", "umt5"),
    }
)
FROM_SOUND = frozenset({"whisper", "speech_to_text", "moonshine"})
# Named like the bare model of a family, they hold pictures against texts. Checked as well.
HOLD_AGAINST = frozenset(
    {
        *("AlignModel", "AltCLIPModel", "BlipModel", "ChineseCLIPModel", "CLIPModel"),
        *("CLIPSegModel", "MetaClip2Model", "SiglipModel", "Siglip2Model"),
    }
)
FROM_ALL = "image-text-to-text"


def task_of(config: dict[str, Any]) -> str | None:
    """The Hub's name of the task that config.json's architecture answers, or None."""
    architecture = (config.get("architectures") or [""])[0]
    if config.get("model_type") in OF_SOUND and architecture.endswith("ForSequenceClassification"):
        return Task.AUDIO_CLASSIFICATION.value
    if architecture in HOLD_AGAINST:
        return Task.ZERO_SHOT_IMAGES.value
    if architecture.endswith("ForConditionalGeneration"):
        return _written_from(str(config.get("model_type")))
    endings = (end for end in TASK_OF_ENDING if architecture.endswith(end))
    best = max(endings, key=len, default=None)
    task = TASK_OF_ENDING[best] if best else None
    return _answering(config) if task == Task.TEXT_CLASSIFICATION else task


def _answering(config: dict[str, Any]) -> str:
    """How a ForSequenceClassification answers: one label, as many as hold, or a number."""
    if len(config.get("id2label") or range(config.get("num_labels") or 2)) == 1:
        return Task.ONE_NUMBER.value
    if config.get("problem_type") == "multi_label_classification":
        return Task.SEVERAL_LABELS.value
    return Task.TEXT_CLASSIFICATION.value


def _written_from(kind: str) -> str:
    if kind in FROM_TEXT:
        return Task.TEXT_TO_TEXT.value
    return Task.DICTATION.value if kind in FROM_SOUND else FROM_ALL
