"""Pictures go to an engine cut, flat and of their size, into a folder that says what is in it."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from training.runs.trainer import TrainingPicture
from training.trainers.comfyui import dataset
from training.trainers.comfyui.dataset import Item, Unreadable


def picture(image: Image.Image | bytes, **changes: Any) -> TrainingPicture:
    """A stored picture with a cut in its middle."""
    if isinstance(image, Image.Image):
        file = BytesIO()
        image.save(file, "PNG")
        data = file.getvalue()
    else:
        data = image
    name = default_storage.save(f"uploads/{hashlib.sha256(data).hexdigest()}.png", ContentFile(data))
    facts = {
        "name": "0001",
        "storage_name": name,
        "caption": "a hill",
        "width": 200,
        "height": 100,
        "bucket": (64, 64),
        "crop": (50.0, 0.0, 150.0, 100.0),
        "background": "#ffffff",
    }
    return TrainingPicture(**{**facts, **changes})


def opened(item: Item) -> Image.Image:
    return Image.open(BytesIO(dataset.encoded(item)))


def halves() -> Image.Image:
    """Red, and blue where the cut is."""
    image = Image.new("RGB", (200, 100), "red")
    image.paste("blue", (50, 0, 150, 100))
    return image


def test_a_picture_is_cut_and_brought_to_its_size() -> None:
    made = opened(Item(picture(halves()), (64, 64), ""))
    assert (made.format, made.mode, made.size) == ("PNG", "RGB", (64, 64))
    inside = made.crop((4, 4, 60, 60))
    assert inside.getcolors() == [(56 * 56, (0, 0, 255))], "nothing of what lies outside the cut, but at its seam"


def test_what_is_transparent_shows_the_chosen_background() -> None:
    clear = Image.new("RGBA", (200, 100), (255, 0, 0, 0))
    assert opened(Item(picture(clear, background="#00ff00"), (64, 64), "")).getpixel((5, 5)) == (0, 255, 0)


def test_a_palette_and_grey_become_colours() -> None:
    grey = Image.new("L", (200, 100), 77)
    assert opened(Item(picture(grey), (64, 64), "")).getpixel((5, 5)) == (77, 77, 77)
    assert opened(Item(picture(halves().convert("P")), (64, 64), "")).mode == "RGB"


def test_a_picture_that_gets_another_shape_loses_its_edges_and_nothing_is_stretched() -> None:
    striped = Image.new("RGB", (200, 100), "red")
    striped.paste("blue", (50, 25, 150, 75))
    made = opened(Item(picture(striped), (128, 64), ""))
    assert made.crop((4, 4, 124, 60)).getcolors() == [(120 * 56, (0, 0, 255))]


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_broken_picture_is_named(data: bytes) -> None:
    with pytest.raises(Unreadable, match="0001"):
        dataset.encoded(Item(picture(data), (64, 64), ""))


def test_a_picture_that_is_smaller_than_any_bucket_is_named() -> None:
    with pytest.raises(Unreadable, match="too few"):
        dataset.encoded(Item(picture(halves()), (64, 0), ""))


def test_a_picture_whose_file_is_gone_is_named() -> None:
    with pytest.raises(Unreadable, match="0001"):
        dataset.encoded(Item(picture(halves(), storage_name="uploads/gone.png"), (64, 64), ""))


def test_an_old_engine_gets_pictures_of_one_size_and_with_captions() -> None:
    blank = halves()
    pictures = [
        picture(blank, name="0001"),
        picture(blank, name="0002", bucket=(128, 64), caption=" "),
        picture(blank, name="0003"),
    ]
    items, resized, uncaptioned = dataset.items(pictures, mixed=False, stand_in="gouachefield")
    assert {item.size for item in items} == {(64, 64)}
    assert [item.caption for item in items] == ["a hill", "gouachefield", "a hill"]
    assert (resized, uncaptioned) == (1, 1)
    items, resized, uncaptioned = dataset.items(pictures, mixed=True, stand_in="gouachefield")
    assert [item.size for item in items] == [(64, 64), (128, 64), (64, 64)]
    assert [item.caption for item in items] == ["a hill", "", "a hill"]
    assert (resized, uncaptioned) == (0, 0)


def test_a_folder_is_named_after_everything_that_is_in_it() -> None:
    blank = halves()
    same = dataset.folder_name([Item(picture(blank, storage_name="a"), (64, 64), "hill")])
    assert same == dataset.folder_name([Item(picture(blank, storage_name="a"), (64, 64), "hill")])
    others = {
        dataset.folder_name([Item(picture(blank, storage_name="b"), (64, 64), "hill")]),
        dataset.folder_name([Item(picture(blank, storage_name="a"), (128, 64), "hill")]),
        dataset.folder_name([Item(picture(blank, storage_name="a"), (64, 64), "valley")]),
        dataset.folder_name([Item(picture(blank, storage_name="a", crop=(0.0, 0.0, 9.0, 9.0)), (64, 64), "hill")]),
        dataset.folder_name([Item(picture(blank, storage_name="a", background="#000000"), (64, 64), "hill")]),
    }
    assert len(others | {same}) == 6
    assert ".png" not in same, "the loader replaces every ending in the path of a caption"
