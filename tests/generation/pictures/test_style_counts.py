"""Pictures by style are counted when they come and go, and never by looking at all of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.db.migrations.loader import MigrationLoader

from generation.engines.models import Engine
from generation.making import storing
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, StyleCount, style_counts
from generation.pictures.models.style_counts import count_by_style
from styles.models import Style
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import png

pytestmark = pytest.mark.django_db
Make = Callable[..., GeneratedImage]


@pytest.fixture
def make(db: None, media: Path) -> Make:
    """Stores a picture as the runner does."""
    engine = Engine.objects.create(address="http://127.0.0.1:9", source=Engine.Source.ADMIN)

    def made(user: User, *mix: Style, visibility: str = Visibility.TEAM, is_face: bool = False) -> GeneratedImage:
        ingredients = tuple(Ingredient(version, 0.5) for style in mix for version in style.versions.all())
        task = orders.place(Order(prompt="a fox", mix=ingredients), user, is_face=is_face)
        GenerationTask.everything.filter(pk=task.pk).update(visibility=visibility, status="running")
        task.refresh_from_db()
        prompt = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=task.queued_at)
        picture = storing.store(prompt, png())
        assert picture is not None
        return picture

    return made


def test_each_sees_how_many_of_the_pictures_that_they_may_see_a_style_has(make: Make, ada: User, bob: User) -> None:
    ink, mist = Style.objects.create(name="Ink"), Style.objects.create(name="Mist")
    ink.new_version()
    make(ada, ink)
    make(bob, ink, mist)
    make(ada, mist, visibility=Visibility.PRIVATE)
    make(ada, mist, is_face=True)
    assert count_by_style([ink.pk, mist.pk], ada) == {ink.pk: 2, mist.pk: 2}
    assert count_by_style([ink.pk, mist.pk], bob) == {ink.pk: 2, mist.pk: 1}
    assert count_by_style([mist.pk], User(is_superuser=True)) == {mist.pk: 2}


def test_a_picture_in_the_trash_does_not_count_and_is_moved_there_once(make: Make, ada: User) -> None:
    ink = Style.objects.create(name="Ink")
    picture, _other = make(ada, ink), make(ada, ink)
    again = GeneratedImage.objects.get(pk=picture.pk)
    picture.delete()
    again.delete()
    assert count_by_style([ink.pk], ada) == {ink.pk: 1}
    picture.restore()
    again.restore()
    assert count_by_style([ink.pk], ada) == {ink.pk: 2}


def test_an_earlier_database_is_counted_once(make: Make, ada: User, bob: User) -> None:
    ink, mist = Style.objects.create(name="Ink"), Style.objects.create(name="Mist")
    ink.new_version()
    make(ada, ink, mist)
    make(bob, ink).delete()
    make(bob, mist, visibility=Visibility.PRIVATE)
    make(ada, mist, is_face=True)
    fields = ("style", "owner", "visibility", "pictures")
    counted = set(StyleCount.objects.filter(pictures__gt=0).values_list(*fields))
    StyleCount.objects.all().delete()
    name = "0003_count_pictures_by_style"
    of_then = MigrationLoader(connection).project_state(("pictures", name)).apps
    importlib.import_module(f"generation.pictures.migrations.{name}").count(of_then, None)
    assert set(StyleCount.objects.values_list(*fields)) == counted and len(counted) == 3


def test_a_picture_that_cannot_be_counted_does_not_pass_for_one_that_is_there(
    make: Make, ada: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(task: object, number: int) -> None:
        raise IntegrityError("the style is gone")

    monkeypatch.setattr(style_counts, "add", fail)
    with pytest.raises(IntegrityError):
        make(ada, Style.objects.create(name="Ink"))
    assert not GeneratedImage.everything.exists() and not list(media.rglob("*.png"))
