"""What came to the door: a card without weights, or one clear sentence."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from wizard import intake, library
from wizard.errors import (
    ConfigUnreadable,
    ModelNotFound,
    NotAModelFolder,
    PickleOnly,
    RemoteCode,
    UnknownArchitecture,
    WeightsDamaged,
    WeightsMissing,
)
from wizard.intake import card, tempo
from wizard.intake.count import loader_for
from wizard.intake.heads import FROM_SOUND, FROM_TEXT, OF_SOUND, TASK_OF_ENDING, task_of
from wizard.intake.machine import _from_cpuinfo
from wizard.nouns import ModelRef, Source, SupportLevel, Task, Workload

BERT = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 100,
    "max_position_embeddings": 64,
    "id2label": {"0": "no", "1": "yes"},
}


def test_a_sample_without_its_prefix_is_answered_with_it():
    """Nothing is asked of the Hub."""
    with pytest.raises(ModelNotFound) as said:
        intake.parse_ref("digits")

    assert said.value.facts["suggestion"] == "Did you mean sample:digits?"


def a_folder(tmp_path, config=None, **files):
    """A model folder with a config and whatever files a test names."""
    folder = tmp_path / "model"
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return intake.parse_ref(str(folder))


def nothing(fraction, detail):
    """A report nobody reads."""


def test_a_sample_is_named_by_its_prefix():
    """sample:intents is a sample, and a misspelt one is asked about."""
    assert intake.parse_ref("sample:intents").source is Source.SAMPLE
    with pytest.raises(ModelNotFound) as caught:
        intake.parse_ref("sample:intens")
    assert "sample:intents" in library.explain(caught.value).message


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [("bert-base-uncased", "bert-base-uncased", None), ("me/it@v1.0", "me/it", "v1.0")],
)
def test_a_hub_id_may_name_a_revision(text, name, revision):
    """owner/name@revision."""
    ref = intake.parse_ref(text)

    assert (ref.source, ref.name, ref.revision) == (Source.HUB, name, revision)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("https://huggingface.co/me/it", "me/it"),
        ("https://huggingface.co/me/it/tree/v1.0", "me/it@v1.0"),
        ("http://hf.co/me/it?library=x#files", "me/it"),
    ],
)
def test_the_address_of_a_page_is_an_id(text, typed):
    """What people copy from the browser works."""
    assert str(intake.parse_ref(text)) == typed


NO_MODELS = ["./nowhere", "/no/such/folder", "~/nope", "~nobody-of-that-name/x", "", "a b", "a/b/c"]
NO_MODELS += ["x" * 300 + "/" * 2, "x" * 10_000, "a\0b", __file__, "https://example.org/me/it"]


@pytest.mark.parametrize("text", NO_MODELS, ids=range(len(NO_MODELS)))
def test_what_is_no_model_is_refused(text):
    """A missing folder, an empty name, a name that no Hub has."""
    with pytest.raises(ModelNotFound):
        intake.parse_ref(text)


def test_the_card_comes_from_the_config_alone(tmp_path):
    """No weight file is there, and yet everything is known."""
    profile = intake.examine(a_folder(tmp_path, BERT))

    assert profile.task is Task.TEXT_CLASSIFICATION
    assert profile.labels == ("no", "yes")
    assert profile.parameters.embedding == (100 + 64 + 2) * 32
    assert profile.parameters.linear == 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32 + 32 * 2
    assert profile.support.level is SupportLevel.TESTED


def test_arithmetic_grows_with_the_request(tmp_path):
    """Twice the tokens, at least twice the multiply-adds."""
    ref = a_folder(tmp_path, BERT)
    short = intake.examine(ref, Workload(tokens=16)).macs
    long = intake.examine(ref, Workload(tokens=32)).macs

    assert 2 * short <= long <= 4 * short


def test_attention_is_counted_beside_the_layers(tmp_path):
    """Exactly: every linear layer per token, the pooler and the answer once, two products."""
    macs = intake.examine(a_folder(tmp_path, BERT), Workload(tokens=16)).macs
    layers = 16 * 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32 + 32 * 2

    assert macs == layers + 2 * 2 * 16 * 16 * 32


def test_shared_layers_are_counted_as_often_as_they_run(tmp_path):
    """ALBERT stores one layer and runs it many times."""
    config = {**BERT, "model_type": "albert", "architectures": ["AlbertForSequenceClassification"]}
    few = intake.examine(a_folder(tmp_path, {**config, "embedding_size": 16}))
    (tmp_path / "more").mkdir()
    deep = {**config, "embedding_size": 16, "num_hidden_layers": 8}
    many = intake.examine(a_folder(tmp_path / "more", deep))

    assert many.parameters == few.parameters
    assert many.macs > 3 * few.macs


def test_a_second_look_needs_no_torch(tmp_path):
    """The card is kept; reading it back imports neither torch nor transformers."""
    ref = a_folder(tmp_path, BERT)
    first = intake.examine(ref, None, tmp_path / "cache")
    code = (
        "import sys\nfrom pathlib import Path\nfrom wizard import intake\n"
        f"ref = intake.parse_ref({ref.name!r})\n"
        f"card = intake.cached(ref, None, Path({str(tmp_path)!r}) / 'cache')\n"
        "print(card.macs, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stdout.split() == [str(first.macs), "False", "False"], done.stderr


def test_a_changed_config_is_looked_at_anew(tmp_path):
    """The key is the content, not the name."""
    ref = a_folder(tmp_path, BERT)
    intake.examine(ref, None, tmp_path / "cache")
    (Path(ref.name) / "config.json").write_text(json.dumps({**BERT, "vocab_size": 200}))

    assert intake.cached(ref, None, tmp_path / "cache") is None


@pytest.mark.parametrize("sample", ["intents", "digits"])
def test_every_sample_has_a_card(sample):
    """Tested family, licence, and parameters that match the weight file."""
    profile = intake.examine(intake.parse_ref(f"sample:{sample}"))

    assert profile.support.level is SupportLevel.TESTED
    assert profile.parameters.total * 4 == pytest.approx(profile.weights_bytes, rel=0.03)


def test_a_folder_without_config_is_no_model(tmp_path):
    """Said in one sentence."""
    with pytest.raises(NotAModelFolder):
        intake.examine(a_folder(tmp_path))


@pytest.mark.parametrize("raw", [b"{not json", b"[]", b"{}", b"\xff\xfe"])
def test_an_unreadable_config_is_named(tmp_path, raw):
    """Damaged JSON, a list, nothing in it, no text."""
    ref = a_folder(tmp_path, {})
    (Path(ref.name) / "config.json").write_bytes(raw)

    with pytest.raises(ConfigUnreadable):
        intake.examine(ref)


ODD = (None, "x", -1, 0, 3.5, [], {}, [None], {"a": 1}, True)


@pytest.mark.parametrize("key", [*BERT, "num_channels", "dtype", "depths", "hidden_act"])
def test_no_value_in_a_config_is_a_traceback(tmp_path, key):
    """Whatever stands where a number or a name should stand is a card or one sentence."""
    ref = a_folder(tmp_path, BERT)
    for odd in ODD:
        (Path(ref.name) / "config.json").write_text(json.dumps({**BERT, key: odd}))
        with suppress(ConfigUnreadable, UnknownArchitecture):
            intake.examine(ref)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("raw", [b"{nope", b"[]"])
def test_other_damaged_descriptions_are_named(tmp_path, name, raw):
    """The sentence says which file."""
    with pytest.raises(ConfigUnreadable) as caught:
        intake.examine(a_folder(tmp_path, BERT, **{name: raw}))

    assert name in library.explain(caught.value).message


def test_a_config_that_wants_code_is_refused(tmp_path):
    """auto_map is never followed."""
    config = {**BERT, "auto_map": {"AutoModel": "modeling.Mine"}}
    with pytest.raises(RemoteCode):
        intake.examine(a_folder(tmp_path, config))


def test_an_unknown_architecture_says_whether_we_are_too_old(tmp_path):
    """A config written by a newer transformers is told apart from a private one."""
    config = {**BERT, "model_type": "novelty", "transformers_version": "99.0.0"}
    with pytest.raises(UnknownArchitecture) as caught:
        intake.examine(a_folder(tmp_path, config))

    assert "99.0.0" in library.explain(caught.value).message


@pytest.mark.parametrize(
    "architecture",
    ["BertForMultipleChoice", "GPT2LMHeadModel", "WhisperForConditionalGeneration", "Odd"],
)
def test_another_task_is_not_here_and_says_what_is(tmp_path, architecture):
    """A card with a reason, not an error; nothing is built for it."""
    profile = intake.examine(a_folder(tmp_path, {**BERT, "architectures": [architecture]}))

    assert profile.support.level is SupportLevel.NOT_HERE
    assert "text-classification" in profile.support.because


PICTURES = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "image_size": 32}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({**PICTURES, "id2label": {"0": "score"}}, "number"),
        ({**PICTURES, "problem_type": "multi_label_classification"}, "several labels"),
        ({"quantization_config": {"quant_method": "gptq"}}, "gptq"),
        (
            {"model_type": "vit", "architectures": ["ViTModel"], "image_size": 32},
            "fed with pictures",
        ),
    ],
)
def test_what_we_could_not_measure_honestly_is_not_here(tmp_path, changes, word):
    """One output always agrees with itself; several labels have no best one; and so on."""
    profile = intake.examine(a_folder(tmp_path, {**BERT, **changes}))

    assert profile.support.level is SupportLevel.NOT_HERE
    assert word in profile.support.because


@pytest.mark.parametrize(
    ("changes", "task", "labels"),
    [
        ({"id2label": {"0": "LABEL_0"}}, Task.ONE_NUMBER, 0),
        ({"id2label": {"0": "x"}, "problem_type": "regression"}, Task.ONE_NUMBER, 0),
        ({"problem_type": "multi_label_classification"}, Task.SEVERAL_LABELS, 3),
        ({"problem_type": "single_label_classification"}, Task.TEXT_CLASSIFICATION, 3),
    ],
)
def test_how_a_classifier_of_texts_answers_is_told_by_its_config(tmp_path, changes, task, labels):
    """A reranker gives a number, a tagger of texts any number of labels; both can be done."""
    names = {"0": "joy", "1": "anger", "2": "fear"}
    profile = intake.examine(a_folder(tmp_path, {**BERT, "id2label": names, **changes}))

    assert profile.task is task
    assert profile.task.on_hub == "text-classification"
    assert profile.support.level is not SupportLevel.NOT_HERE
    assert len(profile.labels) == labels


def test_labels_without_names_get_those_of_transformers(tmp_path):
    """A config without id2label has two labels all the same."""
    config = {key: value for key, value in BERT.items() if key != "id2label"}

    assert intake.examine(a_folder(tmp_path, config)).labels == ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize(
    ("kind", "said", "longest"), [("bert", 512, 64), ("roberta", 512, 62), ("roberta", 60, 60)]
)
def test_the_longest_input_is_what_positions_and_tokenizer_allow(tmp_path, kind, said, longest):
    """RoBERTa never uses its first two positions."""
    name = {"bert": "Bert", "roberta": "Roberta"}[kind]
    config = {**BERT, "model_type": kind, "architectures": [f"{name}ForSequenceClassification"]}
    tokenizer = json.dumps({"model_max_length": said}).encode()
    ref = a_folder(tmp_path, config, **{"tokenizer_config.json": tokenizer})

    assert intake.examine(ref).max_tokens == longest


def test_only_weights_at_the_top_are_counted(tmp_path):
    """A trainer's checkpoint folders are not part of the model."""
    ref = a_folder(tmp_path, BERT, **{"model.safetensors": b"x" * 100})
    inner = Path(ref.name) / "checkpoint-5"
    inner.mkdir()
    (inner / "model.safetensors").write_bytes(b"x" * 100)

    assert intake.examine(ref).weights_bytes == 100


