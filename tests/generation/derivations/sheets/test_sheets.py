"""Sheets: every frame comes back, whatever engine it was written for, and the same frames make the same bytes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest
import rectpack
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from generation.derivations.sheets.animations import animations
from generation.derivations.sheets.making import Sheet, make
from generation.derivations.sheets.packing import Page, pack
from generation.derivations.sheets.pieces import Frame, NoSheet, cut, require_names
from generation.derivations.sheets.wishes import Layout, Wish
from tests.generation.derivations.sheets import reading

Reader = Callable[[reading.Files], dict[str, Image.Image]]
READERS: dict[str, Reader] = {
    "hash": reading.of_hash, "babylon": reading.of_hash, "phaser": reading.of_multi_atlas, "godot": reading.of_godot,
}  # fmt: skip


def frame(name: str, width: int, height: int, box: tuple[int, int, int, int] | None = None, colour: int = 1) -> Frame:
    """A clear picture with an opaque or half-clear box in it."""
    image = Image.new("RGBA", (width, height))
    if box:
        ImageDraw.Draw(image).rectangle(box, fill=(colour % 256, 200, 30, 255 if colour % 3 else 90))
    return Frame(name, image)


@st.composite
def sets_of_frames(draw: st.DrawFn) -> list[Frame]:
    """Up to 12 frames, some clear, some alike."""
    found = []
    for number in range(draw(st.integers(1, 12))):
        width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        right, bottom = draw(st.integers(left, width - 1)), draw(st.integers(top, height - 1))
        box = draw(st.sampled_from([None, (left, top, right, bottom)]))
        found.append(frame(f"f_{number}", width, height, box, draw(st.integers(0, 4))))
    return found


LAYOUTS = st.builds(
    Layout, most_side=st.sampled_from([64, 512]), padding=st.integers(0, 5), border=st.integers(0, 4),
    power_of_two=st.booleans(),
)  # fmt: skip


@pytest.mark.parametrize("engine", READERS)
@settings(max_examples=15, deadline=None)
@given(frames=sets_of_frames(), layout=LAYOUTS, trim=st.booleans())
def test_every_frame_comes_back_pixel_for_pixel(engine: str, frames: list[Frame], layout: Layout, trim: bool) -> None:
    made = make(frames, Wish(engine=engine, layout=layout, trim=trim))
    found = READERS[engine](made.files)
    assert found.keys() == {each.name for each in frames} and made.frames == len(frames)
    assert all(reading.same(found[each.name], each.image) for each in frames)


@settings(max_examples=15, deadline=None)
@given(frames=sets_of_frames(), layout=LAYOUTS)
def test_a_sprite_of_unity_turns_round_the_middle_of_its_frame(frames: list[Frame], layout: Layout) -> None:
    wanted = {each.name: each.image for each in frames}
    found = list(reading.of_unity(make(frames, Wish(engine="unity", layout=layout)).files))
    assert sorted(name for name, _drawn, _pivot in found) == sorted(wanted)
    for name, drawn, (across, down) in found:
        box = wanted[name].getchannel("A").getbbox() or (0, 0, 1, 1)
        assert reading.same(drawn, wanted[name].crop(box))
        middle = (wanted[name].width / 2, wanted[name].height / 2)
        assert (box[0] + across, box[1] + down) == pytest.approx(middle, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(frames=sets_of_frames(), layout=LAYOUTS)
def test_nothing_overlaps_or_comes_nearer_than_the_padding_and_the_border(frames: list[Frame], layout: Layout) -> None:
    pages = pack([cut(each, trim=True) for each in frames], layout)
    for page in pages:
        assert max(page.width, page.height) <= layout.most_side
        if layout.power_of_two:
            assert page.width & (page.width - 1) == 0 == page.height & (page.height - 1)
        boxes = {(each.x, each.y, *each.piece.image.size) for each in page.places}  # what looks alike shares a place
        free = _with_margins(page, boxes, layout)
        assert free, "too near"


def _with_margins(page: Page, boxes: set[tuple[int, int, int, int]], layout: Layout) -> bool:
    for x, y, wide, high in boxes:
        if min(x, y, page.width - x - wide, page.height - y - high) < layout.border:
            return False
        for other in boxes - {(x, y, wide, high)}:
            beside = other[0] >= x + wide + layout.padding or x >= other[0] + other[2] + layout.padding
            below = other[1] >= y + high + layout.padding or y >= other[1] + other[3] + layout.padding
            if not (beside or below):
                return False
    return True


def icons(number: int) -> list[Frame]:
    """Opaque pictures of 20 to 120 pixels, each of another colour."""
    dice = random.Random(3)
    sides = [(dice.randint(20, 120), dice.randint(20, 120)) for _each in range(number)]
    colours = [(each % 256, each // 256, 9, 255) for each in range(number)]
    return [
        Frame(f"icon_{each:04}", Image.new("RGBA", size, colour))
        for each, (size, colour) in enumerate(zip(sides, colours, strict=True))
    ]


def test_the_same_frames_make_the_same_bytes_in_whatever_order_they_come() -> None:
    frames = icons(60)
    first = [make(frames, Wish(engine=engine)).files for engine in ("hash", "phaser", "godot", "unity")]
    random.Random(1).shuffle(frames)
    assert [make(frames, Wish(engine=engine)).files for engine in ("hash", "phaser", "godot", "unity")] == first


def test_a_clear_frame_is_one_clear_pixel_and_frames_that_look_alike_share_a_place() -> None:
    made = make([frame("clear", 32, 32), frame("a", 9, 9, (2, 2, 5, 5)), frame("b", 20, 9, (8, 1, 11, 4))], Wish())
    told = json.loads(made.files["sheet-1.json"])["frames"]
    assert told["clear"]["sourceSize"] == {"w": 32, "h": 32} and told["clear"]["trimmed"]
    assert (told["clear"]["frame"]["w"], told["clear"]["frame"]["h"]) == (1, 1)
    assert told["a"]["frame"] == told["b"]["frame"]


def test_what_does_not_fit_on_one_sheet_goes_onto_more_and_each_names_the_others() -> None:
    made = make(icons(80), Wish(name="set", layout=Layout(most_side=256)))
    names = [name for name in made.files if name.endswith(".json")]
    assert made.pages == len(names) > 1
    for name in names:
        others = json.loads(made.files[name])["meta"]["related_multi_packs"]
        assert sorted([*others, name]) == sorted(names)


@pytest.mark.parametrize(
    ("names", "reason", "named"),
    [
        ([], "none", ()), (["a", "b", "a"], "double", ("a",)), (["a", "10", "9"], "number", ("10", "9")),
        (["__BASE"], "taken", ("__BASE",)), (["__proto__"], "taken", ("__proto__",)), (["007", "1.5", "١"], "", ()),
    ],
)  # fmt: skip
def test_names_that_an_engine_would_lose_are_refused_with_the_names(
    names: list[str], reason: str, named: tuple[str, ...]
) -> None:
    if not reason:
        require_names(names)
        return
    with pytest.raises(NoSheet) as error:
        require_names(names)
    assert (error.value.reason, error.value.names) == (reason, named)


def test_a_frame_larger_than_a_sheet_is_refused_by_name_and_one_as_large_fits() -> None:
    layout = Layout(most_side=64, padding=5, border=2)
    with pytest.raises(NoSheet) as error:
        make([frame("big", 61, 9, (0, 0, 60, 8)), frame("ok", 9, 9, (0, 0, 8, 8))], Wish(layout=layout))
    assert (error.value.reason, error.value.names) == ("too_large", ("big",))
    assert make([frame("ok", 60, 60, (0, 0, 59, 59))], Wish(layout=layout)).pages == 1


def test_numbered_frames_are_animations_in_the_order_of_their_numbers() -> None:
    names = ["walk_10", "walk_2", "walk_1", "idle", "jump-1", "7", "fox 1", "fox 2"]
    assert animations(names) == {"fox": ["fox 1", "fox 2"], "walk": ["walk_1", "walk_2", "walk_10"]}
    frames = [frame(f"walk_{number}", 9, 9, (0, 0, number, 8), number) for number in (1, 2, 3)]
    told = json.loads(make(frames, Wish(milliseconds=100)).files["sheet-1.json"])
    assert told["animations"] == {"walk": ["walk_1", "walk_2", "walk_3"]}
    assert {each["duration"] for each in told["frames"].values()} == {100}
    phaser = make(frames, Wish(name="fox", engine="phaser", milliseconds=100)).files
    [moving] = json.loads(phaser["fox-animations.json"])["anims"]
    assert (moving["key"], moving["frameRate"], moving["frames"][0]) == (
        "walk", 10.0, {"key": "fox", "frame": "walk_1", "duration": 0},
    )  # fmt: skip
    godot = make(frames, Wish(name="fox", engine="godot")).files["fox-animations.tres"].decode()
    assert godot.count('[sub_resource type="AtlasTexture"') == 3 and '"name": &"walk"' in godot


def test_babylon_gets_whole_frames() -> None:
    made = make([frame("a", 30, 20, (5, 5, 9, 9))], Wish(engine="babylon", trim=True))
    assert not json.loads(made.files["sheet-1.json"])["frames"]["a"]["trimmed"]


@pytest.mark.heavy
def test_packing_2048_takes_little_more_than_the_packer_and_leaves_little_empty() -> None:
    pieces = [cut(each, trim=False) for each in icons(2048)]
    sheet: Sheet = make(icons(2048), Wish(layout=Layout(8192, padding=0)))
    assert sheet.pages == 1 and sheet.empty < 0.12

    def bare() -> None:
        packer = rectpack.newPacker(pack_algo=rectpack.SkylineBlWm, sort_algo=rectpack.SORT_NONE, rotation=False)
        packer.add_bin(3300, 8192)
        for each in sorted(pieces, key=lambda each: -max(each.image.size)):
            packer.add_rect(*each.image.size)
        packer.pack()

    def seconds(work: Callable[[], object]) -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    pairs = [(seconds(lambda: pack(pieces, Layout(8192, padding=0))), seconds(bare)) for _each in range(3)]
    ratio = min(ours for ours, _bare in pairs) / min(theirs for _ours, theirs in pairs)
    print(f"{ratio:.2f} x the packer, {sheet.empty:.1%} empty")
    assert ratio <= 1.2
