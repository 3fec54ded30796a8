"""Pictures that were made elsewhere come into the gallery once, with what their files tell, whatever happens then."""

from __future__ import annotations

import io
import json
import os
import time
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.engines.models import Engine
from generation.gallery import query as wall
from generation.ordering import orders
from generation.pictures import estimates
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.takeover import files, removing, rows, takeover_jobs, taking, tasks
from generation.takeover.models import TakenPicture, TakeOver
from stylestudio.jobs.kinds import Status
from stylestudio.picture_settings import reading
from stylestudio.processes import worker_jobs
from stylestudio.uploads import purposes
from tests.picture_settings import files as made
from tests.picture_settings.files import photo, png

pytestmark = pytest.mark.django_db

YEAR_AGO = datetime(2025, 11, 3, 12, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What somebody's ComfyUI left: pictures of several programs, and everything else."""
    place = tmp_path / "output"
    (place / "day two").mkdir(parents=True)
    (place / "ComfyUI_00001_.png").write_bytes(png((64, 40), prompt=json.dumps(made.HIRES)))
    (place / "day two" / "狐狸.png").write_bytes(png((40, 64), parameters=made.FORGE))
    (place / "plain.jpg").write_bytes(photo("JPEG"))
    (place / "again.png").write_bytes(png((64, 40), prompt=json.dumps(made.HIRES)))
    (place / "broken.png").write_bytes(png(parameters=made.FORGE)[:-30])
    (place / "empty.webp").touch()
    (place / "notes.txt").write_text("no picture")
    (place / "film.mp4").write_bytes(b"0" * 100)
    outside = tmp_path / "secret.png"
    outside.write_bytes(png(parameters="secret\nSteps: 1, Seed: 1"))
    (place / "link.png").symlink_to(outside)
    (place / "linked").symlink_to(tmp_path)
    for path in place.rglob("*.png"):
        if not path.is_symlink():
            os.utime(path, (YEAR_AGO.timestamp(),) * 2)
    return place


def job_of(user: User, place: Path, **more: Any) -> TakeOver:
    job: TakeOver = TakeOver.objects.create(
        owner=user, source=TakeOver.Source.FOLDER, folder=str(place), source_name=place.name, **more
    )
    return job


def taken(user: User, place: Path) -> TakeOver:
    job = job_of(user, place)
    takeover_jobs.life.work()
    job.refresh_from_db()
    return job


def test_a_folder_becomes_pictures_with_what_their_files_tell(ada: User, folder: Path) -> None:
    job = taken(ada, folder)
    assert job.status == Status.COMPLETED and (job.done, job.total) == (5, 5)
    assert {name: job.report[name] for name in ("taken", "known", "skipped", "unread")} == {
        "taken": 3, "known": 1, "skipped": 3, "unread": 1,
    }  # fmt: skip
    assert {path for path, _reason in job.report["refused"]} == {"broken.png", "empty.webp", "link.png"}
    fox = GeneratedImage.objects.get(origin__path="day two/狐狸.png")
    assert fox.created_at == YEAR_AGO and fox.task.owner == ada and (fox.width, fox.height) == (40, 64)
    assert (fox.seed, fox.task.prompt) == (4294967296, "a fox in the snow, (soft light:1.2)\n雪")
    assert fox.task.taken_over is not None and fox.task.taken_over.checkpoint == "ponyDiffusionV6XL"
    with fox.file.open("rb") as handle:
        assert handle.read() == (folder / "day two" / "狐狸.png").read_bytes()
    assert GeneratedImage.objects.get(origin__path="plain.jpg").task.prompt == "plain"


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_taken(
    ada: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def closed(place: Path) -> Any:
        if place.name == "day two":
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", closed)
    job = taken(ada, folder)
    assert job.status == "completed" and job.report["taken"]
    assert ["day two", "It cannot be read."] in job.report["refused"]


def test_what_was_taken_over_is_found_and_has_a_thumbnail(ada: User, folder: Path, her: Client) -> None:
    taken(ada, folder)
    assert [picture.task.checkpoint for picture in wall.pictures(ada, wall.Filters(words="雪")).newest(9)] == [
        "ponyDiffusionV6XL"
    ]
    keys = sorted(GeneratedImage.objects.values_list("pk", flat=True))
    rows.make_thumbnails(keys[0], keys[-1])
    fox = GeneratedImage.objects.get(origin__path="day two/狐狸.png")
    assert fox.thumbnail and fox.pixel_sha256
    page = her.get(fox.get_absolute_url()).text
    assert "Made elsewhere" in page and "day two/狐狸.png" in page and "Forge" in page
    assert her.get("/gallery/").status_code == her.get("/queue/").status_code == her.get("/").status_code == 200
    assert her.get(fox.task.get_absolute_url()).status_code == 200


def test_nothing_claims_retries_or_estimates_from_it(ada: User, folder: Path) -> None:
    taken(ada, folder)
    task = GenerationTask.objects.get(pictures__origin__path="day two/狐狸.png")
    assert not task.is_active and task.snapshot["schema"] == rows.SCHEMA and not task.fetchable
    with pytest.raises(Exception, match="made elsewhere"):
        orders.retry(task, ada)
    assert estimates.forecast_now().samples == []
    assert all(prompt.pk < 0 for prompt in task.prompts.all())
    assert not Engine.objects.filter(active=True).exists()
    task.share()
    task.save()
    assert GenerationTask.objects.get(pk=task.pk).taken_over == task.taken_over


def test_it_is_no_work_of_today_and_leaves_what_one_used_last_alone(ada: User, folder: Path, her: Client) -> None:
    for path in folder.rglob("*"):
        os.utime(path)  # made today
    opened = timezone.now() - timedelta(hours=1)
    job = taken(ada, folder)
    listed = her.get("/queue/").content.decode()
    assert f'id="row-takeover-{job.pk}"' in listed and 'id="row-generation-' not in listed
    assert not GenerationTask.everything.changed_since(opened).exists()
    assert not GenerationTask.objects.made_here().exists()


def test_its_settings_fill_the_form(her: Client, ada: User, folder: Path) -> None:
    taken(ada, folder)
    fox = GeneratedImage.objects.get(origin__path="day two/狐狸.png")
    for address in (f"/?picture={fox.pk}", f"/?task={fox.task_id}"):
        page = her.get(address).text
        assert 'value="4294967296"' in page and 'name="clip_skip" value="2"' in page


def test_taking_over_again_adds_nothing(ada: User, folder: Path) -> None:
    taken(ada, folder)
    again = taken(ada, folder)
    assert (again.report["taken"], again.report["known"]) == (0, 4)
    (folder / "new.png").write_bytes(png((24, 24)))
    assert taken(ada, folder).report["taken"] == 1


def test_a_take_over_can_be_removed_and_put_back(ada: User, folder: Path) -> None:
    job = taken(ada, folder)
    older = GeneratedImage.objects.get(origin__path="plain.jpg")
    older.delete()
    assert removing.remove(job) == 2 and not GeneratedImage.objects.exists()
    assert removing.put_back(job) == 2
    assert not GeneratedImage.objects.filter(pk=older.pk).exists()  # somebody had deleted it before


def test_removing_a_take_over_twice_does_not_lose_what_undo_brings_back(ada: User, folder: Path) -> None:
    job = taken(ada, folder)
    twice = TakeOver.objects.get(pk=job.pk)
    assert (removing.remove(job), removing.remove(twice)) == (3, 0)
    assert removing.put_back(TakeOver.objects.get(pk=job.pk)) == 3


@pytest.mark.parametrize("name", ["a" * 5000, "~nobody-of-this-name", "circle"])
def test_a_folder_that_no_disk_can_have_is_not_there(tmp_path: Path, settings: Any, name: str) -> None:
    settings.TAKEOVER_FOLDERS = [str(tmp_path)]
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(files.NotAllowed):
        files.allowed(name)


def test_a_batch_is_stored_as_a_whole_or_not_at_all(
    ada: User, tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "many"
    place.mkdir()
    for number in range(30):
        (place / f"{number:03}.png").write_bytes(png((16, 16), parameters=f"fox {number}\nSteps: 4, Seed: {number}"))
    monkeypatch.setattr(taking, "BATCH", 10)
    job, calls = job_of(ada, place), []

    def step(done: int, total: int, **report: Any) -> None:
        calls.append(done)
        if done == 20 and len(calls) < 5:
            raise KeyboardInterrupt  # the worker is stopped in the middle of the second batch
        job.advance(done=done, total=total, report={**report, "now": None})
        job.done, job.report = done, report

    job.start("here")
    with pytest.raises(KeyboardInterrupt):
        taking.take(files.folder(place), job, step)
    assert GeneratedImage.objects.count() == job.done == 10
    assert len(list((media / "outputs").rglob("*.png"))) == 10
    job.report.pop("now", None)
    calls += [0] * 5
    taking.take(files.folder(place), job, step)
    assert GeneratedImage.objects.count() == TakenPicture.objects.count() == 30
    assert sorted(GeneratedImage.objects.values_list("seed", flat=True)) == list(range(30))


def test_without_room_nothing_is_taken(ada: User, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_jobs, "RESERVE", 2**62)
    job = taken(ada, folder)
    assert job.status == Status.FAILED and "not enough room" in job.explanation
    assert not GeneratedImage.objects.exists()


def test_a_job_that_is_cancelled_keeps_what_it_has(ada: User, folder: Path) -> None:
    job = job_of(ada, folder)
    takeover_jobs.life.cancel(job)
    takeover_jobs.life.work()
    assert not GeneratedImage.objects.exists() and TakeOver.objects.get().status == Status.CANCELLED


def test_what_ended_early_goes_on_with_one_press(people: Callable[..., User], folder: Path, settings: Any) -> None:
    owner, browser = people("olga", owner=True), Client()
    browser.force_login(owner)
    job = job_of(owner, folder)
    takeover_jobs.life.cancel(job)
    assert "Go on" in browser.get(job.get_absolute_url()).content.decode()
    on = f"{job.get_absolute_url()}on/"
    browser.post(on)
    assert not TakeOver.objects.waiting().exists(), "the folder is none of those that may be read"
    settings.TAKEOVER_FOLDERS = [str(folder.parent)]
    browser.post(on)
    takeover_jobs.life.work()
    assert GeneratedImage.objects.exists() and TakeOver.objects.count() == 2


def test_a_picture_more_costs_only_its_rows(ada: User, tmp_path: Path) -> None:
    counts = []
    for size in (5, 50):
        place = tmp_path / str(size)
        place.mkdir()
        for number in range(size):
            (place / f"{number}.png").write_bytes(png((8, 8), parameters=f"a fox\nSteps: 4, Seed: {size}{number}"))
        with CaptureQueriesContext(connection) as asked:
            taking.take(files.folder(place), job_of(ada, place), lambda *args, **more: None)
        counts.append(sum("thumbnail" not in each["sql"] for each in asked.captured_queries))
    assert (counts[1] - counts[0]) / 45 < 1


def test_of_equal_files_the_first_is_taken_and_the_others_leave_no_copy(ada: User, tmp_path: Path, media: Path) -> None:
    place = tmp_path / "equal"
    place.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (place / name).write_bytes(png((24, 24), parameters="a fox\nSteps: 4, Seed: 1"))
    job = taken(ada, place)
    assert (job.report["taken"], job.report["known"]) == (1, 2)
    assert TakenPicture.objects.get().path == "a.png"
    assert len(list((media / "outputs").rglob("*.png"))) == 1


def test_thumbnails_are_asked_for_once_it_has_ended_a_few_at_a_time_and_the_newest_first(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "many"
    place.mkdir()
    for number in range(5):
        (place / f"{number}.png").write_bytes(png((16, 16), parameters=f"fox {number}\nSteps: 4, Seed: {number}"))
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(tasks, "make_thumbnails", lambda *keys: asked.append(keys))
    monkeypatch.setattr(rows, "TURN", 2)
    job = taken(ada, place)
    assert asked == []
    keys = sorted(GeneratedImage.objects.values_list("pk", flat=True))
    rows.make_thumbnails(keys[1], keys[1])  # as the sweep of missing ones does meanwhile
    rows.order_thumbnails(job.pk)
    assert asked == [(keys[3], keys[4]), (keys[0], keys[2])]


def test_a_picture_with_broken_pixels_does_not_keep_others_from_their_thumbnails(
    ada: User, tmp_path: Path, media: Path
) -> None:
    place = tmp_path / "some"
    place.mkdir()
    for number in range(3):
        (place / f"{number}.png").write_bytes(png((16, 16), parameters=f"fox {number}\nSteps: 4, Seed: {number}"))
    taken(ada, place)
    first, second, third = GeneratedImage.objects.order_by("pk")
    (media / str(second.file.name)).write_bytes(b"no picture any more")
    rows.make_thumbnails(first.pk, third.pk)
    assert [bool(each.thumbnail) for each in GeneratedImage.objects.order_by("pk")] == [True, False, True]


# --- Where from


@pytest.mark.parametrize("text", ["/etc", "..", "../..", "", "/", "a\0b", "link"])
def test_only_folders_that_are_allowed_are_read(tmp_path: Path, settings: Any, text: str) -> None:
    root = tmp_path / "allowed"
    (root / "in").mkdir(parents=True)
    (root / "link").symlink_to("/etc")
    settings.TAKEOVER_FOLDERS = [str(root)]
    assert files.allowed("in") == files.allowed(str(root / "in")) == root / "in"
    with pytest.raises(files.NotAllowed):
        files.allowed(text)


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(tmp_path: Path, ada: User) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    place = tmp_path / "in"
    place.mkdir()
    (place / "a.png").write_bytes(png())
    source = files.folder(place)
    (place / "a.png").unlink()
    (place / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(files.Unreadable):
        source.files[0].read()


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 3, 4, 5, 6, 8)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_an_archive_is_read_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    members = {"a/b.png": png(), "../c.png": png(), "/d.png": png(), "bomb.png": b"0" * 5_000_000, "e.txt": b""}
    path.write_bytes(packed(members))
    with files.archive(path) as source:
        assert [(file.path, file.time.year) for file in source.files] == [("a/b.png", 2025)]
        assert {name for name, _reason in source.refused} == {"../c.png", "/d.png", "bomb.png"} and source.skipped == 1
        assert reading.read(source.files[0].read()).troubles == ()
    path.write_bytes(b"no zip file")
    with pytest.raises(files.NotAllowed), files.archive(path):
        pass


# --- Pages and the command


def test_only_owners_of_the_studio_take_over(her: Client, people: Callable[..., User]) -> None:
    assert her.get("/takeovers/").status_code == her.post("/takeovers/", {"folder": "/"}).status_code == 403
    owner = people("owner", owner=True)
    client = Client()
    client.force_login(owner)
    assert client.get("/takeovers/").status_code == 200
    assert purposes.find("takeover").name == "takeover"


def test_the_page_orders_a_folder_and_says_why_not(people: Callable[..., User], folder: Path, settings: Any) -> None:
    settings.TAKEOVER_FOLDERS = [str(folder.parent)]
    client = Client()
    client.force_login(people("owner", owner=True))
    refused = client.post("/takeovers/", {"folder": "/etc"})
    assert refused.status_code == 422 and "not in one of those" in refused.text
    answer = client.post("/takeovers/", {"folder": "output"}, follow=True)
    takeover_jobs.life.work()
    job = TakeOver.objects.get()
    page = client.get(job.get_absolute_url()).text
    assert answer.status_code == 200 and "3 pictures taken over" in page and "broken.png" in page
    gone = client.post(f"{job.get_absolute_url()}remove/", follow=True).text
    assert "3 pictures are in the trash." in gone and not GeneratedImage.objects.exists()
    client.post(f"{job.get_absolute_url()}restore/")
    assert GeneratedImage.objects.count() == 3


def test_the_command_takes_over_or_only_says_what_it_would(
    people: Callable[..., User], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people("owner", owner=True)
    with pytest.raises(SystemExit):
        call_command("take_over", str(folder), dry_run=True)
    told = capsys.readouterr()
    assert "Would take over: 3 pictures taken over" in told.out and "broken.png" in told.err
    assert not GeneratedImage.objects.exists() and not TakeOver.objects.exists()
    with pytest.raises(SystemExit):
        call_command("take_over", str(folder), owner="owner")
    assert GeneratedImage.objects.count() == 3 and TakeOver.objects.get().status == Status.COMPLETED


# --- What an engine has in its history


def test_what_an_engine_has_in_its_history_is_taken_over(
    people: Callable[..., User], engine: Engine, preview: Any
) -> None:
    graph = {
        "1": made.node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
        "3": made.node("CLIPTextEncode", clip=["1", 1], text="a lighthouse"),
        "5": made.node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": made.node(
            "KSampler", model=["1", 0], positive=["3", 0], negative=["3", 0], latent_image=["5", 0], seed=7,
            steps=1, cfg=1.0, sampler_name="euler", scheduler="normal", denoise=1.0,
        ),
        "7": made.node("VAEDecode", samples=["6", 0], vae=["1", 2]),
        "8": made.node("SaveImage", images=["7", 0], filename_prefix="theirs/pic"),
    }  # fmt: skip
    body = json.dumps({"prompt": graph, "client_id": "x"}).encode()
    request = urllib.request.Request(f"{preview.url}/prompt", body, {"Content-Type": "application/json"})
    prompt = json.load(urllib.request.urlopen(request))["prompt_id"]
    for _try in range(200):
        if json.load(urllib.request.urlopen(f"{preview.url}/history/{prompt}")):
            break
        time.sleep(0.05)
    owner = people("owner", owner=True)
    client = Client()
    client.force_login(owner)
    page = client.get(f"/engines/{engine.pk}/history/").text
    assert "Take over" in page
    client.post(f"/engines/{engine.pk}/history/")
    takeover_jobs.life.work()
    job = TakeOver.objects.get()
    assert job.report.get("taken", 0) >= 1, (job.status, job.error_kind, job.error_detail, job.report)
    found = GeneratedImage.objects.filter(task__prompt="a lighthouse").first()
    assert found is not None and found.seed == 7 and found.engine == engine
    assert "theirs/pic" in found.origin.path