def test_our_task_names_are_those_of_optimum():
    """The table of endings names tasks that optimum knows, and the classes are its classes."""
    from optimum.exporters.tasks import TasksManager
    from transformers import AutoModel, AutoModelForImageClassification
    from transformers import AutoModelForSequenceClassification as Sequence

    known = set(TasksManager.get_all_tasks())
    assert set(TASK_OF_ENDING.values()) <= known
    assert loader_for(Task.TEXT_CLASSIFICATION) is Sequence
    assert loader_for(Task.IMAGE_CLASSIFICATION) is AutoModelForImageClassification
    assert loader_for(None) is AutoModel


def test_the_longest_ending_decides():
    """...ForSequenceClassification is not a bare ...Model."""
    assert task_of({"architectures": ["DebertaV2ForSequenceClassification"]}) == (
        "text-classification"
    )
    assert task_of({"architectures": ["BertModel"]}) == "feature-extraction"
    assert task_of({}) is None


def test_a_head_for_sequences_sorts_sounds_where_the_model_hears():
    """The same ending in text and sound; transformers' own table says which is which."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES as HEARD,
    )

    ours = {kind for kind, head in HEARD.items() if head.endswith("ForSequenceClassification")}

    assert ours == OF_SOUND
    assert task_of(
        {"model_type": "hubert", "architectures": ["HubertForSequenceClassification"]}
    ) == ("audio-classification")


def test_what_a_model_writes_from_is_known_by_its_kind():
    """Texts as transformers' own table says, sounds likewise; all others take several things."""
    from transformers.models.auto import modeling_auto as known

    texts, sounds = (
        known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        known.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
    )
    head = "ForConditionalGeneration"

    assert set(texts) >= FROM_TEXT
    assert set(sounds) >= FROM_SOUND
    assert not FROM_TEXT & set(sounds)
    assert task_of({"model_type": "whisper", "architectures": [f"Whisper{head}"]}) == (
        "automatic-speech-recognition-with-past"
    )
    assert task_of({"model_type": "llava", "architectures": [f"Llava{head}"]}) == (
        "image-text-to-text"
    )


