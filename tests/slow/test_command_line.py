"""The command line as strangers use it: a subprocess, real samples, real bundles, exit codes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def wizard(*arguments, home, cwd=ROOT, **environment):
    """Run one command; stdout, stderr and exit status."""
    return subprocess.run(
        [sys.executable, "-m", "wizard", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "WIZARD_HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
        timeout=500,
    )


@pytest.fixture(scope="module")
def intents_run(home, tmp_path_factory):
    """`wizard run sample:intents`, once: the object on stdout and the bundle."""
    out = tmp_path_factory.mktemp("bundles") / "intents"
    done = wizard(
        "run", "sample:intents", "--device", "this-machine", "--latency-ms", "50",
        "--max-drop", "1", "--out", str(out), "--json",
        home=home,
    )  # fmt: skip
    return done, out


def test_the_main_job_keeps_its_contract(intents_run):
    """The sample, a generous latency and one point: PASS, exit 0, a whole bundle."""
    done, out = intents_run
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)

    assert answer["schema"] == "wizard.run/1"
    assert answer["verdict"]["overall"] == "PASS"
    assert (out / "MANIFEST.json").is_file()
    assert answer["chosen"] in {one["id"] for one in answer["candidates"]}


def test_every_quantity_says_where_it_comes_from(intents_run):
    """No naked number: each measured quantity has value, unit, n and basis."""
    answer = json.loads(intents_run[0].stdout)
    for one in answer["candidates"]:
        if one["measured"]:
            for name in ("size", "latency_p50", "latency_p95", "zipped"):
                quantity = one["measured"][name]
                assert quantity["basis"] in {"measured here", "estimated", "read from the files"}
                assert quantity["value"] > 0


def test_progress_goes_to_stderr_and_results_to_stdout(intents_run):
    """stdout is one JSON object; what is going on is told on stderr."""
    done, _ = intents_run

    assert "Measure the original" in done.stderr
    assert done.stdout.lstrip().startswith("{")


def test_the_bundle_verifies(intents_run, home):
    """`wizard verify` opens the bundle again and finds every hash right."""
    done = wizard("verify", str(intents_run[1]), home=home)

    assert done.returncode == 0, done.stderr
    assert "hash" in done.stdout


def test_a_changed_bundle_does_not_verify(intents_run, home, tmp_path):
    """One changed byte is found."""
    copy = tmp_path / "copy"
    shutil.copytree(intents_run[1], copy)
    with (copy / "config.json").open("a") as file:
        file.write(" ")

    done = wizard("verify", str(copy), home=home)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_export_is_cached(intents_run, home, tmp_path):
    """A second run with another contract reuses the export."""
    done = wizard(
        "run", "sample:intents", "--latency-ms", "60", "--max-drop", "2",
        "--only", "int8_dynamic", "--out", str(tmp_path / "again"), "--json", home=home,
    )  # fmt: skip

    assert done.returncode in {0, 4}, done.stderr
    assert json.loads(done.stdout)["seconds"]["export"] < 6


def test_an_impossible_contract_is_missed_and_says_so(home, tmp_path):
    """A thousandth of what is possible: exit 3, and the nearest miss is delivered."""
    out = tmp_path / "miss"
    done = wizard(
        "run", "sample:intents", "--latency-ms", "0.01", "--only", "int8_dynamic",
        "--out", str(out), "--json", home=home,
    )  # fmt: skip
    answer = json.loads(done.stdout)

    assert done.returncode == 3
    assert answer["chosen"] is None
    assert answer["nearest"] is not None
    assert (out / "MANIFEST.json").is_file()


def test_the_command_that_accepts_an_offer_works_as_printed(home, tmp_path):
    """A missed size: what would do is printed with a command; it measures nothing and passes."""
    done = wizard(
        "run", "sample:intents", "--size-mb", "1", "--only", "int8_dynamic",
        "--out", str(tmp_path / "first"), "--quiet", home=home,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    offered = [line.split() for line in done.stdout.splitlines() if "wizard compare" in line]
    again = wizard(*offered[0][1:], home=home, cwd=tmp_path)

    assert again.returncode == 0, again.stderr + again.stdout
    assert "first asked: Run" in again.stdout
    assert (tmp_path / "out" / "MANIFEST.json").is_file()
    assert "first asked" in (tmp_path / "out" / "report.html").read_text("utf-8").lower()


def test_a_folder_with_an_embedding_model_goes_the_whole_way(home, tmp_path):
    """No labels, no data: judged by agreement with the original, and the verdict says so."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "embedder"
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 128, "vocab_size": 6000, "max_position_embeddings": 64}
    BertModel(BertConfig(**shape), add_pooling_layer=False).save_pretrained(folder)
    sample = ROOT / "assets" / "samples" / "intents" / "model"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(sample / name, folder / name)
    done = wizard(
        "run", str(folder), "--max-drop", "2", "--out", str(tmp_path / "out"), "--json", home=home
    )
    answer = json.loads(done.stdout)

    assert done.returncode in {0, 4}, done.stderr[-2000:]
    assert "agreement" in answer["verdict"]["clauses"][-1]["because"]
    assert (tmp_path / "out" / "1_Pooling").exists() is False


