"""A LoRA file comes in, becomes a style, gets a second version, goes back to the first, and makes a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Complaints, Studio
from tests.browser.generation.test_stories import ask, look
from tests.styles.lora.files import kohya_sdxl, packed

Enter = Callable[..., Page]
TOLD = {"modelspec.title": "Watercolour", "modelspec.trigger_phrase": "wtrclr", "modelspec.license": "CC0"}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two epochs of a LoRA, and a file that is none."""
    (tmp_path / "first.safetensors").write_bytes(packed(kohya_sdxl(4), TOLD))
    (tmp_path / "second.safetensors").write_bytes(packed(kohya_sdxl(8), TOLD | {"modelspec.title": "Second"}))
    (tmp_path / "bad.safetensors").write_bytes(b"\x80\x02}q\x00." * 9)
    return [tmp_path / f"{name}.safetensors" for name in ("first", "second", "bad")]


def dialog(page: Page) -> Locator:
    """The dialog, opened on the Styles page."""
    page.get_by_role("button", name="Import style").click()
    return page.get_by_role("dialog", name="Import a style")


def version(page: Page, number: int) -> Locator:
    """A row of the list of versions."""
    return page.locator("#versions li").filter(has=page.get_by_role("link", name=f"v{number}", exact=True))


@pytest.mark.heavy
def test_a_file_becomes_a_style_gets_a_second_version_and_goes_back(
    studio: Studio, engine: PreviewThread, enter: Enter, complaints: Complaints, files: list[Path], tmp_path: Path
) -> None:
    first, second, bad = files
    page = enter(studio, path="/styles/")
    box = dialog(page)
    box.locator("#lora-file").set_input_files([first, bad])
    expect(box.locator("li").filter(has_text="bad.safetensors")).to_contain_text("Such files can run programs")
    complaints.allow("status of 422")
    form = box.get_by_role("form", name="first.safetensors")
    expect(form.get_by_label("Name")).to_have_value("Watercolour")
    expect(form.get_by_label("Trigger words")).to_have_value("wtrclr")
    form.get_by_label("Licence or source").fill("")
    form.get_by_role("button", name="Import style").click()
    expect(form.get_by_text("Say where it came from")).to_be_visible()
    complaints.allow("status of 422")
    page.screenshot(path=tmp_path / "refused.png")
    form.get_by_label("Licence or source").fill("our own")
    form.get_by_role("button", name="Import style").click()
    page.wait_for_url("**/styles/watercolour/")
    expect(page.get_by_role("heading", name="Watercolour", level=1)).to_be_visible()
    expect(page.locator(".sheet img").first).to_be_visible(timeout=60_000)
    page.screenshot(path=tmp_path / "style.png", full_page=True)

    page.goto(f"{studio.url}/styles/")
    box = dialog(page)
    box.locator("#lora-file").set_input_files(second)
    form = box.get_by_role("form", name="second.safetensors")
    form.get_by_label("Version of").select_option("Watercolour")
    form.get_by_role("button", name="Import style").click()
    page.wait_for_url("**/styles/watercolour/")
    expect(version(page, 2)).to_contain_text("Published")
    expect(version(page, 1)).to_contain_text("Archived")
    version(page, 1).get_by_role("button", name="Publish again").click()
    expect(page.get_by_text("Watercolour v1 is published.")).to_be_visible()
    expect(version(page, 1)).to_contain_text("Published")
    expect(version(page, 2)).to_contain_text("Archived")
    page.screenshot(path=tmp_path / "versions.png", full_page=True)

    page.get_by_role("link", name="Use in Studio").click()
    expect(page.get_by_role("checkbox", name="Watercolour v1")).to_be_checked()
    job = ask(page, "a boat in wtrclr")
    look(job, "done")
    expect(job).to_contain_text("Watercolour v1")
    installed = page.request.get(f"{engine.url}/models/loras").json()
    assert any(name.startswith("stylestudio_watercolour_v1_") for name in installed)


PAGES = ("/styles/", "/styles/import/", "/styles/new/", "/engines/loras/", "/queue/", "/gallery/")