def test_only_a_pickle_is_refused_unopened(tmp_path):
    """pytorch_model.bin is never touched."""
    with pytest.raises(PickleOnly):
        intake.folder_of(a_folder(tmp_path, BERT, **{"pytorch_model.bin": b"x"}), nothing)


def test_only_a_pickle_is_refused_before_a_card_is_drawn(tmp_path):
    """Nobody fills in six steps for a model whose weights will not be opened."""
    with pytest.raises(PickleOnly):
        intake.examine(a_folder(tmp_path, BERT, **{"pytorch_model.bin": b"x"}))


def test_no_weights_at_all_is_said(tmp_path):
    """A config alone can be planned, not run."""
    with pytest.raises(WeightsMissing):
        intake.folder_of(a_folder(tmp_path, BERT), nothing)


def a_weight_file():
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\0" * 8


@pytest.mark.parametrize("cut", [1, 9, 30, len(a_weight_file()) - 1])
def test_a_truncated_weight_file_is_noticed(tmp_path, cut):
    """Cut anywhere: in the length, in the header, in the data."""
    ref = a_folder(tmp_path, BERT, **{"model.safetensors": a_weight_file()[:cut]})
    with pytest.raises(WeightsDamaged):
        intake.check_weights(intake.folder_of(ref, nothing))


