"""A zip of pictures from elsewhere comes into the gallery; its card moves on the open page, and takes it back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio

Enter = Callable[..., Page]
PATIENCE = 60_000  # milliseconds
PICTURES = 12


def archive(folder: Path, prompt: str) -> Path:
    """A zip of pictures as ComfyUI saves them, and one that is none."""
    target = folder / "comfy-output.zip"
    with zipfile.ZipFile(target, "w") as packed:
        for number in range(PICTURES):
            graph = {
                "1": {"class_type": "CLIPTextEncode", "inputs": {"text": f"{prompt} {number}"}},
                "2": {
                    "class_type": "KSampler",
                    "inputs": {"seed": 4_100_000 + number, "steps": 20, "positive": ["1", 0]},
                },
            }
            info, file = PngInfo(), io.BytesIO()
            info.add_text("prompt", json.dumps(graph))
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
            packed.writestr(f"2025/ComfyUI_{number:05}_.png", file.getvalue())
        packed.writestr("2025/broken.png", b"\x89PNG\r\n\x1a\n and no more")
    return target


@pytest.mark.heavy
@pytest.mark.heavy  # tests/generation/takeover has it without a browser
def test_a_zip_comes_into_the_gallery_leaves_it_and_comes_back(studio: Studio, enter: Enter, tmp_path: Path) -> None:
    prompt = "a lantern that was painted elsewhere"
    page = enter(studio, path="/takeovers/")
    page.locator("#archive").set_input_files(archive(tmp_path, prompt))
    card = page.locator("article.job").first
    # Sent, looked at by a worker, told to the open page.
    expect(card).to_contain_text(f"{PICTURES} pictures taken over", timeout=PATIENCE)
    expect(card).to_contain_text("1 file was not taken")
    expect(card).to_contain_text("broken.png")
    page.goto(f"{studio.url}/gallery/?q=lantern+elsewhere")
    expect(page.locator("#wall figure.tile")).to_have_count(PICTURES)
    page.goto(f"{studio.url}/gallery/?q=seed:4100003")
    expect(page.locator("#wall figure.tile")).to_have_count(1)
    page.goto(f"{studio.url}/takeovers/")
    card.get_by_role("link", name="comfy-output.zip").click()
    card.get_by_role("button", name="Remove all of its pictures").click()
    expect(card).to_contain_text("Its pictures are in the trash.")
    card.get_by_role("button", name="Put them back").click()
    expect(card.get_by_role("button", name="Remove all of its pictures")).to_be_visible()
    page.goto(f"{studio.url}/gallery/?q=lantern+elsewhere")
    expect(page.locator("#wall figure.tile")).to_have_count(PICTURES)
    page.goto(f"{studio.url}/queue/")
    rows = page.locator("tr", has_text="comfy-output.zip")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("1 file was not taken")
