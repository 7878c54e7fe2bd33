"""How a visitor walks: each function presses what a person would and waits for what they see."""

from playwright.sync_api import expect


def model(page):
    expect(page.locator("#model-card h3")).to_be_visible()


def device(page):
    model(page)
    page.locator("#next-model").click()
    expect(page.locator("#group")).to_be_visible()


def limits(page):
    """Opens the optional limits; what is typed before Gradio has them registered is not sent.

    Lost in 3 of 39 walks that typed at once, in none of 39 that typed 50 ms later or more.
    """
    page.locator("#limits button").first.click()
    expect(page.locator("#size input").first).to_be_visible()
    page.evaluate("new Promise(idle => requestIdleCallback(() => setTimeout(idle, 200)))")


def quality(page):
    device(page)
    page.locator("#next-device").click()
    expect(page.locator("#rows li").first).to_be_visible()


def plan(page):
    quality(page)
    page.locator("#next-quality").click()
    expect(page.locator(".candidates")).to_be_visible()


def run(page):
    plan(page)
    page.locator("#start").click()
    expect(page.locator("#progress .bar")).to_be_visible()


def result(page):
    run(page)
    see(page)


def see(page):
    page.locator("#see").click()
    expect(page.locator("h2.verdict")).to_be_visible()


def says(page, name, words):
    alert = page.locator(f"#alert-{name} [role=alert]")
    expect(alert).to_be_visible()
    expect(alert).to_contain_text(words)
