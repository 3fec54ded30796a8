"""Making pictures in a browser: live progress, reload, cancel, failure, image to image, no JavaScript, phone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import FailNode, Hold, OutOfMemory
from tests.browser.conftest import Complaints, Studio, until

Enter = Callable[..., Page]


def ask(page: Page, prompt: str, count: int = 1) -> Locator:
    """Fill the form, press Generate, and give the card back."""
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.get_by_role("group", name="Pictures").get_by_text(str(count), exact=True).click()
    page.get_by_role("button", name="Generate").click()
    return card(page, prompt)


def card(page: Page, prompt: str) -> Locator:
    """The job's card on this page."""
    return page.locator("article.job").filter(has_text=prompt).first


def look(job: Locator, name: str) -> None:
    """Wait until the card looks like this."""
    expect(job).to_contain_class(f"is-{name}", timeout=30_000)


def png(width: int = 96, height: int = 64) -> bytes:
    """A small picture."""
    stored = io.BytesIO()
    Image.new("RGB", (width, height), (40, 120, 200)).save(stored, "PNG")
    return stored.getvalue()


def test_progress_is_seen_live_and_again_after_a_reload(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    gate = engine.troubles.add(Hold(after_step=2))
    job = ask(page, "a lighthouse", count=2)
    # Both pictures are sent at once, and either may be the first to arrive.
    step = re.compile("Step 2 of 4 · 0 of 2 done")
    expect(job.get_by_text(step)).to_be_visible()
    page.reload()
    job = card(page, "a lighthouse")
    expect(job.get_by_text(step)).to_be_visible()
    expect(job.get_by_role("progressbar", name="Progress of this job")).to_be_visible()
    gate.release()
    look(job, "done")
    expect(job.get_by_role("img", name="a lighthouse")).to_have_count(2)


@pytest.mark.heavy
def test_two_tabs_and_a_phone_show_the_same_truth(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page, tab, phone = enter(studio), enter(studio), enter(studio, width=390)
    gate = engine.troubles.add(Hold(after_step=1))
    ask(page, "three windows")
    phone.get_by_role("group", name="View").get_by_text("Live").click()
    for window in (page, tab, phone):
        expect(card(window, "three windows").get_by_text("Step 1 of 4")).to_be_visible()
    gate.release()
    for window in (page, tab, phone):
        look(card(window, "three windows"), "done")
        expect(window.locator("article.job").filter(has_text="three windows")).to_have_count(1)


def test_a_running_job_is_cancelled_and_the_next_one_is_not_touched(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    gate = engine.troubles.add(Hold(after_step=1))
    first = ask(page, "cancel this one")
    expect(first.get_by_text("Step 1 of 4")).to_be_visible()
    second = ask(page, "leave this one")
    first.get_by_role("button", name="Cancel").click()
    look(first, "cancelled")
    gate.release()
    look(second, "done")


@pytest.mark.heavy  # a running one is by default; tests/generation/making has both
def test_a_waiting_job_is_cancelled(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    gate = engine.troubles.add(Hold(after_step=1))
    running = ask(page, "goes first", count=4)
    expect(running.get_by_text("Step 1 of 4")).to_be_visible()
    waiting = ask(page, "waits behind")
    expect(waiting.get_by_text("After")).to_be_visible()
    waiting.get_by_role("button", name="Cancel").click()
    look(waiting, "cancelled")
    gate.release()
    look(running, "done")


def test_a_failed_job_says_why_and_retry_makes_it(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    engine.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    job = ask(page, "too large a dragon")
    look(job, "failed")
    expect(job.get_by_text("The engine ran out of GPU memory.")).to_be_visible()
    job.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("article.job.is-done").filter(has_text="too large a dragon")).to_have_count(1)


@pytest.mark.heavy
def test_edit_and_retry_fills_the_form(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_role("checkbox", name="Ink & mist v1").check()
    page.get_by_role("slider", name="Weight of Ink & mist").fill("0.45")
    engine.troubles.add(FailNode(class_type="VAEDecode", times=1))
    job = ask(page, "an owl that fails")
    look(job, "failed")
    job.get_by_role("link", name="Edit and retry").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("an owl that fails")
    expect(page.get_by_role("slider", name="Weight of Ink & mist")).to_have_value("0.45")
    expect(page.get_by_role("checkbox", name="Ink & mist v1")).to_be_checked()


def test_image_to_image_starts_from_an_upload(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_text("Image to image", exact=True).click()
    page.locator("#reference-file").set_input_files({"name": "start.png", "mimeType": "image/png", "buffer": png()})
    expect(page.get_by_role("img", name="Reference picture")).to_be_visible()
    page.get_by_role("slider", name="Strength of change").fill("0.35")
    job = ask(page, "the same in winter")
    look(job, "done")
    job.get_by_role("link").filter(has=page.get_by_role("img", name="the same in winter")).click()
    expect(page.get_by_text("0.35")).to_be_visible()


@pytest.mark.heavy  # by default tests/generation/ordering/files does it
def test_a_bad_reference_is_refused_in_words(
    studio: Studio, engine: PreviewThread, enter: Enter, complaints: Complaints
) -> None:
    page = enter(studio)
    page.get_by_text("Image to image", exact=True).click()
    page.locator("#reference-file").set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": b"not a picture"}
    )
    expect(page.get_by_role("alert")).to_be_visible()
    complaints.allow("422")  # the browser itself notes every answer of this kind


def test_triggers_are_chips_and_the_final_prompt_tells(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_role("textbox", name="Prompt").fill("a quiet bay")
    page.get_by_role("checkbox", name="Ink & mist v1").check()
    expect(page.locator("#final-prompt")).to_contain_text("inkmist style, a quiet bay")
    page.get_by_role("button", name="Remove trigger words: inkmist style").click()
    expect(page.locator("#final-prompt")).not_to_contain_text("inkmist style")
    page.get_by_role("button", name="Add trigger words").click()
    expect(page.locator("#final-prompt")).to_contain_text("inkmist style, a quiet bay")
    page.get_by_role("button", name="Remove Ink & mist").click()
    expect(page.get_by_role("checkbox", name="Ink & mist v1")).not_to_be_checked()


@pytest.mark.heavy  # the story of the trash does it too
def test_a_picture_is_deleted_and_brought_back(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    look(ask(page, "delete me and undo"), "done")
    page.goto(f"{studio.url}/gallery/")
    page.get_by_role("img", name="delete me and undo").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("img", name="delete me and undo")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    page.goto(f"{studio.url}/gallery/")
    expect(page.get_by_role("img", name="delete me and undo")).to_have_count(1)


@pytest.mark.heavy  # by default tests/forms/test_by_hand.py sends every form without a script
def test_without_javascript_the_same_things_work(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio, java_script_enabled=False)
    page.get_by_role("checkbox", name="Ink & mist v1").check()
    page.mouse.move(0, 0)  # or the large picture of the style stays in front
    page.get_by_role("button", name="Show the chosen styles").click()
    expect(page.get_by_role("spinbutton", name="Weight of Ink & mist")).to_be_visible()
    page.get_by_role("textbox", name="Prompt").fill("plain forms")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("article.job.is-done").filter(has_text="plain forms")).to_be_visible(timeout=30_000)
    page.goto(f"{studio.url}/gallery/")
    expect(page.get_by_role("img", name="plain forms").first).to_be_visible()


@pytest.mark.heavy  # by default test_every_page.py looks at the form on a phone
def test_on_a_phone_a_picture_can_be_made(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio, width=390, has_touch=True, is_mobile=True)
    job = ask(page, "from the sofa")
    page.get_by_role("group", name="View").get_by_text("Live").click()
    look(job, "done")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.heavy
@pytest.mark.heavy  # tests/people and tests/live have it without a browser
def test_the_other_member_sees_the_job_but_cannot_cancel_it(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    ada, bob = enter(studio, "ada"), enter(studio, "bob")
    gate = engine.troubles.add(Hold(after_step=1))
    ask(ada, "adas own")
    bob.get_by_text("Everyone", exact=True).click()
    theirs = card(bob, "adas own")
    expect(theirs.get_by_text("Step 1 of 4")).to_be_visible()
    expect(theirs.get_by_role("button", name="Cancel")).to_be_hidden()
    gate.release()
    look(theirs, "done")


@pytest.mark.heavy
def test_the_readiness_line_follows_the_queue(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page, bobs = enter(studio), enter(studio, "bob")
    gate = engine.troubles.add(Hold(after_step=1))
    job = ask(bobs, "first in the queue")
    line = page.locator("#readiness")
    expect(line).to_contain_text("after 1 picture")
    gate.release()
    look(job, "done")
    expect(line).not_to_contain_text("before you")


# A page that stands for one in a background tab, and keeps what it would have shown.
HIDDEN = """
window.shown = [];
class Shown { constructor(title, options) { window.shown.push({ title, ...options }); } }
Shown.permission = "granted";
Shown.requestPermission = async () => Shown.permission;
window.Notification = Shown;
Object.defineProperty(document, "hidden", { get: () => true });
"""


@pytest.mark.heavy
def test_the_title_of_every_page_counts_my_jobs(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page, other, bobs = enter(studio), enter(studio, path="/gallery/"), enter(studio, "bob")
    gate = engine.troubles.add(Hold(after_step=1))
    job = ask(page, "counted")
    expect(page).to_have_title("(1) Studio · StyleStudio")
    expect(other).to_have_title("(1) Gallery · StyleStudio")
    other.reload()
    expect(other).to_have_title("(1) Gallery · StyleStudio")
    expect(bobs).to_have_title("Studio · StyleStudio")
    gate.release()
    look(job, "done")
    for window, title in ((page, "Studio · StyleStudio"), (other, "Gallery · StyleStudio")):
        expect(window).to_have_title(title)


@pytest.mark.heavy
def test_a_hidden_tab_tells_of_the_end_of_my_jobs_once_and_only_when_asked_to(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    page.context.add_init_script(HIDDEN)
    page.goto(f"{studio.url}/gallery/")
    page.get_by_role("button", name="Your account").click()
    wish = page.get_by_role("checkbox", name="Notify me when a job ends")
    expect(wish).not_to_be_checked()
    working, bobs = enter(studio), enter(studio, "bob")
    look(ask(working, "nobody asked to hear of this"), "done")
    expect(page).to_have_title("Gallery · StyleStudio")
    assert page.evaluate("shown") == []
    wish.check()
    look(ask(bobs, "bob's own affair"), "done")
    look(ask(working, "the one to hear of"), "done")
    engine.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    look(ask(working, "too large to hear of"), "failed")
    until(lambda: page.evaluate("shown.length > 1"))
    said = page.evaluate("shown.map((one) => one.title)")
    assert said == ["Finished: the one to hear of", "Failed: too large to hear of"]
    page.goto(f"{studio.url}/styles/")
    expect(page.locator("[data-notify]")).to_be_checked()
    assert page.evaluate("shown") == []


LONG_NAMES = """
from styles.models import Style
Style.objects.create(name="Watercolour coast at dawn")
"""
CUT = "found => found.filter(each => each.scrollWidth > each.clientWidth).map(each => each.textContent)"


def test_names_of_styles_are_read_in_full_and_a_phone_shows_every_shape(studio: Studio, enter: Enter) -> None:
    studio.manage("shell", "-c", LONG_NAMES)
    page = enter(studio)
    expect(page.locator(".picker")).to_contain_text("Watercolour coast at dawn")
    assert page.locator(".picker .meta b").evaluate_all(CUT) == []
    phone = enter(studio, width=390)
    shapes = phone.locator(".shapes label")
    expect(shapes).to_have_count(9)  # with a size of one's own
    for shape in shapes.all():
        expect(shape).to_be_in_viewport(ratio=1)
