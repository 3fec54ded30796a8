"""Captions find their pictures where only capitals differ, and only where nothing else fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from tests.training.datasets.collecting.conftest import Files, picture
from training.datasets.collecting import intake, sources
from training.datasets.collecting.matching import Names
from training.datasets.models import Dataset

pytestmark = pytest.mark.django_db


def brought(dataset: Dataset, folder: Path, files: Files) -> intake.Tally:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    tally = intake.Tally()
    intake.import_source(sources.folder(folder), dataset, dataset.owner, tally, lambda done: None)
    return tally


def captions(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.images.values_list("source_name", "caption"))


@pytest.mark.parametrize(
    ("image", "text"),
    [("HAUS.JPG", "haus.txt"), ("haus.png", "Haus.TXT"), ("Set/ÉTÉ.PNG", "set/été.txt"), ("a.PNG", "A.png.txt")],
)
def test_capitals_make_no_difference(dataset: Dataset, tmp_path: Path, image: str, text: str) -> None:
    file = picture(1, kind="JPEG" if image.endswith("JPG") else "PNG")
    together = brought(dataset, tmp_path / "1", {image: file, text: b"a house"})
    assert (together.captions, together.waiting) == (1, 0)
    assert captions(dataset) == {image: "a house"}


@pytest.mark.parametrize("text_first", [False, True])
@pytest.mark.parametrize(("image", "text"), [("HAUS.PNG", "haus.txt"), ("ÉTÉ.PNG", "été.txt")])
def test_a_caption_and_its_picture_that_come_one_after_the_other_find_each_other(
    dataset: Dataset, tmp_path: Path, image: str, text: str, text_first: bool
) -> None:
    parts = [{image: picture(1)}, {text: b"a house"}]
    for number, part in enumerate(reversed(parts) if text_first else parts):
        brought(dataset, tmp_path / str(number), part)
    assert captions(dataset) == {image: "a house"}
    assert not dataset.waiting_captions.exists()


def test_the_same_spelling_comes_before_another() -> None:
    names = Names([(1, "house.png"), (2, "HOUSE.png"), (3, "Tree.png"), (4, "tree.PNG"), (5, "dir/Sea.png")])
    assert names.find("house") == [1]
    assert names.find("HOUSE") == [2]
    assert names.find("House") == [], "two pictures fit alike"
    assert names.find("TREE") == []
    assert names.find("sea") == [5]
    assert names.find("other/sea") == []


def test_of_two_captions_that_wait_the_one_that_is_spelled_alike_is_taken(dataset: Dataset, tmp_path: Path) -> None:
    brought(dataset, tmp_path / "1", {"House.txt": b"right", "house.txt": b"other", "HOUSE.txt": b"third"})
    brought(dataset, tmp_path / "2", {"House.png": picture(1)})
    assert captions(dataset) == {"House.png": "right"}


def test_the_command_says_which_captions_found_no_picture(
    people: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    User.objects.create_superuser("olga", password="drawing-room-7")
    (tmp_path / "1.png").write_bytes(picture(1))
    (tmp_path / "2.txt").write_bytes(b"of nothing")
    call_command("import_dataset", str(tmp_path), "--name", "Names")
    assert "1 caption fits no picture" in capsys.readouterr().out
