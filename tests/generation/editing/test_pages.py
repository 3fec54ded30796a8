"""The editor's page as a browser without scripts uses it, what it refuses, and what pages say of edited pictures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from generation.engines.models import Engine
from generation.making import runner
from generation.masks.models import Edit
from generation.ordering import orders
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.recipes import registry
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import HTMX, signed_in
from tests.generation.editing.conftest import SIZE, of_noise, opened, order, picture, stored
from tests.pages import page

pytestmark = pytest.mark.django_db


def sent(**changes: Any) -> dict[str, Any]:
    """A form as a browser sends it: a rectangle by numbers."""
    usual = {
        "prompt": "a hand", "count": "1", "seed": "5", "recipe": registry.DEFAULT, "fields_of": registry.DEFAULT,
        "steps": "4", "cfg": "1", "sampler": "euler", "scheduler": "sgm_uniform", "denoise": "0.9",
        "box_left": "16", "box_top": "8", "box_width": "32", "box_height": "24", "feather": "0",
        "add_left": "0", "add_top": "0", "add_right": "0", "add_bottom": "0", "seam": "0",
    }  # fmt: skip
    return usual | changes


def a_mask(size: tuple[int, int] = SIZE, *, empty: bool = False) -> SimpleUploadedFile:
    """A mask as a file."""
    mask = Image.new("L", size)
    if not empty:
        mask.paste(255, (8, 8, 24, 24))
    return SimpleUploadedFile("mask.png", stored(mask), "image/png")


NO_BOX = {"box_width": "", "box_height": ""}


def address(source: GeneratedImage, query: str = "") -> str:
    """The editor of a picture."""
    return reverse("generation:edit", args=[source.pk]) + query


def test_somebody_without_scripts_edits_a_rectangle_by_numbers(
    engine: Engine, her: Client, source: GeneratedImage
) -> None:
    html = page(her.get(address(source)))
    assert 'name="box_left"' in html and "Rectangle by numbers" in html and f"Edit picture {source.pk}" in html
    answer = her.post(address(source), sent())
    task = GenerationTask.objects.get(edit__isnull=False)
    assert answer.status_code == 302 and answer.headers["Location"] == task.get_absolute_url()
    runner.work()
    made = opened(GeneratedImage.objects.get(task=task))
    differs = (np.asarray(made) != np.asarray(opened(source))).any(axis=2)
    assert differs[8:32, 16:48].all() and differs.sum() == 32 * 24


def test_a_picture_is_made_larger_by_numbers(her: Client, source: GeneratedImage) -> None:
    her.post(address(source), sent(**NO_BOX, add_right="64", add_top="8", seam="16"))
    facts = Edit.objects.get().task.snapshot["edit"]
    assert (facts["margins"], facts["canvas"]) == ([0, 8, 64, 0], [192, 104])
    answer = her.post(address(source), sent(**NO_BOX, add_right="63"))
    assert answer.status_code == 422 and "A multiple of 8 from 0 to 1024." in page(answer)


def test_the_form_begins_with_what_the_picture_was_made_with(her: Client, source: GeneratedImage) -> None:
    html = page(her.get(address(source)))
    assert "a fox" in html and 'value="0.85"' in html
    assert her.get(address(source)).context["form"]["seed"].value() is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mask": a_mask((64, 64))}, "64 × 64 pixels large and the picture 128 × 96"),
        ({"mask": a_mask(empty=True), **NO_BOX}, "Nothing is marked"),
        (NO_BOX, "Nothing is marked"),
        ({"mask": SimpleUploadedFile("m.png", b"no picture", "image/png")}, "not a PNG, JPEG or WebP picture"),
        ({"box_left": "500"}, "Nothing is marked"),
        ({"prompt": " "}, "Say what should be in the picture"),
        ({"add_left": "2000"}, "A multiple of 8 from 0 to 1024."),
        ({"denoise": "7"}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_is_half_made(
    her: Client, source: GeneratedImage, changes: dict[str, Any], said: str
) -> None:
    for each in changes.values():
        if isinstance(each, SimpleUploadedFile):
            each.seek(0)
    answer = her.post(address(source), sent(**changes))
    assert answer.status_code == 422 and said in page(answer)
    assert "a hand" in page(answer) or "prompt" in changes
    assert not Edit.objects.exists() and not GenerationTask.objects.filter(mode="image").exists()


def test_a_mask_that_came_with_a_refused_form_is_kept_for_the_next_try(her: Client, source: GeneratedImage) -> None:
    refused = her.post(address(source), sent(mask=a_mask(), prompt="", **NO_BOX))
    ticket = refused.context["form"]["mask_id"].value()
    assert her.post(address(source), sent(mask_id=ticket, **NO_BOX)).status_code == 302
    assert Edit.objects.get().mask.sha256
    another = signed_in(User.objects.create(username="eve"))
    assert another.post(address(source), sent(mask_id=ticket, **NO_BOX)).status_code == 422, "a ticket is one person's"


def test_a_picture_that_was_deleted_meanwhile_says_so_and_loses_nothing(her: Client, source: GeneratedImage) -> None:
    source.delete()
    assert her.get(address(source)).headers["Location"] == source.get_absolute_url()
    answer = her.post(address(source), sent())
    assert answer.status_code == 422
    assert "This picture is in the trash." in page(answer) and "a hand" in page(answer)
    GeneratedImage.everything.filter(pk=source.pk).update(emptied_at=source.created_at)
    assert her.post(address(source), sent()).status_code == 404
    assert not Edit.objects.exists()


def test_a_private_picture_is_nobody_elses_to_edit_and_its_edits_are_private_too(
    her: Client, bob: User, source: GeneratedImage
) -> None:
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    for method in ("get", "post"):
        assert getattr(signed_in(bob), method)(address(source), sent()).status_code == 404
    her.post(address(source), sent())
    edit = Edit.objects.get()
    assert edit.task.visibility == Visibility.PRIVATE
    mask = reverse("generation:job-mask", args=[edit.pk])
    assert her.get(mask).headers["Content-Type"] == "image/png"
    assert signed_in(bob).get(mask).status_code == 404
    assert signed_in(bob).get(address(source, f"?again={edit.pk}")).status_code == 404


def test_the_page_of_an_edited_picture_shows_source_and_mask_and_edit_again_keeps_the_mask(
    engine: Engine, her: Client, ada: User, source: GeneratedImage
) -> None:
    task = orders.place(order(source, ada, margins=(8, 0, 0, 0), detail=True), ada)
    runner.work()
    made = GeneratedImage.objects.get(task=task)
    html = page(her.get(made.get_absolute_url()))
    again = address(source, f"?again={task.pk}")
    mask = reverse("generation:job-mask", args=[task.pk])
    assert all(each in html for each in (source.get_absolute_url(), mask, again, "Edited from"))
    assert "was asked for" not in html, "it is as large as its canvas"
    form = her.get(again).context["form"]
    assert (form["add_left"].value(), form["detail"].value(), form["prompt"].value()) == (8, True, "a red house")
    assert her.post(again, sent(**NO_BOX, add_left="8", mask_id=form["mask_id"].value())).status_code == 302
    assert Edit.objects.latest("task").mask == task.edit.mask
    for query in (f"?picture={made.pk}", f"?task={task.pk}"):
        assert her.get(reverse("generation:studio") + query).headers["Location"] == again, "its settings belong there"
    assert her.get(address(source, f"?again={source.task_id}")).status_code == 404


def test_a_change_of_the_form_is_answered_with_what_follows(her: Client, source: GeneratedImage) -> None:
    compose = reverse("generation:edit-compose", args=[source.pk])
    html = page(her.post(compose, sent(recipe="sdxl"), headers=HTMX))
    assert 'id="readiness"' in html and 'value="28"' in html and "<html" not in html
    html = page(her.post(compose, sent(recipe="sdxl", mask=a_mask(), **NO_BOX)))
    assert "<html" in html and "a hand" in html
    assert 'name="mask_id" value=""' not in html, "without scripts a chosen file is not lost"


def test_recipes_without_a_graph_for_it_are_not_offered(her: Client, source: GeneratedImage) -> None:
    offered = [name for name, _title in her.get(address(source)).context["form"].fields["recipe"].choices]
    assert offered == [name for name, recipe in registry.current().items() if "edit" in recipe.graphs]
    assert her.post(address(source), sent(recipe="nothing")).status_code == 422


def test_what_is_made_anew_becomes_solid_only_for_pictures_with_transparency(her: Client, ada: User) -> None:
    clear = picture(ada, of_noise("RGBA"))
    clear.has_alpha = True
    clear.save()
    assert 'name="solid"' in page(her.get(address(clear)))
    her.post(address(clear), sent(solid="on"))
    assert Edit.objects.get().task.snapshot["edit"]["solid"] is True
    assert 'name="solid"' not in page(her.get(address(picture(ada))))


def test_the_file_of_a_mask_that_is_gone_is_not_there(her: Client, ada: User, source: GeneratedImage) -> None:
    task = orders.place(order(source, ada), ada)
    mask = reverse("generation:job-mask", args=[task.pk])
    with Image.open(io.BytesIO(b"".join(her.get(mask)))) as shown:
        assert shown.size == SIZE
    task.edit.mask.file.storage.delete(str(task.edit.mask.file.name))
    assert her.get(mask).status_code == 404
