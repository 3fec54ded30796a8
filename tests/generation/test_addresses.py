"""Every address of generation: who may, by which method, and what is private or absent."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.pictures.models import GeneratedImage, GenerationTask
from generation.urls import urlpatterns
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import (
    GET_ONLY,
    HTMX,
    POST_ONLY,
    VALID,
    WITH_NUMBER,
    address,
    picture_of,
    place,
    signed_in,
)

pytestmark = pytest.mark.django_db


def test_every_address_is_in_this_table() -> None:
    assert {pattern.name for pattern in urlpatterns} == GET_ONLY | POST_ONLY | {
        "board-choose", "board-edit", "board-new", "edit", "engine-history", "export-preset", "found-loras",
        "list-grid", "list-new", "list-row", "list-settings", "list-zip", "read-picture", "recipe", "recipe-add",
        "takeovers", "trash-all", "word-list", "word-list-new",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(GET_ONLY | POST_ONLY))
def test_other_methods_are_refused(her: Client, ada: User, name: str) -> None:
    task = place(ada)
    picture_of(task)
    allowed = "get" if name in GET_ONLY else "post"
    for method in {"get", "post", "put", "delete", "patch"} - {allowed}:
        assert getattr(her, method)(address(name, task.pk)).status_code == 405
    assert GenerationTask.objects.count() == 1


@pytest.mark.parametrize("name", sorted(GET_ONLY | POST_ONLY))
def test_strangers_are_sent_to_the_door(client: Client, ada: User, name: str) -> None:
    task = place(ada)
    picture = picture_of(task)
    method = client.get if name in GET_ONLY else client.post
    response = method(address(name, task.pk))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("sign-in"))
    htmx = method(address(name, task.pk), headers=HTMX)
    assert htmx.headers["HX-Redirect"].startswith(reverse("sign-in")) and not htmx.content
    task.refresh_from_db()
    assert task.status == Status.QUEUED and GenerationTask.objects.count() == 1
    assert GeneratedImage.objects.filter(pk=picture.pk).exists()


def test_a_form_without_its_token_is_refused(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post(address("generate"), VALID).status_code == 403
    assert not GenerationTask.objects.exists()


@pytest.mark.parametrize("name", ["cancel", "retry", "retry-smaller"])
def test_somebody_elses_job_is_not_yours_to_change(ada: User, bob: User, curator: User, name: str) -> None:
    task = place(ada)
    if name != "cancel":
        task.fail("out_of_memory")
    for headers in ({}, HTMX):
        response = signed_in(bob).post(address(name, task.pk), headers=headers)
        assert response.status_code == 403
        assert "Traceback" not in response.content.decode()
    task.refresh_from_db()
    assert (task.status, GenerationTask.objects.count()) == ("queued" if name == "cancel" else "failed", 1)
    assert signed_in(curator).post(address(name, task.pk), headers=HTMX).status_code == 200
    task.refresh_from_db()
    assert (task.status, GenerationTask.objects.count()) == (("cancelled", 1) if name == "cancel" else ("failed", 2))


def test_only_curators_move_a_job_to_the_front(her: Client, ada: User, bob: User, curator: User) -> None:
    place(bob)
    task = place(ada)
    for client in (her, signed_in(bob)):  # not even one's own: it goes before other people's
        for headers in ({}, HTMX):
            assert client.post(address("move-to-front", task.pk), headers=headers).status_code == 403
    task.refresh_from_db()
    assert task.priority == 0
    assert signed_in(curator).post(address("move-to-front", task.pk), headers=HTMX).status_code == 200
    task.refresh_from_db()
    assert task.priority == 1


def test_somebody_elses_picture_is_not_yours_to_delete(ada: User, bob: User, curator: User) -> None:
    picture = picture_of(place(ada))
    assert signed_in(bob).post(address("picture-delete", picture.pk)).status_code == 403
    assert GeneratedImage.objects.filter(pk=picture.pk).exists()
    assert signed_in(curator).post(address("picture-delete", picture.pk)).status_code == 302
    assert not GeneratedImage.objects.filter(pk=picture.pk).exists()
    assert signed_in(bob).post(address("picture-restore", picture.pk)).status_code == 403
    assert not GeneratedImage.objects.filter(pk=picture.pk).exists()


@pytest.mark.parametrize("name", sorted(WITH_NUMBER))
def test_what_is_private_or_absent_is_not_found(ada: User, bob: User, curator: User, name: str) -> None:
    task = place(ada, seed=5)
    picture = picture_of(task)
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    number = picture.pk if name.startswith("picture") else task.pk
    for user in (bob, curator):
        client = signed_in(user)
        method = client.get if name in GET_ONLY else client.post
        for pk in (number, number + 1000, 10**15):
            assert method(address(name, pk)).status_code == 404
    task.refresh_from_db()
    assert task.status == Status.QUEUED


@pytest.mark.parametrize("name", sorted(WITH_NUMBER))
def test_a_number_that_no_row_can_have_is_not_found(her: Client, name: str) -> None:
    method = her.get if name in GET_ONLY else her.post
    assert method(address(name, 10**30)).status_code == 404


def test_a_private_job_and_its_pictures_are_in_no_list_of_others(ada: User, bob: User) -> None:
    picture_of(place(ada, prompt="a surprise"))
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    client = signed_in(bob)
    for name in ("studio", "live", "gallery", "gallery-page"):
        assert "a surprise" not in client.get(address(name), {"who": "all"}).content.decode()
    assert "a surprise" in signed_in(ada).get(address("studio"), {"who": "all"}).content.decode()
