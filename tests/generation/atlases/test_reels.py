"""The animations of a sheet on its page, and effects as games add them to what is behind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from generation.atlases import reels
from generation.pictures.models import GeneratedImage
from styles.models import Style
from stylestudio.people.visibility import Visibility
from tests.generation.atlases.test_sheet_jobs import made
from tests.generation.browsing import signed_in
from tests.generation.derivations.conftest import Store, icon
from tests.pages import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def sparks() -> Style:
    return Style.objects.create(name="Sparks", kind="vfx")


def test_frames_are_played_in_the_order_of_their_numbers_and_as_long_as_the_sheet_says(
    store: Store, ada: User, sparks: Style
) -> None:
    pictures = [store(icon(24 + number), style=sparks) for number in range(11)]
    job = made(ada, *pictures, template="spark_{index}", milliseconds="120")
    [reel] = reels.reels(ada, job)
    assert (reel.title, [each.pk for each in reel.frames]) == ("spark", [each.pk for each in pictures])
    said = page(signed_in(ada).get(job.get_absolute_url()))
    assert 'data-reel="120"' in said and said.count("<img") >= 11 and "data-play" in said
    assert 'id="ground-adds" checked' in said and "style=" not in said


def test_who_may_not_see_a_frame_gets_the_others_and_one_alone_is_no_animation(
    store: Store, ada: User, bob: User
) -> None:
    pictures = [store(icon(24 + number)) for number in range(3)]
    job = made(ada, *pictures, template="walk_{index}")
    for shown, number in ((3, 0), (2, 1), (0, 2)):
        assert sum(len(each.frames) for each in reels.reels(bob, job)) == shown
        type(pictures[0].task).objects.filter(pk=pictures[number].task_id).update(visibility=Visibility.PRIVATE)
    assert reels.reels(bob, job) == [] and not reels.is_effect([])


def test_a_sheet_without_animations_shows_none(store: Store, ada: User) -> None:
    job = made(ada, store(icon()), store(icon(30)), template="{index}x")
    assert "data-reel" not in page(signed_in(ada).get(job.get_absolute_url()))


@pytest.mark.parametrize(("kind", "has_alpha", "shown", "adds"), [
    ("vfx", False, True, True), ("vfx", True, True, True), ("ui", True, True, False), ("ui", False, False, False),
])  # fmt: skip
def test_a_picture_lies_on_grounds_and_an_effect_is_added_to_them(
    store: Store, ada: User, sparks: Style, kind: str, has_alpha: bool, shown: bool, adds: bool
) -> None:
    Style.objects.filter(pk=sparks.pk).update(kind=kind)
    picture = store(icon(), style=sparks)
    GeneratedImage.objects.filter(pk=picture.pk).update(has_alpha=has_alpha)
    said = page(signed_in(ada).get(picture.get_absolute_url()))
    assert ('name="ground"' in said, 'id="ground-adds" checked' in said) == (shown, adds)
