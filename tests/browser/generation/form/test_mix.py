"""Mixing styles in a browser: order by keys and by hand, safe ranges, presets, the large sheet beside the picker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Complaints, Studio
from tests.browser.generation.test_stories import ask, look

Enter = Callable[..., Page]

SHELF = """
from django.core.files.base import ContentFile
from generation.previews.contact_sheets import side_by_side
from generation.previews.sketches import draw_panels
from styles.models import Preset, Style
probes = ("a lighthouse on a cliff", "a fox in the snow", "a quiet village", "a red sun above the sea")
for name, triggers, low, high in (
    ("Gouache fields", "gouache painting", 0.6, 1.0), ("Paper lantern", "layered papercut", 0.3, 0.9),
    ("Pixel hollow", "pixel art", None, None),
):
    style = Style.objects.create(name=name)
    style.versions.update(trigger_words=triggers, default_strength=0.8, safe_from=low, safe_to=high)
    version = style.versions.get()
    sheet = side_by_side(list(draw_panels(probes, triggers, "sketch_ink.safetensors")))
    version.sheet.save("x.webp", ContentFile(sheet))
Style.objects.get(name="Pixel hollow").versions.update(trained_on="ponyDiffusionV6XL_v6StartWithThisOne")
gouache = Style.objects.get(name="Gouache fields")
Preset.objects.create(style=gouache, name="Wide valley", prefix="wide landscape", suffix="soft morning light",
                      negative="people", width=1344, height=768, steps=8)
