"""Sheets in the real loaders of game engines, which npm brings: what they draw of a frame is what the frame shows."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page

from generation.derivations.sheets.making import Sheet, make
from generation.derivations.sheets.pieces import Frame
from generation.derivations.sheets.wishes import Layout, Wish
from tests.browser import godot
from tests.browser.conftest import CHROMIUM, the_browser, the_driver
from tests.generation.derivations.sheets.reading import pictures, same

pytestmark = pytest.mark.heavy
LOADERS = Path(__file__).parent / "loaders"
PIXI = """async (told) => {
  const source = new PIXI.TextureSource({ width: told.meta.size.w, height: told.meta.size.h });
  const sheet = new PIXI.Spritesheet(new PIXI.Texture({ source }), told);
  const box = (area) => area && [area.x, area.y, area.width, area.height];
  const found = Object.entries(await sheet.parse());
  return {
    frames: found.map(([name, each]) => [name, box(each.frame), box(each.trim), box(each.orig), each.rotate]),
    animations: Object.fromEntries(Object.entries(sheet.animations).map(([name, each]) => [name, each.length])),
  };
}"""
PHASER = """([key, told, moving, sizes]) => new Promise((done) => new Phaser.Game({
  type: Phaser.HEADLESS, width: 8, height: 8, audio: { noAudio: true }, banner: false,
  scene: { create() {
    const sheets = sizes.map(([width, height]) => Object.assign(document.createElement("canvas"), { width, height }));
    const texture = told.textures
      ? this.textures.addAtlasJSONArray(key, sheets, told.textures)
      : this.textures.addAtlasJSONHash(key, sheets[0], told);
    if (moving) this.anims.fromJSON(moving);
    done({
      frames: texture.getFrameNames().map((name) => {
        const each = texture.get(name);
        const cut = [each.cutX, each.cutY, each.cutWidth, each.cutHeight];
        return [name, cut, [each.x, each.y], [each.realWidth, each.realHeight], each.sourceIndex, each.rotated];
      }),
      animations: moving ? Object.fromEntries(moving.anims.map(({ key: name }) => {
        const made = this.anims.get(name);
        return [name, [made.frames.length, made.frames.every((each) => !each.frame.texture.key.startsWith("__"))]];
      })) : {},
    });
  } },
}))"""


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned packages, installed."""
    place = tmp_path_factory.mktemp("loaders")
    shutil.copytree(LOADERS, place, dirs_exist_ok=True)
    npm = shutil.which("npm")
    assert npm, "this test needs npm: apt-get install npm"
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, check=True, timeout=600)
    return place


@pytest.fixture(scope="module")
def page(loaders: Path) -> Page:
    """An empty page with Pixi and Phaser."""
    page = the_browser().new_page()
    page.set_content("<body></body>")
    for script in ("pixi.js/dist/pixi.min.js", "phaser/dist/phaser.min.js"):
        page.add_script_tag(path=loaders / "node_modules" / script)
    return page


def frames() -> list[Frame]:
    """Trimmed, whole, clear, alike, translucent; and an animation."""
    found = []
    for number in range(24):
        image = Image.new("RGBA", (40 + number, 64 - number))
        if number != 5:
            box = (number % 7, number % 5, 20 + number, 30 + number % 9)
            ImageDraw.Draw(image).ellipse(box, fill=(9 * number, 200, 90, 255 if number % 2 else 120))
        found.append(Frame(f"walk_{number:02}" if number < 8 else f"icon {number} 火", image))
    return [*found, Frame("same", found[9].image), Frame("whole", Image.new("RGBA", (17, 33), (1, 2, 3, 255)))]


def drawn(sheet: Image.Image, cut: list[float], at: list[float], size: list[float]) -> Image.Image:
    """The frame that an engine draws: this part of the sheet, at this place of a picture of this size."""
    x, y, wide, high = map(int, cut)
    whole = Image.new("RGBA", (int(size[0]), int(size[1])))
    whole.paste(sheet.crop((x, y, x + wide, y + high)), (int(at[0]), int(at[1])))
    return whole


