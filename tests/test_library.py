"""The library reads presets into records, and names what is wrong in them."""

import pytest

from wizard import library
from wizard.errors import PresetBroken, UnknownName, WizardError
from wizard.nouns import Effect, Grade

RULE = """
rung = "R3"
title = "Small"
effect = "warn"
confidence = "low"
reviewed = 2026-11-23
why = "Because."
[when]
isa_has_any = ["avx2"]
[[sources]]
kind = "docs"
cite = "somewhere"
supports = "it"
[[examples]]
facts = { isa = ["avx2"] }
fires = true
because = "has it"
"""


def a_rule_file(folder, old="", new=""):
    path = folder / "small.toml"
    path.write_text(RULE.replace(old, new) if old else RULE, encoding="utf-8")
    return path


def test_a_rule_is_read_into_a_record(tmp_path):
    """The file's name is the id, lists become tuples, the date becomes text."""
    rule = library.read_rule(a_rule_file(tmp_path))

    assert (rule.id, rule.effect, rule.reviewed) == ("small", Effect.WARN, "2026-11-23")
    assert rule.when == {"isa_has_any": ["avx2"]}
    assert rule.examples[0].fires is True


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rung =", "rumg =", "unknown key 'rumg'; did you mean 'rung'?"),
        ("cite =", "sight =", "sources.0"),
        ('"warn"', '"warm"', "effect"),
        ("isa_has_any", "isaa_has_any", "unknown fact 'isaa'; did you mean 'isa'?"),
        ('["avx2"]\n[[', '["avx3"]\n[[', "unknown isa 'avx3'; did you mean"),
        ("isa_has_any", "isa_at_least", "isa_at_least does not suit the fact isa"),
        ('"docs"', '"doc"', "unknown kind of source 'doc'; did you mean 'docs'?"),
        ('rung = "R3"', "rung = R3", "nvalid value"),
    ],
)
def test_a_mistake_in_a_rule_is_named(tmp_path, old, new, said):
    """A misspelt key, fact, flag or kind stops the house, with what was probably meant."""
    with pytest.raises(PresetBroken) as broken:
        library.read_rule(a_rule_file(tmp_path, old, new))

    assert broken.value.facts["file"] == "small.toml"
    assert said in str(broken.value.facts["because"])


def test_a_missing_key_is_named(tmp_path):
    """A rule without a reason is not a rule."""
    with pytest.raises(PresetBroken, match="why"):
        library.read_rule(a_rule_file(tmp_path, 'why = "Because."', ""))


def test_a_device_with_an_unknown_flag_is_refused(tmp_path):
    """The vocabulary of instructions is closed."""
    source = library.presets_folder() / "devices" / "raspberry-pi-5.toml"
    path = tmp_path / "board.toml"
    path.write_text(source.read_text("utf-8").replace('"dotprod"', '"dotprd"'), encoding="utf-8")

    with pytest.raises(PresetBroken, match="did you mean 'dotprod'"):
        library.read_device(path)


def test_a_family_of_unknown_shape_is_refused(tmp_path):
    """The vocabulary of shapes is closed."""
    path = tmp_path / "odd.toml"
    path.write_text('model_types = ["odd"]\nshape = "encodr"\n', encoding="utf-8")

    with pytest.raises(PresetBroken, match="did you mean 'encoder'"):
        library.read_family(path)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("family", ("family", "")),
        ("family_in", ("family", "_in")),
        ("isa_has_none", ("isa", "_has_none")),
        ("latency_ratio_needed_below", ("latency_ratio_needed", "_below")),
        ("embedding_share_at_least", ("embedding_share", "_at_least")),
    ],
)
def test_a_condition_is_a_fact_and_an_operator(name, parts):
    """The whole condition language is equality and five endings."""
    assert library.condition(name) == parts


def test_a_condition_on_an_unknown_fact_is_refused():
    """There is no operator or fact beyond the closed lists."""
    with pytest.raises(UnknownName, match="isa"):
        library.condition("issa_has_any")


def test_devices_come_in_the_order_people_look_for_them():
    """Groups in their order; this machine is not on disk as a device."""
    groups = [device.group for device in library.devices().values()]

    assert "this-machine" not in library.devices()
    assert groups == sorted(groups, key=library.words().groups.index)


def test_a_silent_device_card_means_unknown():
    """Unknown is not unsupported."""
    device = library.devices()["raspberry-pi-4"]

    assert device.grade("a technique of tomorrow") is Grade.UNKNOWN
    assert device.grade("int8_dynamic") is Grade.SMALL


def test_samples_lead_with_the_best_tour():
    """`intents` comes first, and each sample's folder is where it was found."""
    samples = library.samples()

    assert next(iter(samples)) == "intents"
    assert all(sample.folder.name == name for name, sample in samples.items())


@pytest.mark.parametrize(
    ("typed", "meant"), [("rasberry-pi-5", "raspberry-pi-5"), ("Raspberry-Pi-5", "raspberry-pi-5")]
)
def test_a_misspelt_name_gets_a_suggestion(typed, meant):
    """UnknownName says what was probably meant and what there is."""
    with pytest.raises(UnknownName) as unknown:
        library.find("device", typed, library.devices())

    assert unknown.value.facts["suggestion"] == f"Did you mean {meant}?"
    assert "mac-m1" in str(unknown.value.facts["known"])


def test_a_name_like_nothing_gets_no_suggestion():
    """No suggestion is better than a wild one."""
    assert library.closest("zzzzqqqq", library.devices()) is None


def test_a_failure_without_its_fact_is_our_bug():
    """A sentence with a blank that nobody fills is found, not shown."""

    class Blank(WizardError):
        code = "model-not-found"

    with pytest.raises(PresetBroken, match="wants the fact"):
        library.explain(Blank())


def test_every_preset_is_read_once(monkeypatch):
    """However often the doors ask, and though rules are checked against families and devices."""
    read, once = [], library._toml
    monkeypatch.setattr(library, "_toml", lambda path: read.append(path) or once(path))
    asked = (library.rules, library.devices, library.families, library.machine_rates, library.words)
    for one in asked:
        one.cache_clear()
    for one in (*asked, *asked):
        one()

    folders = ("rules", "devices", "families")
    files = {path for folder in folders for path in library._files(folder)}
    assert sorted(read) == sorted(files | {library.presets_folder() / "words.toml"})
