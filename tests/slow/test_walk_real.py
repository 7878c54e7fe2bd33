"""The walk with the real engine: six steps, own examples, a measured verdict, a whole bundle."""

import csv
import gc
import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.ui import steps
from tests.ui.browser import ARGUMENTS, find

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.filterwarnings("ignore"),  # gradio's queue with pandas 3
]
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
RUN_MS = 240_000


@pytest.fixture
def visit():
    """Open the app, served by the real engine: `visit(width, dark=True)`."""
    from wizard import engine
    from wizard.ui import app

    blocks = app.build(engine)
    options = app.launch_options(engine)
    _, url, _ = blocks.launch(prevent_thread_lock=True, server_name="127.0.0.1", **options)
    path = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        expect.set_options(timeout=60_000)

        def opened(width=1280, *, dark=False):
            context = browser.new_context(
                viewport={"width": width, "height": 860},
                color_scheme="dark" if dark else "light",
                accept_downloads=True,
            )
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.goto(url)
            return page

        yield opened
        browser.close()
    blocks.close()
    gc.collect()  # here, where what gradio left open is no failure


def taken(page, folder):
    """The bundle as the visitor gets it, checked like any other."""
    from wizard import engine

    with page.expect_download() as download:
        page.locator("#get-bundle").click()
    download.value.save_as(folder / "bundle.zip")
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        archive.extractall(folder / "bundle")
    return engine.verify(next((folder / "bundle").rglob("MANIFEST.json")).parent)


def photographed(page, name):
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def with_examples(page, sample, file):
    """To the end with a bundled model and a file of the visitor's own."""
    page.locator(f"#sample input[value='{sample}']").check(force=True)
    steps.quality(page)
    page.get_by_label("A file of mine").check(force=True)
    page.locator("#file input[type=file]").set_input_files(file)
    expect(page.locator("#file")).to_contain_text(Path(file["name"]).stem[:8])
    page.locator("#next-quality").click()
    expect(page.locator(".candidates")).to_be_visible()
    page.locator("#start").click()
    expect(page.locator("#see")).to_be_visible(timeout=RUN_MS)
    steps.see(page)


def test_a_visitor_presses_next_and_holds_a_bundle_that_verifies(visit, tmp_path):
    """Nothing but Next on the first sample: a verdict on latency and quality, a whole bundle."""
    page = visit()
    steps.run(page)
    expect(page.locator("#see")).to_be_visible(timeout=RUN_MS)
    steps.see(page)
    expect(page.locator("#verdict .clause")).to_have_count(2)
    page.locator("#try-button").click()
    expect(page.locator("#both .duo .pb").first).to_be_visible()
    photographed(page, "real-6-result")

    assert taken(page, tmp_path).files