def test_a_corrupt_header_is_noticed(tmp_path):
    """A header that is no JSON, or longer than the file."""
    for raw in (b"\xff" * 64, (20).to_bytes(8, "little") + b"not json at all....."):
        (tmp_path / str(len(raw))).mkdir()
        ref = a_folder(tmp_path / str(len(raw)), BERT, **{"model.safetensors": raw})
        with pytest.raises(WeightsDamaged):
            intake.check_weights(intake.folder_of(ref, nothing))


HEADERS = (
    "[]",
    "{}x",
    '{"w": 1}',
    '{"w": {}}',
    '{"w": {"data_offsets": []}}',
    '{"w": {"data_offsets": [0, null]}}',
    '{"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 8]}}',
    '{"w": {"dtype": "ODD", "shape": [2], "data_offsets": [0, 8]}}',
    '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 8]}}',
)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_lies_is_noticed(tmp_path, header):
    """Valid JSON of the wrong shape, shapes that do not fit the data, unknown types."""
    raw = len(header).to_bytes(8, "little") + header.encode() + b"\0" * 8
    (tmp_path / "model.safetensors").write_bytes(raw)

    with pytest.raises(WeightsDamaged):
        intake.check_weights(tmp_path)


def test_a_pointer_to_weights_says_how_to_get_them(tmp_path):
    """A clone without git lfs holds small text files instead."""
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsDamaged) as caught:
        intake.check_weights(tmp_path)

    assert "git lfs pull" in library.explain(caught.value).message