def read(made: Sheet) -> dict[str, Any]:
    """Its JSON files by name."""
    return {name: json.loads(data) for name, data in made.files.items() if name.endswith(".json")}


WANTED = {each.name: each.image for each in frames()}


@pytest.mark.parametrize("most_side", [2048, 128])
def test_pixi_draws_every_frame_and_knows_the_animation(page: Page, most_side: int) -> None:
    made = make(frames(), Wish(layout=Layout(most_side)))
    found: dict[str, Image.Image] = {}
    for told in read(made).values():
        answer = page.evaluate(PIXI, told)
        sheet = pictures(made.files)[told["meta"]["image"]]
        for name, cut, trim, whole, turned in answer["frames"]:
            assert turned == 0
            found[name] = drawn(sheet, cut, trim or [0, 0], whole[2:])
        assert most_side < 2048 or answer["animations"] == {"walk": 8}
    assert found.keys() == WANTED.keys() and all(same(found[name], image) for name, image in WANTED.items())


@pytest.mark.parametrize("written", ["hash", "phaser"])
def test_phaser_draws_every_frame_and_knows_the_animation(page: Page, written: str) -> None:
    side = 128 if written == "phaser" else 2048
    made = make(frames(), Wish(name="fox", engine=written, layout=Layout(side)))
    told, sheets = read(made), list(pictures(made.files).values())
    moving = told.get("fox-animations.json")
    main = told["fox.json" if written == "phaser" else "fox-1.json"]
    answer = page.evaluate(PHASER, ["fox", main, moving, [list(each.size) for each in sheets]])
    found = {}
    for name, cut, at, size, source, turned in answer["frames"]:
        assert not turned
        found[name] = drawn(sheets[source], cut, at, size)
    assert found.keys() == WANTED.keys() and all(same(found[name], image) for name, image in WANTED.items())
    assert not moving or answer["animations"] == {"walk": [8, True]}


def test_babylon_draws_every_frame(loaders: Path, tmp_path: Path) -> None:
    made = make(frames(), Wish(engine="babylon"))
    [sheet] = pictures(made.files).values()
    (tmp_path / "sheet.json").write_bytes(made.files["sheet-1.json"])
    command = ["node", "babylon.mjs", str(tmp_path / "sheet.json")]
    ran = subprocess.run(command, cwd=loaders, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found.keys() == WANTED.keys()
    for name, (across, down, wide, high) in found.items():
        corner = [round(across * sheet.width), round(down * sheet.height)]
        assert same(drawn(sheet, [*corner, wide, high], [0, 0], [wide, high]), WANTED[name])


@pytest.mark.parametrize("most_side", [2048, 128])
def test_godot_draws_every_frame_and_knows_the_animation(loaders: Path, most_side: int) -> None:
    made = make(frames(), Wish(name="fox", engine="godot", milliseconds=80, layout=Layout(most_side)))
    assert most_side > 128 or len(pictures(made.files)) > 1
    with closing(the_driver().chromium.launch(executable_path=CHROMIUM, args=godot.FLAGS)) as chromium:
        said = godot.opened(chromium, loaders, made.files)
    told = [line.split(" ", 1) for line in said if line.startswith(("frame ", "animation "))]
    found = {}
    for path, wide, high, pixels in (json.loads(facts) for kind, facts in told if kind == "frame"):
        found[path] = Image.frombytes("RGBA", (wide, high), base64.b64decode(pixels))
    wanted = {f"res://{name}.tres": image for name, image in WANTED.items()}
    wanted |= {f"walk {number}": WANTED[f"walk_{number:02}"] for number in range(8)}
    assert found.keys() == wanted.keys(), said[:9]
    assert [path for path, image in wanted.items() if not same(found[path], image)] == []
    assert [json.loads(facts) for kind, facts in told if kind == "animation"] == [["walk", 12.5, True, 8]]