REFUSED = {
    "a missing folder": (["inspect", "./no/such/folder"], "no model"),
    "an unknown sample": (["inspect", "sample:intent"], "sample:intents"),
    "a misspelt device": (["plan", "sample:intents", "--device", "raspbery-pi-5"], "Did you mean"),
    "a misspelt technique": (["plan", "sample:intents", "--only", "int8_dinamic"], "int8_dynamic"),
    "a negative budget": (["plan", "sample:intents", "--latency-ms", "-5"], "latency"),
    "a budget of zero": (["plan", "sample:intents", "--size-mb", "0"], "size"),
    "a metric that the task does not have": (
        ["run", "sample:intents", "--metric", "wer", "--out", "out"],
        "accuracy or macro-F1 or agreement",
    ),
    "a budget that is no number": (["plan", "sample:intents", "--latency-ms", "nan"], "latency"),
    "an absurd budget": (["plan", "sample:intents", "--latency-ms", "1e12"], "latency"),
    "a negative tolerance": (["plan", "sample:intents", "--max-drop", "-1"], "drop"),
    "no minutes": (["plan", "sample:intents", "--minutes", "0"], "minutes"),
    "an unknown rule": (["rules", "nonsense"], "no rule"),
    "a job that is not there": (["jobs", "0" * 24], "no job"),
    "a bundle that is none": (["verify", "tests"], "bundle"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_bad_input_is_one_sentence_and_exit_2(case, home):
    """What, why, what next; never a traceback."""
    arguments, word = REFUSED[case]
    done = wizard(*arguments, home=home)

    assert done.returncode == 2, done.stderr + done.stdout
    assert word.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("case", ["a missing folder", "a misspelt device"])
def test_a_refusal_for_machines_is_one_object(case, home):
    """--json prints wizard.error/1 with code, message and next."""
    done = wizard(*REFUSED[case][0], "--json", home=home)
    answer = json.loads(done.stdout)

    assert answer["schema"] == "wizard.error/1"
    assert set(answer) == {"schema", "code", "message", "next"}


def test_an_output_folder_in_use_is_left_alone(home, tmp_path):
    """Nothing is overwritten and no job is started."""
    (tmp_path / "mine.txt").write_text("mine")
    done = wizard("run", "sample:intents", "--out", str(tmp_path), home=home)

    assert done.returncode == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("content", [b"", b"text,label\n", b"\x00\x01\x02binary", b"a,b\n1,2\n"])
def test_unusable_data_ends_the_job_with_a_sentence(home, tmp_path, content):
    """Empty, header only, binary, wrong columns: exit 2, one sentence, no bundle."""
    data, out = tmp_path / "rows.csv", tmp_path / "out"
    data.write_bytes(content)
    done = wizard(
        "run", "sample:intents", "--data", str(data), "--out", str(out), "--quiet", home=home
    )

    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_a_full_disk_is_a_sentence(home, tmp_path):
    """The bundle does not fit the disk: exit 2, and nothing half-written stays."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        done = wizard(
            "run", "sample:intents", "--only", "int8_dynamic", "--out", str(small / "out"),
            "--quiet", home=home,
        )  # fmt: skip

        assert done.returncode == 2, done.stderr
        assert "disk" in done.stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=False)


def test_a_killed_job_keeps_its_best_so_far(home):
    """kill -9 after the first candidate: the job is readable and its best can still be packed."""
    code = (
        "import os, signal, json, sys, wizard\n"
        "from wizard import engine\n"
        "from wizard.nouns import *\n"
        "profile = wizard.examine(wizard.parse_ref('sample:intents'))\n"
        "needs = Needs(device_id='this-machine', budgets=(), tolerance=Tolerance(points=1.0),\n"
        "              workload=profile.workload)\n"
        "job = wizard.start(wizard.advise(profile, needs))\n"
        "for event in wizard.follow(job):\n"
        "    if isinstance(event, BestSoFar):\n"
        "        child = json.load(open(engine.jobs_root() / job / 'child.json'))\n"
        "        os.kill(child['pid'], signal.SIGKILL)\n"
        "        break\n"
        "last = list(wizard.follow(job))[-1]\n"
        "bundle = wizard.pack(job)\n"
        "print(last.code, (bundle.folder / 'MANIFEST.json').is_file())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "WIZARD_HOME": str(home)},
        timeout=300,
    )

    assert done.stdout.split() == ["interrupted", "True"], done.stderr[-2000:]
