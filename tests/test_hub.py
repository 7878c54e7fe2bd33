"""Models of the Hub through the real huggingface_hub client, against a hub on loopback."""

import json
import subprocess
import sys

import pytest

from tests.hub_server import a_hub
from tests.test_intake import BERT, a_weight_file

pytestmark = pytest.mark.slow  # each asks a fresh process that loads the real client

CODE = """
import json, sys
from pathlib import Path
from wizard import intake, library
from wizard.errors import WizardError
try:
    ref = intake.resolve(intake.parse_ref(sys.argv[1]))
    if sys.argv[2] == "card":
        profile = intake.examine(ref)
        print(json.dumps({"revision": profile.ref.revision, "licence": profile.licence,
                          "bytes": profile.weights_bytes, "base": profile.base_model}))
    else:
        folder = intake.folder_of(ref, lambda fraction, detail: None)
        print(json.dumps(sorted(p.name for p in folder.iterdir())))
except WizardError as error:
    print(json.dumps({"code": error.code, "message": library.explain(error).message}))
"""


@pytest.fixture
def hub():
    """A hub with one small model."""
    with a_hub() as running:
        running.repositories["me/tiny"] = {
            "config.json": json.dumps(BERT).encode(),
            "README.md": b"---\nlicense: mit\nbase_model: them/large\n---\nHello",
            "model.safetensors": a_weight_file(),
            "pytorch_model.bin": b"never",
            "tokenizer.json": b"{}",
        }
        yield running


def ask(hub, own_home, model, what="card", **environment):
    """The answer of a fresh process: the client reads its settings when it is imported."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", CODE, model, what],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            **hub.environment(own_home),
            **environment,
        },
    )
    assert done.stdout, done.stderr[-1500:]
    return json.loads(done.stdout.splitlines()[-1]), done


def test_a_hub_model_is_pinned_and_described_without_its_weights(hub, own_home):
    """The commit is resolved first; sizes come from the file list; no weight is fetched."""
    card, _ = ask(hub, own_home, "me/tiny")

    assert card["revision"] == hub.sha("me/tiny")
    assert card["licence"] == "mit"
    assert card["base"] == "them/large"
    assert card["bytes"] == len(a_weight_file())
    assert not any("safetensors" in path for method, path, _ in hub.asked if method == "GET")


def test_only_safetensors_are_downloaded(hub, own_home):
    """The pickle beside them is never asked for."""
    files, _ = ask(hub, own_home, "me/tiny", "folder")

    assert "model.safetensors" in files
    assert not any("bin" in path for _, path, _ in hub.asked)


def test_a_missing_repository_is_a_sentence(hub, own_home):
    """404 becomes repo-not-found."""
    answer, _ = ask(hub, own_home, "me/nothing")

    assert answer["code"] == "repo-not-found"


def test_a_missing_revision_is_a_sentence(hub, own_home):
    """A revision that is not there is told like a missing model."""
    answer, _ = ask(hub, own_home, "me/tiny@v9")

    assert answer["code"] == "repo-not-found"


def test_a_gated_repository_says_what_to_do(hub, own_home):
    """403 with GatedRepo becomes repo-gated."""
    hub.faults["me/tiny"] = "gated"
    answer, _ = ask(hub, own_home, "me/tiny")

    assert answer["code"] == "repo-gated"


def test_a_hub_that_answers_nonsense_is_unreachable(hub, own_home):
    """A 500 is told as such."""
    hub.faults["me/tiny"] = 500
    answer, _ = ask(hub, own_home, "me/tiny")

    assert answer["code"] == "hub-unreachable"


def test_no_hub_at_all_is_unreachable(hub, own_home):
    """Nobody listens on that port."""
    answer, _ = ask(hub, own_home, "me/tiny", HF_ENDPOINT="http://127.0.0.1:9")

    assert answer["code"] == "hub-unreachable"


def test_a_token_goes_to_the_hub_and_nowhere_else(hub, own_home):
    """It stands in the request's header, not in output, cache or errors."""
    token = "hf_" + "a" * 34
    hub.faults["me/tiny"] = "gated"
    answer, done = ask(hub, own_home, "me/tiny", HF_TOKEN=token)

    assert token not in done.stdout + done.stderr + json.dumps(answer)
    assert any(said and token in said for _, _, said in hub.asked)