def test_pictures_of_ones_own_in_folders_of_their_labels(visit, tmp_path):
    """A ZIP of 150 pictures through the real page; judged on those, by accuracy."""
    import numpy as np
    from PIL import Image

    data = Path(__file__).resolve().parents[2] / "assets" / "samples" / "digits" / "data"
    pictures = np.load(data / "test-images.npz", allow_pickle=False)["images"]
    with (data / "test.csv").open(encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for at in range(150):
            one = io.BytesIO()
            Image.fromarray(pictures[at]).save(one, "PNG")
            archive.writestr(f"{labels[at]}/{at}.png", one.getvalue())
    page = visit(390)
    zipped = {"name": "pictures.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    with_examples(page, "digits", zipped)
    page.locator("#try-example").click()
    tried = page.locator("#both-pictures")
    expect(tried.locator("figcaption")).to_contain_text("Example 1 of 1")
    expect(tried.locator(".duo .pb").first).to_be_visible()
    picture = {"name": "mine.png", "mimeType": "image/png", "buffer": one.getvalue()}
    page.locator("#try-file input[type=file]").set_input_files(picture)
    expect(tried.locator("figcaption")).to_have_text("mine.png")
    photographed(page, "real-digits-phone")

    expect(page.locator("#verdict .clause").last).to_contain_text("accuracy")
    assert taken(page, tmp_path).files


def test_labels_of_ones_own_beside_pictures_of_ones_own(visit, tmp_path):
    """Folders are what is chosen among; in the playground other labels may be named."""
    import numpy as np
    from PIL import Image

    data = Path(__file__).resolve().parents[2] / "assets" / "samples" / "pairs" / "data"
    pictures = np.load(data / "test-images.npz", allow_pickle=False)["images"]
    with (data / "test.csv").open(encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for at in range(150):
            one = io.BytesIO()
            Image.fromarray(pictures[at]).save(one, "PNG")
            archive.writestr(f"{labels[at].replace(' ', '_')}/{at}.png", one.getvalue())
    page = visit()
    zipped = {"name": "pictures.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    with_examples(page, "pairs", zipped)
    tried = page.locator("#both-pictures")
    page.locator("#try-example").click()
    expect(tried.locator("figcaption")).to_contain_text("Example 1 of 1")
    expect(tried.locator(".duo .pb").first).to_contain_text("left_of")
    page.locator("#try-labels textarea, #try-labels input").fill("red thing, blue thing")
    page.locator("#try-labels textarea, #try-labels input").press("Enter")
    expect(tried.locator(".duo .pb")).to_have_count(4)
    picture = {"name": "mine.png", "mimeType": "image/png", "buffer": one.getvalue()}
    page.locator("#try-file input[type=file]").set_input_files(picture)
    expect(tried.locator("figcaption")).to_have_text("mine.png")
    photographed(page, "real-pairs")
    page.set_viewport_size({"width": 390, "height": 860})
    page.emulate_media(color_scheme="dark")
    photographed(page, "real-pairs-phone-dark")

    expect(page.locator("#try")).to_be_hidden()
    expect(page.locator("#verdict .clause").last).to_contain_text("top-1 accuracy")
    assert taken(page, tmp_path).files


def test_sentences_of_ones_own_in_a_table(visit, tmp_path):
    """A CSV of 120 pairs with their likeness; judged by rank correlation, in the dark."""
    data = Path(__file__).resolve().parents[2] / "assets" / "samples" / "sentences" / "data"
    lines = (data / "test.csv").read_text("utf-8").splitlines()[:121]
    page = visit(dark=True)
    table = {"name": "pairs.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    with_examples(page, "sentences", table)
    photographed(page, "real-sentences-dark")

    expect(page.locator("#verdict .clause").last).to_contain_text("rank correlation")
    expect(page.locator("#verdict .clause").last).to_contain_text(re.compile("on [0-9]+ rows"))
    assert taken(page, tmp_path).files


def test_the_files_of_one_visitor_are_not_anothers(visit):
    """Another visitor's page tells nothing of a run; a guessed address of a file gives nothing."""
    import urllib.error
    import urllib.request

    first = visit()
    steps.run(first)
    first.wait_for_url(re.compile("#run="))
    job, address = first.url.split("=")[1], first.url.split("#")[0]
    second = visit()
    steps.model(second)

    assert job not in second.content()
    for guess in (f"gradio_api/file=jobs/{job}/outcome.json", "gradio_api/file=/etc/passwd"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + guess, timeout=20)  # noqa: S310 - loopback
        assert refused.value.code in {403, 404}
    first.locator("#cancel").click()
    expect(first.locator("#progress")).to_contain_text("ancelled")


def test_who_has_seen_enough_stops_and_takes_the_best_so_far(visit, tmp_path):
    """Once the contract is kept the button says so; the result is there, and can be taken."""
    page = visit()
    steps.run(page)
    expect(page.locator("#cancel")).to_have_text("Stop and take the best so far", timeout=120_000)
    page.locator("#cancel").click()
    page.locator("#see").click()

    expect(page.locator("#verdict .overall")).to_contain_text("PASS")
    assert taken(page, tmp_path).files


def test_the_plot_fills_while_the_wizard_goes_up_the_ladder(visit, tmp_path):
    """A limit that the first recipes miss: every result is a point, and a further rung is tried."""
    page = visit()
    page.locator("#sample input[value='digits']").check(force=True)
    steps.device(page)
    steps.limits(page)
    page.wait_for_timeout(500)  # a person is slower than the last words of the step before
    page.locator("#size input").fill("0.09")
    page.locator("#size input").blur()
    page.locator("#next-device").click()
    page.locator("#tolerance input[value='0.5']").check(force=True)
    page.locator("#next-quality").click()
    expect(page.locator("#contract")).to_contain_text("0.09 MB")
    planned = page.locator(".candidates > li").count()
    page.locator("#start").click()
    seen = set()
    while not page.locator("#see").is_visible():
        seen.add(page.locator("#so-far circle.pt").count())
        page.wait_for_timeout(300)
    photographed(page, "real-5-ladder")

    assert max(seen) > 3, "the plot did not fill"
    assert len(seen - {0}) >= 3, "the plot did not fill bit by bit"
    assert page.locator("#progress li").count() > planned + 5, "no rung was added"
    steps.see(page)
    assert taken(page, tmp_path).files
