"""axe-core finds nothing to complain of in any step, light or dark, wide or on a phone."""

from dataclasses import replace
from importlib.resources import files

import pytest
from playwright.sync_api import expect

from tests.factories import some_needs
from tests.ui import fake_values, steps
from wizard import library
from wizard.bundle.report import report
from wizard.nouns import ModelRef, Reason

pytestmark = [
    pytest.mark.browser,
    # gradio 6.31 with pandas 3 warns in its own queueing.py; its event loops close late.
    pytest.mark.filterwarnings("ignore"),
]
MODES = {"wide and light": {}, "a dark phone": {"phone": True, "dark": True}}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.fixture(scope="module")
def axe():
    """Deque's axe-core, as axe-playwright-python brings it; nothing is fetched."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(page, axe):
    """Rule, element and what to do, one line each."""
    page.evaluate(axe)
    found = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html'][:160]}"
        f" {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("mode", MODES)
def test_every_step_can_be_used_by_everybody(visit, axe, mode):
    """Contrast, names, roles, headings, landmarks, focus order, as far as a program can tell."""
    page = visit(**MODES[mode])
    steps.model(page)
    found = {"model": violations(page, axe)}
    walk = {
        "device": ("#next-model", "#group"),
        "quality": ("#next-device", "#rows li >> nth=0"),
        "plan": ("#next-quality", ".candidates"),
        "run": ("#start", "#progress table"),
        "result": ("#see", "h2.verdict"),
    }
    for name, (button, mark) in walk.items():
        page.locator(button).click()
        expect(page.locator(mark)).to_be_visible()
        if name == "result":
            expect(page.locator("#flips [role=gridcell]").first).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        found[name] = violations(page, axe)

    assert {step: lines for step, lines in found.items() if lines} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_can_be_read_by_everybody(browser, axe, tmp_path, scheme):
    """The page that is sent to a third person."""
    made_at = tmp_path / "report.html"
    made_at.write_text(a_report(), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(made_at.as_uri())
    found = violations(page, axe)
    context.close()

    assert found == []


def a_report():
    """Of the fake engine's result, with a rule's source as a link."""
    profile = fake_values.profile_of(ModelRef(source="sample", name="intents"), library.samples())
    needs = some_needs(latency=5.0)
    plan = fake_values.plan_of(profile, needs, fake_values.this_machine())
    outcome = fake_values.outcome_of(plan, [one.id for one in plan.candidates])
    best = next(one for one in plan.candidates if one.id == outcome.comparison.chosen)
    cited = Reason(sentence="So it is.", rule_id="a-rule", source="Bondarenko et al. 2021")
    return report(outcome, replace(best, reasons=(cited,)), "wizard run sample:intents --out out/")
