"""A recording is heard whole and written down token by token, by a model of two parts."""

import dataclasses

from wizard.nouns import Task
from wizard.tasks import speech_recognition

CARD = dataclasses.replace(
    speech_recognition.CARD,
    task=Task.DICTATION,
    title="dictation",
    does="Hears a recording and writes it down",
    auto_class="AutoModelForSpeechSeq2Seq",
    ort_class="ORTModelForSpeechSeq2Seq",
    inputs=("input_features", "decoder_input_ids"),
    prepare="dictation",
    reduce="written",
    score="dictated",
    metrics=("WER", "CER", "perplexity", "agreement"),
    script="run_dictation.py.txt",
    bundled="dictated",
    check="next",
    word_head=True,
    writes=True,
    packages=("tokenizers",),
)
