"""Pictures are dropped into a dataset: alone, with their captions, as a folder, as a zip, from the gallery."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Complaints, Studio

Enter = Callable[..., Page]
PATIENCE = 60_000  # milliseconds


def picture(folder: Path, name: str, seed: int, side: int = 256, quality: int = 85) -> Path:
    patches = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(patches).resize((side, side), Image.Resampling.BICUBIC).save(target, "JPEG", quality=quality)
    return target


@pytest.fixture
def dataset(studio: Studio) -> str:
    """The slug of a new dataset of ada's."""
    name = f"set-{time.monotonic_ns()}"
    make = (
        "from django.contrib.auth.models import User; from training.datasets.models import Dataset;"
        f"Dataset.objects.create(name='{name}', owner=User.objects.get(username='ada'))"
    )
    studio.manage("shell", "-c", make)
    return name


def told(studio: Studio, slug: str) -> tuple[list[str], dict[str, str]]:
    """Names in their order, and captions."""
    ask = (
        "import json; from training.datasets.models import DatasetImage;"
        f"found = DatasetImage.objects.filter(dataset__slug='{slug}').values_list('source_name', 'caption');"
        "print('>>' + json.dumps(list(found)))"
    )
    out = studio.manage("shell", "-c", ask).stdout
    rows = json.loads(out.split(">>")[1])
    return [name for name, _caption in rows], {name: caption for name, caption in rows if caption}


def rows(page: Page) -> Locator:
    return page.get_by_role("list", name="Uploads").get_by_role("listitem")


def test_pictures_and_captions_are_chosen_together_and_what_is_bad_is_named(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path
) -> None:
    files = [picture(tmp_path, f"{at}.jpg", at) for at in range(1, 31)]
    words, bad, empty, strange = (tmp_path / name for name in ("7.txt", "bad.png", "empty.jpg", "tool.exe"))
    words.write_text("red hills")
    bad.write_bytes(b"no picture")
    empty.touch()
    strange.write_bytes(b"MZ")
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_label("Drop pictures").set_input_files([words, bad, *files, empty, strange])
    expect(rows(page).first).to_contain_text("30 added · captions for 1 · 3 not taken", timeout=PATIENCE)
    expect(rows(page).first).to_contain_text("34 files")
    expect(rows(page)).to_have_count(4)
    expect(rows(page).filter(has_text="bad.png")).to_contain_text("This file is not a PNG")
    expect(rows(page).filter(has_text="empty.jpg")).to_contain_text("This file is empty.")
    expect(rows(page).filter(has_text="tool.exe")).to_contain_text("neither a picture nor a caption")
    names, captions = told(studio, dataset)
    assert names == [f"{at}.jpg" for at in range(1, 31)]
    assert captions == {"7.jpg": "red hills"}
    page.get_by_label("Drop pictures").set_input_files(files[:4])
    expect(rows(page)).to_contain_text(["4 here already"], timeout=PATIENCE)


@pytest.mark.heavy
def test_a_large_picture_goes_in_parts_between_small_ones(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path
) -> None:
    noise = Image.effect_noise((3200, 3000), 90).convert("RGB")
    large = tmp_path / "2.png"
    noise.save(large)
    assert large.stat().st_size > 8 * 2**20
    files = [picture(tmp_path, "1.jpg", 1), large, picture(tmp_path, "3.jpg", 3)]
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_label("Drop pictures").set_input_files(files)
    expect(rows(page)).to_contain_text(["3 added"], timeout=PATIENCE)
    assert told(studio, dataset)[0] == ["1.jpg", "2.png", "3.jpg"]