@pytest.mark.heavy
def test_no_page_is_wider_than_a_phone(studio: Studio, enter: Enter) -> None:
    page = enter(studio, width=390)
    for path in PAGES:
        page.goto(f"{studio.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path
        expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
        expect(page.get_by_role("button", name="Your account")).to_be_in_viewport()


@pytest.mark.heavy
def test_the_import_says_what_engines_read_and_asks_what_is_not_clear(
    studio: Studio, engine: PreviewThread, enter: Enter, complaints: Complaints, tmp_path: Path
) -> None:
    module = "unet.down_blocks.1.attentions.1.transformer_blocks.1.attn2.to_v"
    told = {"modelspec.title": "Lichen", "modelspec.license": "CC0", "modelspec.lora_default_weight": "-1.5"}
    told["lora_adapter_metadata"] = '{"unet.r": 4, "unet.lora_alpha": 8}'
    shapes = {f"{module}.lora.down.weight": [4, 2048], f"{module}.lora.up.weight": [640, 4]}
    (tmp_path / "lichen.safetensors").write_bytes(packed(shapes, told))
    (tmp_path / "lcm_lora_sdxl.safetensors").write_bytes(packed(kohya_sdxl(2), {"modelspec.license": "CC0"}))
    (tmp_path / "ia3.safetensors").write_bytes(packed({f"lycoris_{module.replace('.', '_')[5:]}.on_input": []}))
    page = enter(studio, path="/styles/")
    box = dialog(page)
    names = ("lichen", "lcm_lora_sdxl", "ia3")
    box.locator("#lora-file").set_input_files([tmp_path / f"{name}.safetensors" for name in names])
    expect(box.locator("li").filter(has_text="ia3.safetensors")).to_contain_text(
        "This is IA3, which ComfyUI cannot load"
    )
    complaints.allow("status of 422")
    form = box.get_by_role("form", name="lichen.safetensors")
    expect(form).to_contain_text(
        "ComfyUI reads 0 of 2 tensors as they are spelled here. Engines get a copy that it reads."
    )
    expect(form).to_contain_text("rank 4, alpha 8")
    expect(form.get_by_label("Default strength")).to_have_value("-1.5")
    fast = box.get_by_role("form", name="lcm_lora_sdxl.safetensors")
    expect(fast).to_contain_text("This looks like an accelerator, not like a style: LCM.")
    page.screenshot(path=tmp_path / "asked.png")
    fast.get_by_role("button", name="Import style").click()
    expect(fast.get_by_text("Say that it is a style, or discard it.")).to_be_visible()
    complaints.allow("status of 422")
    fast.get_by_role("button", name="Discard").click()
    expect(fast).to_have_count(0)
    form.get_by_role("button", name="Import style").click()
    page.wait_for_url("**/styles/lichen/")
    expect(page.get_by_text("Engines' copy")).to_be_visible()
    page.get_by_role("link", name="Use in Studio").click()
    expect(page.get_by_role("slider", name="Weight of Lichen")).to_have_value("-1.5")
    look(ask(page, "a wall"), "done")
    installed = page.request.get(f"{engine.url}/models/loras").json()
    assert any(name.startswith("stylestudio_lichen_v1_") for name in installed)
    page.goto(f"{studio.url}/styles/")
    box = dialog(page)
    again = packed({**shapes, f"{module}.alpha": []}, told)
    (tmp_path / "lichen2.safetensors").write_bytes(again)
    box.locator("#lora-file").set_input_files(tmp_path / "lichen2.safetensors")
    form = box.get_by_role("form", name="lichen2.safetensors")
    expect(form).to_contain_text("There is a style Lichen already.")
    form.get_by_role("button", name="Import style").click()
    expect(form.get_by_text("Say if this is a new version of it")).to_be_visible()
    complaints.allow("status of 422")
    page.screenshot(path=tmp_path / "named.png")
    form.get_by_label("This is a new version of it").check()
    form.get_by_role("button", name="Import style").click()
    page.wait_for_url("**/styles/lichen/")
    expect(version(page, 2)).to_contain_text("Published")