@pytest.mark.parametrize(
    "index", ['{"weight_map": {"w": "part-2.safetensors"}}', "{}", "[", '{"weight_map": 1}']
)
def test_a_missing_part_of_a_split_model_is_noticed(tmp_path, index):
    """The index names every part."""
    (tmp_path / "part-1.safetensors").write_bytes(a_weight_file())
    (tmp_path / "model.safetensors.index.json").write_text(index)

    with pytest.raises(WeightsDamaged):
        intake.check_weights(tmp_path)


def test_weights_in_a_folder_below_do_not_count(tmp_path):
    """A trainer's folder whose model lies one level down is no model itself."""
    ref = a_folder(tmp_path, BERT)
    inner = Path(ref.name) / "checkpoint-5"
    inner.mkdir()
    (inner / "model.safetensors").write_bytes(a_weight_file())

    with pytest.raises(WeightsMissing):
        intake.folder_of(ref, nothing)


def test_a_whole_weight_file_passes(tmp_path):
    """No false alarm."""
    ref = a_folder(tmp_path, BERT, **{"model.safetensors": a_weight_file()})
    intake.check_weights(intake.folder_of(ref, nothing))


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("model name : Ice Lake\nflags : fpu avx avx2 avx512f avx512_vnni", {"avx512_vnni"}),
        ("model name : N100\nflags : avx avx2 avx_vnni", {"avx_vnni"}),
        ("Features : fp asimd asimdhp asimddp\nModel : Raspberry Pi 5", {"dotprod", "fp16"}),
        ("Features : fp asimd\nModel : Raspberry Pi 4", {"neon"}),
    ],
)
def test_processors_are_read_from_cpuinfo(text, flags):
    """x86 and ARM words become our flags."""
    _, isa = _from_cpuinfo(text)

    assert flags <= isa


def test_this_machine_is_a_device():
    """Detected now, with rates, abilities and the mark that it is measured here."""
    host = intake.host_facts(Path.cwd())
    device = intake.this_machine(host)

    assert device.measured_here
    assert device.fp32_gops > 0
    assert "int8_dynamic" in device.abilities
    assert host.ram_bytes > 10**8


def test_the_pace_counts_seconds_of_the_processor():
    """Waiting is not being slow; twice the work is; measured once in a process."""
    once = tempo._beside(1.0, lambda: sum(range(200_000)))
    twice = tempo._beside(1.0, lambda: sum(range(200_000)) + sum(range(200_000)))

    assert tempo._beside(1.0, lambda: time.sleep(0.02)) == 1 / tempo.SLOWEST
    assert 1.4 < twice / once < 2.8
    assert intake.pace() is intake.pace()
    assert 1 / 8 < intake.pace().interpreter < 8
    assert 1 / 8 < intake.pace().arithmetic < 8


def test_the_pace_of_arithmetic_is_taken_with_ordinary_numbers():
    """Numbers that fade to nothing took fifty times as long on a processor of another make."""
    product = tempo._multiply()()

    assert isinstance(product, np.ndarray)
    assert (product == 1).all()


def test_a_ref_prints_as_it_is_typed():
    """sample:NAME, id@revision."""
    ref = ModelRef(source=Source.HUB, name="me/it", revision="abc")

    assert str(ref) == "me/it@abc"


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        ({"encoder_layers": 3, "decoder_layers": 2, "num_hidden_layers": 3}, 5),
        ({"num_layers": 6, "is_encoder_decoder": True}, 12),
        ({"num_layers": 6, "num_decoder_layers": 2, "is_encoder_decoder": True}, 8),
        ({"num_hidden_layers": 4}, 4),
        ({}, None),
    ],
)
def test_layers_of_both_parts_are_counted(config, layers):
    """BART, Marian and Whisper name them apart; T5 names one number for both."""
    assert card._layers(config) == layers