@pytest.mark.heavy
def test_a_zip_is_taken_in_by_a_worker_and_says_so_on_its_card(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for at in range(12):
            packed.write(picture(tmp_path, f"{at}.jpg", at), f"7_inkmist/{at}.jpg")
        packed.writestr("7_inkmist/3.txt", "inkmist, a river")
        packed.writestr("../evil.png", b"x")
    target = tmp_path / "set.zip"
    target.write_bytes(archive.getvalue())
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_label("Drop pictures").set_input_files(target)
    card = page.get_by_role("article").filter(has_text="set.zip")
    expect(card).to_contain_text("12 pictures added", timeout=PATIENCE)
    expect(card).to_contain_text("1 file was not taken", timeout=PATIENCE)
    expect(card).to_contain_text("Its name leads out of the folder.")
    expect(rows(page)).to_have_count(0)
    names, captions = told(studio, dataset)
    assert len(names) == 12
    assert captions == {"7_inkmist/3.jpg": "a river"}


@pytest.mark.heavy
def test_a_folder_is_chosen_with_everything_in_it(studio: Studio, enter: Enter, dataset: str, tmp_path: Path) -> None:
    folder = tmp_path / "my set"
    for at in range(3):
        picture(folder, f"a/{at}.jpg", at)
        picture(folder, f"b/{at}.jpg", 10 + at)
    (folder / "a/1.txt").write_text("of a")
    (folder / "b/1.caption").write_text("of b")
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_label("Choose a folder").set_input_files(folder)
    expect(rows(page)).to_contain_text(["6 added · captions for 2"], timeout=PATIENCE)
    names, captions = told(studio, dataset)
    assert names == [f"my set/{part}/{at}.jpg" for part in "ab" for at in range(3)]
    assert captions == {"my set/a/1.jpg": "of a", "my set/b/1.jpg": "of b"}


DROP_A_FOLDER = """async (form) => {
    // A browser gives folders only to real hands; these entries behave as its own do, a few names at a time.
    const drawing = document.createElement("canvas");
    drawing.width = drawing.height = 64;
    const ink = drawing.getContext("2d");
    const picture = async (colour) => {
        ink.fillStyle = colour;
        ink.fillRect(0, 0, 40, 64);
        return new Promise((done) => drawing.toBlob(done, "image/png"));
    };
    const file = (name, parts) => ({ isFile: true, name, file: (done) => done(new File(parts, name)) });
    const folder = (name, inside) => ({
        isDirectory: true, name,
        createReader: () => { const rest = [...inside]; return { readEntries: (done) => done(rest.splice(0, 2)) }; },
    });
    const dropped = folder("set", [
        file("1.png", [await picture("red")]), file("notes.docx", ["x".repeat(5000)]), file("1.txt", ["red hills"]),
        folder("deep", [file("1.png", [await picture("blue")]), file(".hidden", ["x"])]),
    ]);
    const event = new Event("drop", { bubbles: true, cancelable: true });
    const items = [{ webkitGetAsEntry: () => dropped }];
    Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], items, files: [] } });
    form.dispatchEvent(event);
}"""


@pytest.mark.heavy
def test_a_folder_is_dropped_with_everything_in_it(studio: Studio, enter: Enter, dataset: str) -> None:
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.locator("#collect").evaluate(DROP_A_FOLDER)
    expect(rows(page).first).to_contain_text("2 added · captions for 1 · 1 not taken", timeout=PATIENCE)
    expect(rows(page).filter(has_text="set/notes.docx")).to_contain_text("neither a picture nor a caption")
    names, captions = told(studio, dataset)
    assert names == ["set/1.png", "set/deep/1.png"]
    assert captions == {"set/1.png": "red hills"}


@pytest.mark.heavy
def test_a_broken_zip_and_a_picture_of_another_kind_say_why(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path, complaints: Complaints
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 not really")
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_label("Drop pictures").set_input_files(broken)
    expect(rows(page)).to_contain_text("This is no zip file, or it is broken.", timeout=PATIENCE)
    complaints.allow("422")


@pytest.mark.heavy
def test_pictures_of_the_gallery_are_ticked_counted_and_come_in(studio: Studio, enter: Enter, dataset: str) -> None:
    studio.manage("generate", "--prompt", "three lighthouses", "--count", "3", "--user", "ada")
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_role("link", name="Add from the gallery").click()
    page.get_by_role("searchbox", name="Search prompts").fill("three lighthouses")
    page.keyboard.press("Enter")
    boxes = page.get_by_role("checkbox", name="three lighthouses")
    expect(boxes).to_have_count(3)
    boxes.nth(0).check()
    boxes.nth(2).check()
    page.get_by_role("button", name="Add pictures 2").click()
    expect(page.get_by_text("2 pictures added")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(2)
    assert list(told(studio, dataset)[1].values()) == ["three lighthouses"] * 2
    page.go_back()
    page.reload()
    expect(page.get_by_text("In the dataset")).to_have_count(2)
    expect(boxes).to_have_count(1)  # what is in it cannot be ticked again


@pytest.mark.heavy
def test_without_javascript_several_files_come_with_a_plain_form(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path, complaints: Complaints
) -> None:
    page = enter(studio, path=f"/datasets/{dataset}/", java_script_enabled=False)
    files = [picture(tmp_path, f"{at}.jpg", at) for at in range(3)]
    page.get_by_label("Drop pictures").set_input_files(files)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status")).to_contain_text("3 pictures added")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"x")
    page.get_by_label("Drop pictures").set_input_files([bad])
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("main")).to_contain_text("bad.png")
    expect(page.get_by_role("main")).to_contain_text("This file is not a PNG")
    complaints.allow("422")


@pytest.mark.heavy
@pytest.mark.parametrize("count", [200, 2000])
def test_many_loose_files_are_taken_in_without_freezing_the_page(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [picture(tmp_path, f"{at:04}.jpg", at, side=1024, quality=90) for at in range(count)]
    weight = sum(file.stat().st_size for file in files) / count / 1000
    page = enter(studio, path=f"/datasets/{dataset}/")
    watch = """() => {
        window.longest = window.rows = 0;
        let last = performance.now();
        setInterval(() => {
            const now = performance.now();
            window.longest = Math.max(window.longest, now - last - 50);
            window.rows = Math.max(window.rows, document.querySelectorAll(".uploads li").length);
            last = now;
        }, 50);
    }"""
    page.evaluate(watch)
    began = time.monotonic()
    page.get_by_label("Drop pictures").set_input_files(files)
    expect(rows(page)).to_contain_text(f"{count:,} added", timeout=600_000)
    seconds = time.monotonic() - began
    longest, most_rows = page.evaluate("[window.longest, window.rows]")
    with capsys.disabled():
        print(f"\n{count} loose files of {weight:.0f} kB: {seconds:.1f} s, {count / seconds:.1f}/s, "
              f"page held up {longest:.0f} ms at most")  # fmt: skip
    assert len(told(studio, dataset)[0]) == count
    assert most_rows == 1