"""


@pytest.fixture(scope="module", autouse=True)
def shelf(studio: Studio) -> None:
    """Three more styles, and a preset of one of them."""
    studio.manage("shell", "-c", SHELF)


def choose(page: Page, *names: str) -> None:
    """Check styles one after the other, each once the mix shows the one before."""
    for name in names:
        page.get_by_role("checkbox", name=f"{name} v1").check()
        expect(page.get_by_role("slider", name=f"Weight of {name}")).to_be_visible()


def rows(page: Page) -> Locator:
    """The names in the mix, in order."""
    return page.locator(".mix .name")


def test_the_order_of_the_mix_is_changed_with_the_keyboard(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    choose(page, "Gouache fields", "Paper lantern", "Ink & mist")
    button = page.get_by_role("button", name="Move Ink & mist up")
    button.press("Enter")
    expect(rows(page)).to_have_text(["Gouache fields", "Ink & mist", "Paper lantern"])
    expect(button).to_be_focused()
    button.press("Space")
    expect(rows(page)).to_have_text(["Ink & mist", "Gouache fields", "Paper lantern"])
    expect(page.locator("#final-prompt")).to_contain_text("inkmist style, gouache painting, layered papercut")
    expect(page.locator("#announcer")).to_have_text("Ink & mist: place 1 of 3")
    expect(button).to_be_focused()
    job = ask(page, "in this order")
    expect(job).to_contain_text("Ink & mist v1 0.80 + Gouache fields v1 0.80 + Paper lantern v1 0.80")
    look(job, "done")
    job.get_by_role("link", name="Reuse settings").first.click()
    expect(rows(page)).to_have_text(["Ink & mist", "Gouache fields", "Paper lantern"])


@pytest.mark.heavy
@pytest.mark.parametrize("pointer", ["mouse", pytest.param("touch", marks=pytest.mark.heavy)])
def test_the_order_of_the_mix_is_changed_by_drag(
    studio: Studio, engine: PreviewThread, enter: Enter, pointer: str
) -> None:
    phone = {"width": 390, "has_touch": True, "is_mobile": True} if pointer == "touch" else {}
    page = enter(studio, **phone)
    choose(page, "Gouache fields", "Paper lantern", "Ink & mist")
    handles = page.locator("[data-grip]")
    handles.nth(2).scroll_into_view_if_needed()
    start, end = handles.nth(2).bounding_box(), handles.nth(0).bounding_box()
    assert start and end
    x, down, up = start["x"] + 10, start["y"] + 10, end["y"] + 2
    if pointer == "mouse":
        page.mouse.move(x, down)
        page.mouse.down()
        page.mouse.move(x, (down + up) / 2, steps=4)
        page.mouse.move(x, up, steps=4)
        page.mouse.up()
    else:
        finger = page.context.new_cdp_session(page)
        touch = "Input.dispatchTouchEvent"
        finger.send(touch, {"type": "touchStart", "touchPoints": [{"x": x, "y": down}]})
        for y in (down - 20, (down + up) / 2, up):
            finger.send(touch, {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
        finger.send(touch, {"type": "touchEnd", "touchPoints": []})
    expect(rows(page)).to_have_text(["Ink & mist", "Gouache fields", "Paper lantern"])
    expect(page.locator("#final-prompt")).to_contain_text("inkmist style, gouache painting, layered papercut")
    choose(page, "Pixel hollow")
    expect(rows(page)).to_have_text(["Ink & mist", "Gouache fields", "Paper lantern", "Pixel hollow"])


def test_a_weight_outside_the_safe_range_is_warned_of_while_it_moves(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    choose(page, "Gouache fields")
    slider = page.get_by_role("slider", name="Weight of Gouache fields")
    expect(page.locator(".mix")).to_contain_text("safe from 0.60 to 1.00")
    slider.focus()
    for _press in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("above the safe range, pictures may break")).to_be_visible()
    expect(page.locator(".mix").get_by_text("safe from 0.60 to 1.00")).to_be_hidden()
    slider.fill("0.3")
    expect(page.get_by_text("below the safe range, it may hardly show")).to_be_visible()
    slider.fill("0.6")
    expect(page.get_by_text("below the safe range, it may hardly show")).to_be_hidden()


def test_a_preset_fills_the_form_with_one_press_and_goes_with_another(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    page.get_by_role("textbox", name="Prompt", exact=True).fill("two cottages")
    choose(page, "Gouache fields")
    page.get_by_role("button", name="Use preset: Wide valley").click()
    final = page.locator("#final-prompt")
    expect(final).to_contain_text("gouache painting, wide landscape, two cottages, soft morning light")
    expect(page.get_by_role("radio", name="16:9, 1344 × 768")).to_be_checked()
    expect(page.locator("#steps")).to_have_value("8")
    expect(page.locator("#negative")).to_have_value("people")
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("two cottages")
    job = ask(page, "two cottages at dusk")
    look(job, "done")
    page.get_by_role("button", name="Remove preset: Wide valley").click()
    expect(final).to_contain_text("gouache painting, two cottages at dusk")
    expect(final).not_to_contain_text("wide landscape")
    job.get_by_role("link", name="Reuse settings").first.click()
    expect(page.get_by_role("button", name="Remove preset: Wide valley")).to_be_visible()
    expect(final).to_contain_text("wide landscape, two cottages at dusk, soft morning light")


@pytest.mark.heavy
def test_the_present_form_is_saved_as_a_preset(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio, "bob")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("a small boat")
    choose(page, "Paper lantern")
    page.get_by_text("Save as preset").click()
    page.get_by_label("After the prompt").fill("lit from behind")
    page.get_by_label("Name of the preset").fill("Lamp light")
    page.get_by_label("Name of the preset").press("Enter")
    expect(page.get_by_role("status").get_by_text("The preset is saved for Paper lantern.")).to_be_visible()
    expect(page.get_by_role("button", name="Remove preset: Lamp light")).to_be_visible()
    expect(page.locator("#final-prompt")).to_contain_text("layered papercut, a small boat, lit from behind")
    expect(page.locator("article.job").filter(has_text="a small boat")).to_have_count(0)
    page.goto(f"{studio.url}/styles/paper-lantern/")
    page.get_by_role("button", name="Delete Lamp light").click()
    expect(page.get_by_text("Lamp light is deleted.")).to_be_visible()


@pytest.mark.heavy
def test_without_javascript_the_mix_is_ordered_and_a_preset_used(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio, java_script_enabled=False)
    page.get_by_role("checkbox", name="Gouache fields v1").check()
    page.get_by_role("checkbox", name="Paper lantern v1").check()
    page.get_by_role("button", name="Show the chosen styles").click()
    page.get_by_role("button", name="Move Paper lantern up").click()
    expect(rows(page)).to_have_text(["Paper lantern", "Gouache fields"])
    page.get_by_role("slider", name="Weight of Paper lantern").fill("1.5")
    page.get_by_role("button", name="Use preset: Wide valley").click()
    expect(rows(page)).to_have_text(["Paper lantern", "Gouache fields"])
    expect(page.get_by_text("above the safe range, pictures may break").locator("visible=true")).to_have_count(1)
    expect(page.get_by_role("radio", name="16:9, 1344 × 768")).to_be_checked()
    page.get_by_role("button", name="Remove preset: Wide valley").click()
    expect(page.get_by_role("button", name="Use preset: Wide valley")).to_be_visible()


@pytest.mark.heavy
def test_the_sheet_is_shown_large_beside_the_style_under_the_pointer(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    card, face = page.locator(".style-card", has_text="Paper lantern"), page.get_by_role("tooltip")
    card.hover()
    expect(face).to_contain_text("layered papercut")
    expect(face).to_contain_text("safe from 0.30 to 0.90")
    beside, at = card.bounding_box(), face.bounding_box()
    assert beside and at and at["x"] >= beside["x"] + beside["width"] - 1
    assert at["y"] >= 0 and at["y"] + at["height"] <= 900
    page.mouse.move(at["x"] + 40, beside["y"] + 10)  # it stays while the pointer is on it
    expect(face).to_be_visible()
    page.keyboard.press("Escape")
    expect(face).to_have_count(0)
    page.mouse.move(900, 10)
    page.locator("#style-q").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(face).to_have_count(1)
    page.keyboard.press("Escape")
    expect(face).to_have_count(0)


@pytest.mark.heavy
def test_a_style_is_found_by_kind_and_by_words_in_any_order(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    cards = page.locator(".style-card")
    page.get_by_role("searchbox", name="Find a style").fill("papercut illustration")
    expect(cards.locator("visible=true")).to_have_count(1)
    page.get_by_role("searchbox", name="Find a style").fill("nothing of the kind")
    expect(page.get_by_text("No style matches.")).to_be_visible()


@pytest.mark.heavy  # by default a dialog of test_keys.py is asked for again
def test_styles_that_did_not_arrive_are_asked_for_again_when_one_is_searched(
    studio: Studio, enter: Enter, complaints: Complaints
) -> None:
    page = enter(studio)
    page.route("**/compose/styles/**", lambda route: route.abort())
    # The browser keeps the cards that it has seen, so there have to be others.
    others = "[Style.objects.create(name=f'Woodcut {n}').versions.update(trigger_words='woodcut') for n in range(6)]"
    studio.manage("shell", "-c", f"from styles.models import Style; {others}")
    page.reload()
    search, cards = page.get_by_role("searchbox", name="Find a style"), page.locator(".style-card")
    search.fill("woodcut")
    expect(page.locator("#toast .toast")).to_be_visible()
    page.unroute("**/compose/styles/**")
    search.fill("woodcut 5")
    expect(cards.locator("visible=true")).to_have_count(1)
    for told in ("ERR_FAILED", "HTMLParagraphElement"):
        complaints.allow(told)


@pytest.mark.heavy
@pytest.mark.parametrize(("theme", "width"), [("dark", 1440), ("light", 1440), ("dark", 390)])
def test_everything_at_once_fits(
    studio: Studio, engine: PreviewThread, enter: Enter, tmp_path: Path, theme: str, width: int
) -> None:
    phone = {"has_touch": True, "is_mobile": True} if width < 761 else {}
    page = enter(studio, width=width, **phone)
    page.context.add_cookies([{"name": "theme", "value": theme, "url": studio.url}])
    page.reload()
    page.get_by_role("textbox", name="Prompt", exact=True).fill("two cottages")
    choose(page, "Gouache fields", "Paper lantern", "Pixel hollow")
    page.get_by_role("slider", name="Weight of Paper lantern").fill("1.3")
    page.get_by_role("button", name="Use preset: Wide valley").click()
    expect(page.get_by_role("radio", name="16:9, 1344 × 768")).to_be_checked()
    page.screenshot(path=tmp_path / "mix.png", full_page=width < 761)
    page.get_by_text("Save as preset").click()
    page.screenshot(path=tmp_path / "save.png", full_page=width < 761)
    if width > 760:
        page.locator(".style-card", has_text="Paper lantern").hover()
        expect(page.get_by_role("tooltip")).to_be_visible()
        page.screenshot(path=tmp_path / "face.png", animations="disabled")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for place in ("gouache-fields/", "gouache-fields/edit/"):
        page.goto(f"{studio.url}/styles/{place}")
        page.screenshot(path=tmp_path / f"{place.split('/')[-2]}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