def test_a_hub_model_runs_offline_once_it_is_here(hub, own_home):
    """Card and files come from the local cache, at the commit that was there."""
    online, _ = ask(hub, own_home, "me/tiny", "folder")
    before = len(hub.asked)
    offline, _ = ask(hub, own_home, "me/tiny", "folder", HF_HUB_OFFLINE="1")
    card, _ = ask(hub, own_home, "me/tiny", HF_HUB_OFFLINE="1")

    assert offline == online
    assert card["revision"] == hub.sha("me/tiny")
    assert card["bytes"] == len(a_weight_file())
    assert len(hub.asked) == before


def test_offline_without_the_weights_says_so(hub, own_home):
    """The card was seen, the weights never came: no talk of a model without weights."""
    ask(hub, own_home, "me/tiny")
    answer, _ = ask(hub, own_home, "me/tiny", "folder", HF_HUB_OFFLINE="1")

    assert answer["code"] == "hub-unreachable"
    assert "weights" in answer["message"]


def test_offline_without_anything_says_so(hub, own_home):
    """Never seen before."""
    answer, _ = ask(hub, own_home, "me/tiny", HF_HUB_OFFLINE="1")

    assert answer["code"] == "hub-unreachable"


def test_a_gated_model_that_everybody_may_read_about_says_what_to_do(hub, own_home):
    """As on the real Hub: the description is open, the files are not."""
    hub.faults["me/tiny"] = "gated files"
    answer, _ = ask(hub, own_home, "me/tiny")

    assert answer["code"] == "repo-gated"


def test_the_card_fetches_nothing_large(hub, own_home):
    """No tokenizer, no vocabulary: four descriptions at most."""
    ask(hub, own_home, "me/tiny")
    fetched = {path.rsplit("/", 1)[-1] for kind, path, _ in hub.asked if "/resolve/" in path}

    assert fetched == {"config.json", "README.md"}


def test_what_lies_below_the_top_is_never_fetched(hub, own_home):
    """Checkpoints, other formats and odd names stay where they are; pooling is needed."""
    hub.repositories["me/tiny"] |= {
        "checkpoint-5/model.safetensors": b"x",
        "onnx/config.json": b"{}",
        "odd[*].json": b"{}",
        "1_Pooling/config.json": b"{}",
    }
    files, _ = ask(hub, own_home, "me/tiny", "folder")
    kept = ["1_Pooling", "README.md", "config.json", "model.safetensors", "tokenizer.json"]

    assert files == kept


def test_a_repository_without_config_is_no_model(hub, own_home):
    """A collection of other files is told apart from a damaged model."""
    hub.repositories["me/files"] = {"model.gguf": b"x"}
    answer, _ = ask(hub, own_home, "me/files")

    assert answer["code"] == "not-a-model-folder"


@pytest.mark.parametrize("name", ["me/a..b", "-me/x", "me/x--y", "me/" + "x" * 120])
def test_a_name_that_the_hub_forbids_is_a_sentence(hub, own_home, name):
    """The client refuses it with an exception of its own."""
    answer, _ = ask(hub, own_home, name)

    assert answer["code"] == "model-not-found"


def test_a_card_of_a_commit_is_found_again_without_asking(hub, own_home):
    """A commit cannot move, so a second look needs neither the Hub nor torch."""
    import os

    code = (
        "import sys\nfrom pathlib import Path\nfrom wizard import intake\n"
        "ref = intake.parse_ref(sys.argv[1])\ncache = Path(sys.argv[2])\n"
        "card = intake.cached(ref, None, cache) or intake.examine(ref, None, cache)\n"
        "print(card.macs, 'torch' in sys.modules, 'huggingface_hub' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"me/tiny@{hub.sha('me/tiny')}", str(own_home)]
    there = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(own_home / "hf")}
    first, again = (
        subprocess.run(command, capture_output=True, text=True, env=there).stdout.split()
        for _ in range(2)
    )

    assert first == [again[0], "True", "True"]
    assert again[1:] == ["False", "False"]
