"""Recipes that ask for several pictures: the form, what is ordered by it, and whoever else knows of it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from generation.controls.models import GivenPicture
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders, references
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, Reference
from generation.recipes import registry
from generation.recipes.models import OwnVersion
from generation.workflows.forms import prefix_of
from stylestudio.jobs.kinds import Status
from stylestudio.models import Worker
from tests.generation.browsing import HTMX, VALID, picture_of, place, png, signed_in, upload
from tests.generation.workflows.graphs import as_file, blended, inpainted
from tests.generation.workflows.test_pages import add, curator, posted, published
from tests.pages import page

__all__ = ["curator"]
pytestmark = pytest.mark.django_db

COMPOSE, GENERATE = reverse("generation:compose"), reverse("generation:generate")
TEXTURE = "own_image"  # what the recipe calls its further picture


@pytest.fixture
def blend(engine: Engine, curator: Client) -> OwnVersion:
    """A published recipe of two pictures."""
    return published(curator, as_file(blended()), title_en="Blend", title_zh="叠", styles="")


def kept(user: User, colour: int) -> Reference:
    """A picture of one colour that this person gave."""
    return references.add_reference(upload(png(48 + 8 * colour, 24)), user)


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    """The form of the recipe with both pictures."""
    form = {**VALID, "mode": "image", "recipe": "own-portrait", "fields_of": "own-portrait", "count": "1", "prompt": ""}
    form["reference_id"] = references.ticket(kept(user, 0).pk, user)
    form[f"{TEXTURE}-id"] = references.ticket(kept(user, 1).pk, user)
    return form | changes


def made(browser: Client, user: User, **changes: Any) -> GenerationTask:
    """A job of the recipe, after a worker has done what it can."""
    answer = browser.post(GENERATE, form_of(user, **changes), headers=HTMX)
    assert answer.status_code == 200, page(answer)
    runner.work()
    return GenerationTask.objects.latest("pk")


def test_two_pictures_become_one_and_the_page_of_it_shows_both(
    blend: OwnVersion, her: Client, ada: User, bob: User
) -> None:
    task = made(her, ada)
    assert task.status == Status.COMPLETED, task.error
    base, texture = Reference.objects.order_by("pk")
    assert (task.reference, task.snapshot["pictures"]) == (base, {TEXTURE: texture.sha256})
    sent = EnginePrompt.objects.get().graph
    assert [sent[key]["inputs"]["image"] for key in "12"] == [
        f"stylestudio-{each.sha256[:32]}.png" for each in (base, texture)
    ]
    html = page(her.get(task.pictures.get().get_absolute_url()))
    assert f'src="{texture.file.url}"' in html and "Texture" in html
    GenerationTask.objects.update(visibility="private")
    assert signed_in(bob).get(task.pictures.get().get_absolute_url()).status_code == 404
    assert not GivenPicture.objects.visible_to(bob).exists()


def test_a_missing_picture_is_asked_for_at_its_field_and_nothing_else_is_lost(
    blend: OwnVersion, her: Client, ada: User
) -> None:
    answer = her.post(GENERATE, form_of(ada, **{f"{TEXTURE}-id": ""}, prompt="kept words"), headers=HTMX)
    assert answer.status_code == 422
    assert "Texture: choose a picture." in page(answer) and "kept words" in page(answer)
    sent = form_of(ada, **{f"{TEXTURE}-id": "", f"{TEXTURE}-file": upload(png(64, 64)), "seed": "x"})
    assert her.post(GENERATE, sent, headers=HTMX).status_code == 422
    assert f'name="{TEXTURE}-id" value="' in page(her.get("/")), "a file that came with a wrong form is in the draft"
    both = {"reference_id": "", "reference": upload(png(64, 64))}
    html = page(her.post(GENERATE, form_of(ada, **{f"{TEXTURE}-id": ""}, **both), headers=HTMX))
    assert 'name="reference_id" value="' in html, "the other file came with it, and is stored"
    bad = form_of(ada, **{f"{TEXTURE}-id": "", f"{TEXTURE}-file": upload(b"no picture")})
    assert "Texture: choose" not in (html := page(her.post(GENERATE, bad, headers=HTMX))) and "PNG" in html
    assert not GenerationTask.objects.exists()


def test_a_ticket_is_of_one_person(blend: OwnVersion, her: Client, ada: User, bob: User) -> None:
    his = references.ticket(kept(bob, 5).pk, bob)
    for text in (his, "1", "1:x", ""):
        answer = her.post(GENERATE, form_of(ada, **{f"{TEXTURE}-id": text}), headers=HTMX)
        assert answer.status_code == 422 and "Texture: choose a picture." in page(answer)


def test_a_picture_is_stored_when_it_is_chosen_and_taken_from_the_gallery(
    blend: OwnVersion, her: Client, ada: User, bob: User
) -> None:
    address = reverse("generation:asked-picture", args=["own-portrait", TEXTURE])
    html = page(her.post(address, {f"{TEXTURE}-file": upload()}, headers=HTMX))
    assert f'id="asked-{TEXTURE}"' in html and f'name="{TEXTURE}-id"' in html and "Texture" in html
    answer = her.post(address, {f"{TEXTURE}-file": upload(b"x")}, headers=HTMX)
    assert answer.status_code == 422 and 'role="alert"' in page(answer)
    assert f'name="{TEXTURE}-id"' not in page(her.post(address, headers=HTMX)), "it is let go"
    picture = picture_of(place(bob))
    taken = reverse("generation:asked-from", args=["own-portrait", TEXTURE, picture.pk])
    assert f'name="{TEXTURE}-id"' in page(her.post(taken, headers=HTMX))
    assert Reference.objects.filter(picture=picture).exists()
    GenerationTask.objects.update(visibility="private")
    assert her.post(taken, headers=HTMX).status_code == 404
    for recipe, name in (("own-portrait", "nothing"), ("own-nothing", TEXTURE), ("sdxl", TEXTURE)):
        assert her.post(reverse("generation:asked-picture", args=[recipe, name])).status_code == 404


def test_without_scripts_the_form_takes_files_and_lets_go_of_pictures(
    blend: OwnVersion, her: Client, ada: User
) -> None:
    form = form_of(ada, **{f"{TEXTURE}-id": "", f"{TEXTURE}-file": upload(png(64, 64))})
    html = page(her.post(COMPOSE, form))
    assert html.count(f'name="{TEXTURE}-id" value="') == 1
    html = page(her.post(COMPOSE, form_of(ada, clear_asked=TEXTURE)))
    assert f'name="{TEXTURE}-id"' not in html and f'name="{TEXTURE}-file"' in html
    html = page(her.post(COMPOSE, form_of(ada, **{f"{TEXTURE}-id": ""}, take_reference=TEXTURE), headers=HTMX))
    assert f'name="{TEXTURE}-id" value="' in html and 'hx-swap-oob="true"' in html


def test_the_form_keeps_its_pictures_and_reuse_brings_them_back(
    blend: OwnVersion, her: Client, ada: User, bob: User
) -> None:
    her.post(COMPOSE, form_of(ada), headers=HTMX)
    assert f'name="{TEXTURE}-id" value="' in page(her.get("/"))
    swapped = form_of(ada, recipe="sdxl", fields_of="own-portrait")
    assert f'name="{TEXTURE}-file"' not in page(her.post(COMPOSE, swapped, headers=HTMX))
    task = made(her, ada)
    reused = page(signed_in(bob).get(f"/?task={task.pk}"))
    texture = GivenPicture.objects.get(task=task).picture
    assert f'value="{references.ticket(texture.pk, bob)}"' in reused, "bob may see the job, so he gets his own ticket"
    detail = page(her.get(f"/?picture={task.pictures.get().pk}"))
    assert f'value="{references.ticket(texture.pk, ada)}"' in detail


def test_variations_and_retries_are_given_the_same_pictures(
    blend: OwnVersion, her: Client, ada: User, curator: Client
) -> None:
    task = made(her, ada)
    curator.post(reverse("generation:recipe-renew", args=[blend.pk]))
    second = OwnVersion.objects.get(number=2)
    posted(curator, second, **{f"{prefix_of('2/image')}-use": "reference", "then": "publish", "styles": ""})
    assert registry.current()["own-portrait"].pictures == {}
    again = orders.vary(task, ada, None)
    runner.work()
    again.refresh_from_db()
    assert (again.status, again.snapshot["pictures"]) == (Status.COMPLETED, task.snapshot["pictures"]), again.error
    task.pictures.all().delete()
    GenerationTask.objects.filter(pk=task.pk).update(status=Status.FAILED)
    task.refresh_from_db()
    retried = orders.retry(task, ada)
    assert retried.snapshot == task.snapshot and retried.given.get().role == TEXTURE


def test_a_picture_in_use_is_told_before_it_is_deleted(blend: OwnVersion, her: Client, ada: User) -> None:
    picture = picture_of(place(ada))
    texture = references.reference_from(picture, ada)
    her.post(GENERATE, form_of(ada, **{f"{TEXTURE}-id": references.ticket(texture.pk, ada)}), headers=HTMX)
    assert list(references.uses([picture.pk])) == [(picture.pk, "Given to a job that is not finished")]
    runner.work()
    assert list(references.uses([picture.pk])) == []


def test_a_file_that_is_gone_ends_the_job_in_words(blend: OwnVersion, her: Client, ada: User) -> None:
    her.post(GENERATE, form_of(ada), headers=HTMX)
    picture = GivenPicture.objects.get().picture
    picture.file.storage.delete(str(picture.file.name))
    runner.work()
    task = GenerationTask.objects.get()
    assert task.status == Status.FAILED and task.explanation and "Traceback" not in task.error_detail


def test_settings_beside_a_downloaded_picture_and_in_comparing_name_the_pictures(
    blend: OwnVersion, her: Client, ada: User
) -> None:
    from generation.selecting import sidecars

    first, second = made(her, ada), made(her, ada, seed="7")
    picture = first.pictures.get()
    assert sidecars.settings(picture, [])["pictures"] == first.snapshot["pictures"]
    pair = f"{picture.pk},{second.pictures.get().pk}"
    html = page(her.get(f"{reverse('generation:compare')}?ids={pair}"))
    assert "Texture" in html and first.snapshot["pictures"][TEXTURE][:8] in html


def test_the_command_takes_them_by_name(
    blend: OwnVersion, ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = timezone.now()
    Worker.objects.create(name="w", started_at=moment, heartbeat_at=moment)
    for name in ("base", "cloth"):
        Image.new("RGB", (64, 64), "red" if name == "base" else "blue").save(tmp_path / f"{name}.png")
    usual = ["--prompt", "x", "--recipe", "own-portrait", "--reference", str(tmp_path / "base.png"), "--user", "ada"]
    for pictures, words in (
        ([], "Texture: choose a picture"),
        (["--picture", f"cloth={tmp_path / 'cloth.png'}"], "asks for no picture cloth"),
        (["--picture", f"{TEXTURE}={tmp_path / 'none.png'}"], "cannot be read"),
        (["--picture", "cloth.png"], "is no picture"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("generate", *usual, *pictures)
    monkeypatch.setattr("stylestudio.live.terminal.follow_job", lambda task, *_rest, **_more: _after(task))
    call_command("generate", *usual, "--picture", f"{TEXTURE}={tmp_path / 'cloth.png'}", stdout=StringIO())
    assert GenerationTask.objects.get().snapshot["pictures"].keys() == {TEXTURE}


def _after(task: GenerationTask) -> GenerationTask:
    runner.work()
    task.refresh_from_db()
    return task


def test_a_draft_is_tried_with_all_its_pictures(engine: Engine, curator: Client) -> None:
    version = add(curator, as_file(blended()))
    answer = posted(curator, version, **{"then": "try", "styles": "", "try-picture": upload()})
    assert answer.status_code == 422 and "Choose a picture to try it with: Texture." in page(answer)
    files = {"try-picture": upload(), f"try-{TEXTURE}": upload(png(64, 64))}
    posted(curator, version, **{"then": "try", "styles": "", **files})
    runner.work()
    task = GenerationTask.objects.get()
    assert (task.status, task.visibility) == (Status.COMPLETED, "private"), task.error


def test_a_recipe_with_a_mask_is_found_under_edit(engine: Engine, curator: Client, ada: User) -> None:
    version = add(curator, as_file(inpainted()))
    html = page(curator.get(version.get_absolute_url()))
    assert "people find it under Edit on the page of a picture" in html
    answer = posted(curator, version, then="try")
    assert answer.status_code == 422 and "Publish it to try it under Edit." in page(answer)
    assert posted(curator, version, then="publish", title_en="Mend").status_code == 302
    html = page(curator.get("/"))
    assert "Mend – for a part of a picture: choose it with Edit on the page of a picture" in html
    form = {**VALID, "recipe": "own-portrait", "fields_of": "own-portrait"}
    answer = curator.post(GENERATE, form, headers=HTMX)
    assert answer.status_code == 422 and "Open a picture, press Edit, and choose it there." in page(answer)
    task = place(ada, width=64, height=64, count=1)
    runner.work()
    picture = GeneratedImage.objects.get(task=task)
    edit = reverse("generation:edit", args=[picture.pk])
    assert ">Mend<" in page(curator.get(edit))
    marked = {"box_left": "8", "box_top": "8", "box_width": "16", "box_height": "16", "feather": "0"}
    answer = curator.post(edit, {**form, **marked, "count": "1", "denoise": "1"})
    assert answer.status_code == 302, page(answer)
    runner.work()
    made = GeneratedImage.objects.exclude(pk=picture.pk).get()
    before, after = (Image.open(each.file).convert("RGB") for each in (picture, made))
    assert (
        before.size == after.size and before.crop((32, 32, 64, 64)).tobytes() == after.crop((32, 32, 64, 64)).tobytes()
    )
    assert before.crop((8, 8, 24, 24)).tobytes() != after.crop((8, 8, 24, 24)).tobytes()


def test_a_list_says_that_it_cannot_give_pictures(blend: OwnVersion, ada: User) -> None:
    from generation.lists.models import ListRow, OrderList
    from generation.lists.planning import Planner

    found = OrderList(owner=ada, choices={"recipe": "own-portrait"})
    row = ListRow(order_list=found, number=1, cells={"prompt": "a fox"}, seed=1)
    assert "asks for pictures, which a list cannot give" in Planner(found).one(row).problems["recipe"]


def test_the_snapshot_is_what_a_later_version_of_the_studio_reads(blend: OwnVersion, her: Client, ada: User) -> None:
    task = made(her, ada)
    stored = json.loads(json.dumps(task.snapshot))
    assert stored["schema"] == 2 and stored["pictures"] == {TEXTURE: GivenPicture.objects.get().picture.sha256}
