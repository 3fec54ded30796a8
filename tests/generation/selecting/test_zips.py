"""Downloading many pictures: whole zips that every program reads, and none that is shorter than it should be."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generation.pictures.models import GeneratedImage
from generation.selecting import bulk_jobs, orders, selection, zips
from generation.selecting.models import FileNaming, PictureJob
from generation.selecting.selection import Selection
from styles.models import Style
from stylestudio.edge.downloads import Zipped
from stylestudio.people.visibility import Visibility
from stylestudio.processes import workers
from tests.generation.browsing import HTMX, png, signed_in
from tests.generation.selecting.conftest import Shoot
from tests.pages import page

pytestmark = pytest.mark.django_db
ACT = "/gallery/selection/"


@pytest.fixture(autouse=True)
def going() -> None:
    """No worker was told to stop."""
    workers.stopping.clear()


def packed(job: PictureJob, part: int = 1) -> zipfile.ZipFile:
    """The zip, read back."""
    made, pieces = Zipped(zips.files(job, part)), []
    while piece := made.read(2**16):
        pieces.append(piece)
    return zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


def order(
    user: User, keys: list[int], template: str = "{style}_{subject}_{seed}", sidecars: bool = False
) -> PictureJob:
    """A download of these."""
    return orders.download(user, Selection(tuple(keys)), {"template": template, "sidecars": sidecars})


def test_a_zip_has_all_pictures_under_numbered_names_with_their_settings(shoot: Shoot, ada: User, ink: Style) -> None:
    keys = shoot(ada, 20, files=True, style=ink, prompt="a red fox, at dusk")
    archive = packed(order(ada, keys, sidecars=True))
    assert archive.testzip() is None
    names = archive.namelist()
    assert len(names) == 40 and names[:2] == ["ink_a-red-fox_7.png", "ink_a-red-fox_7.json"]
    assert "ink_a-red-fox_7-2.png" in names and "ink_a-red-fox_7-2.json" in names
    told = json.loads(archive.read("ink_a-red-fox_7.json"))
    assert (told["seed"], told["person"], told["styles"][0]["name"]) == (7, "ada", "Ink")
    assert archive.read("ink_a-red-fox_7.png") == png()


def test_other_programs_read_it_too(shoot: Shoot, ada: User, tmp_path: Path) -> None:
    job = order(ada, shoot(ada, 5, files=True, prompt="龙 城堡"), "{subject}-{index}", sidecars=True)
    file = tmp_path / "pictures.zip"
    file.write_bytes(Zipped(zips.files(job, 1)).read())
    programs = [["unzip", "-tq"], ["7z", "t"], ["bsdtar", "-tf"], ["python3", "-m", "zipfile", "-t"]]
    tried = [program for program in programs if shutil.which(program[0])]
    for program in tried:
        subprocess.run([*program, str(file)], check=True, capture_output=True)
    assert tried


def test_a_missing_file_is_named_inside(shoot: Shoot, ada: User) -> None:
    keys = shoot(ada, 3, files=True)
    lost = GeneratedImage.objects.get(pk=keys[1])
    Path(default_storage.path(str(lost.file.name))).unlink()
    archive = packed(order(ada, keys))
    assert len(archive.namelist()) == 3
    assert str(lost.file.name) in archive.read("missing-files.txt").decode()


def test_other_trouble_in_the_middle_ends_the_download(
    shoot: Shoot, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, opened, number = order(ada, shoot(ada, 5, files=True)), default_storage.open, 0

    def broken(*given: Any) -> Any:
        nonlocal number
        number += 1
        if number == 4:
            raise OSError(5, "Input/output error")
        return opened(*given)

    monkeypatch.setattr(default_storage, "open", broken)
    with pytest.raises(OSError, match="Input/output"):
        packed(job)


def test_private_pictures_of_others_are_never_in_it(shoot: Shoot, ada: User, people: Callable[..., User]) -> None:
    bob = people("bob")
    keys = shoot(ada, 2, files=True)
    secret = shoot(bob, 2, files=True, visibility=Visibility.PRIVATE)
    late = shoot(bob, 1, files=True)
    job = order(ada, [*keys, *secret, *late, 10**12])
    GeneratedImage.objects.get(pk=late[0]).task.touch(visibility=Visibility.PRIVATE)
    assert len(packed(job).namelist()) == 2


def test_the_form_asks_shows_an_example_and_remembers(shoot: Shoot, ada: User, her: Client) -> None:
    keys = ",".join(map(str, shoot(ada, 2, files=True)))
    asked = page(her.post(ACT, {"work": "download", "pictures": keys}, headers=HTMX))
    assert "{style}_{subject}_{seed}" in asked and "base_a-fox_7.png" in asked and "2 pictures" in asked
    wrong = her.post(ACT, {"work": "download", "pictures": keys, "asked": "1", "template": "{sead}"})
    assert wrong.status_code == 422 and "There is no field {sead}" in page(wrong)
    done = her.post(ACT, {"work": "download", "pictures": keys, "asked": "1", "template": "{id}"})
    job = PictureJob.objects.get()
    assert done.headers["Location"] == f"/gallery/selection/{job.pk}/zip/1/"
    answer = her.get(done.headers["Location"])
    assert answer.headers["Content-Type"] == "application/zip"
    assert FileNaming.objects.get().template == "{id}"


def test_a_link_is_for_its_person_and_for_a_day(
    shoot: Shoot, ada: User, her: Client, people: Callable[..., User]
) -> None:
    job = order(ada, shoot(ada, 2, files=True))
    address = f"/gallery/selection/{job.pk}/zip/1/"
    assert signed_in(people("bob")).get(address).status_code in {403, 404}
    assert signed_in(people("olga", owner=True)).get(address).status_code == 404
    assert her.get(f"/gallery/selection/{job.pk}/zip/2/").status_code == 404
    PictureJob.objects.filter(pk=job.pk).update(ended_at=timezone.now() - timedelta(days=1))
    assert her.get(address).status_code == 404


def test_a_download_of_a_large_filter_is_gathered_by_a_worker_and_linked(
    shoot: Shoot, ada: User, her: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shoot(ada, 12, files=True)
    monkeypatch.setattr(orders, "SLICE", 5)
    job = orders.download(ada, Selection((), "", selection.newest_key()), {"template": "{id}"})
    assert job.is_active
    bulk_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.total) == ("completed", 12)
    assert f"/gallery/selection/{job.pk}/zip/1/" in page(her.get(job.get_absolute_url()))
    assert len(packed(job).namelist()) == 12


@pytest.mark.heavy
def test_two_thousand_pictures_begin_within_a_second_and_take_little_memory(
    shoot: Shoot, ada: User, settings: Settings
) -> None:
    keys = shoot(ada, 2_000)
    data = os.urandom(1_400_000)
    name = default_storage.save("outputs/one.png", io.BytesIO(data))
    GeneratedImage.everything.update(file=name)
    job = order(ada, keys, sidecars=True)
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    made, total, first = Zipped(zips.files(job, 1)), 0, 0.0
    while piece := made.read(2**20):
        first = first or time.perf_counter() - begun
        total += len(piece)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"first byte {first:.2f} s, {total / 2**20:,.0f} MB, at most {most / 2**20:.0f} MB held, process {grown:.0f} MB"
    )
    assert first < 1 and most < 100 * 2**20 and grown < 100
    assert total > 2_000 * 1_400_000
