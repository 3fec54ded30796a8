"""Doctor looks for files that rows name and nobody has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from generation.pictures.models import Reference
from styles.models import Style
from stylestudio.media import lost_files
from stylestudio.processes import doctor
from training.datasets.models import Dataset, DatasetImage

pytestmark = pytest.mark.django_db


def stored(name: str) -> str:
    return default_storage.save(name, ContentFile(b"x"))


@pytest.fixture
def references(ada: User) -> list[Reference]:
    """Five with their files."""
    names = [stored(f"uploads/references/2026/11/{number}.png") for number in range(5)]
    rows = [Reference(sha256=name, owner=ada, file=name, width=1, height=1) for name in names]
    return Reference.objects.bulk_create(rows)


def test_all_is_well_while_every_file_is_there(references: list[Reference]) -> None:
    found = lost_files.find_lost_files()
    assert (found.known, found.looked, found.lost, found.remedy) == (5, 5, 0, "")
    (finding,) = doctor.files()
    assert finding.well
    assert finding.state == "0 of 5 are missing"


def test_missing_files_are_counted_with_examples_and_what_to_do(references: list[Reference], media: Path) -> None:
    for number in (0, 1, 2, 3):
        (media / f"uploads/references/2026/11/{number}.png").unlink()
    (finding,) = doctor.files()
    assert finding.state == (
        "4 of 5 are missing: uploads/references/2026/11/3.png (reference), "
        "uploads/references/2026/11/2.png (reference), uploads/references/2026/11/1.png (reference)"
    )
    assert "backup of the media folder" in finding.remedy


def test_every_kind_of_row_counts_the_trashed_ones_too(ada: User, media: Path) -> None:
    Style.objects.create(name="Gouache", owner=ada, cover=stored("uploads/covers/2026/11/a.webp"))
    dataset = Dataset.objects.create(name="Foxes", owner=ada)
    names = {
        "file": stored("uploads/datasets/2026/11/a.png"),
        "thumbnail": "uploads/datasets/thumbnails/2026/11/a.webp",
    }
    facts: dict[str, Any] = {"sha256": "a", "width": 1, "height": 1, "byte_size": 1, "source_name": "a.png"}
    image = DatasetImage.objects.create(dataset=dataset, added_by=ada, position=0, format="PNG", **names, **facts)
    assert (lost_files.find_lost_files().known, lost_files.find_lost_files().lost) == (3, 1)
    (media / "uploads/covers/2026/11/a.webp").unlink()
    (media / "uploads/datasets/2026/11/a.png").unlink()
    DatasetImage.everything.filter(pk=image.pk).update(deleted_at="2026-11-01T00:00Z")
    assert lost_files.find_lost_files().lost == 3


def test_a_name_that_leads_out_of_the_store_is_a_missing_file_and_no_crash(ada: User) -> None:
    Reference.objects.create(sha256="a", owner=ada, file="../../etc/passwd", width=1, height=1)
    assert lost_files.find_lost_files().lost == 1


def test_a_million_files_are_not_waited_for_and_the_newest_come_first(
    references: list[Reference], media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_files, "BATCH", 2)
    (media / "uploads/references/2026/11/4.png").unlink()
    found = lost_files.find_lost_files(seconds=0)
    assert (found.looked, found.known, found.lost) == (2, 5, 1)
    assert found.state.startswith("1 of the newest 2 are missing (5 are known)")


class Listing:
    """A bucket, as far as it is looked at: every list and every single question is counted."""

    def __init__(self, names: list[str], pause: float = 0.0) -> None:
        self._names, self._pause = names, pause
        self.listed: list[str] = []
        self.asked = 0

    def names(self, folder: str) -> Iterator[str]:
        self.listed.append(folder)
        for name in self._names:
            if name.startswith(f"{folder}/"):
                time.sleep(self._pause)
                yield name

    def exists(self, name: str) -> bool:
        self.asked += 1
        return name in self._names


def test_a_bucket_is_asked_for_lists_and_not_for_every_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"outputs/2026/{month}/{number}.png" for month in (10, 11) for number in range(300)]
    bucket = Listing([*names[:-2], "outputs/2026/11/other.png"])
    monkeypatch.setattr(lost_files, "default_storage", bucket)
    assert lost_files.missing(names) == names[-2:]
    assert (bucket.listed, bucket.asked) == (["outputs/2026/10", "outputs/2026/11"], 0)
    assert lost_files.missing(names[-3:]) == names[-2:]
    assert bucket.asked == 3


def test_a_list_without_an_end_is_left_and_what_it_would_have_said_is_not_called_missing() -> None:
    names = [f"outputs/2026/11/{number}.png" for number in range(100)]
    bucket: Any = Listing([f"outputs/2026/11/x{number}" for number in range(1000)], pause=0.001)
    began = time.monotonic()
    assert lost_files._missing(names, bucket, began + 0.05) == ([], 100)
    assert time.monotonic() - began < 1
