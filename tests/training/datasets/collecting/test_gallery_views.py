"""Pictures of the gallery become pictures of a dataset."""

from __future__ import annotations

import html
import re
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.engines.models import Engine
from generation.gallery import query
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from stylestudio.jobs.kinds import Status
from tests.pages import tight
from tests.training.datasets.collecting.conftest import content, picture
from training.datasets.collecting import from_gallery
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db


def client(user: User) -> Client:
    """A browser of this person."""
    browser = Client()
    browser.force_login(user)
    return browser


def names(dataset: Dataset) -> list[str]:
    """What its pictures are called."""
    return list(dataset.images.values_list("source_name", flat=True))


def paint(user: User, prompt: str, seed: int) -> GeneratedImage:
    """A picture of the gallery with its file."""
    now, (engine, _new) = timezone.now(), Engine.objects.get_or_create(address="http://127.0.0.1:9")
    task = GenerationTask.objects.create(
        owner=user, prompt=prompt, final_prompt=prompt, width=1024, height=1024, count=1, seeds=[seed], ended_at=now,
        status=Status.COMPLETED, own_values={"workflow": {"name": "txt2img", "sha256": "ab" * 32}},
    )  # fmt: skip
    row = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=now, state="done")
    image = GeneratedImage(
        task=task, index=0, prompt=row, seed=seed, width=48, height=32, size=2048, sha256="cd" * 32, engine=engine
    )
    image.file.save("made.png", ContentFile(picture(seed)), save=True)
    return image


@pytest.fixture
def made(ada: User) -> GeneratedImage:
    """A picture of ada's."""
    return paint(ada, "gouachefield painting, red hills", 9)


def test_a_picture_of_the_gallery_is_put_into_a_dataset_with_its_prompt(
    dataset: Dataset, ada: User, made: GeneratedImage
) -> None:
    browser = client(ada)
    page = browser.get(made.get_absolute_url()).content.decode()
    assert "Add to dataset" in page
    assert "Gouache studies" in page
    answer = browser.post(reverse("training:add-picture", args=[made.pk]), {"into": dataset.slug}, follow=True)
    assert "The picture is in Gouache studies now." in answer.content.decode()
    image = dataset.images.get()
    assert (image.caption, image.picture, image.width) == ("red hills", made, 48)
    assert content(image.file) == picture(9)
    assert "(is in it)" in answer.content.decode()
    answer = browser.post(reverse("training:add-picture", args=[made.pk]), {"into": dataset.slug}, follow=True)
    assert "was in Gouache studies already" in answer.content.decode()
    assert DatasetImage.objects.count() == 1


def test_a_picture_that_came_from_the_gallery_is_to_be_measured(
    dataset: Dataset, ada: User, made: GeneratedImage
) -> None:
    client(ada).post(reverse("training:add-picture", args=[made.pk]), {"into": dataset.slug})
    check = DatasetJob.objects.get()
    assert (check.dataset, check.work, check.owner) == (dataset, DatasetJob.Work.CHECK, ada)


def test_who_has_no_dataset_is_led_to_a_new_one_and_others_datasets_are_not_offered(
    dataset: Dataset, bob: User, made: GeneratedImage
) -> None:
    page = client(bob).get(made.get_absolute_url()).content.decode()
    assert "Gouache studies" not in page
    assert reverse("training:new") in page
    answer = client(bob).post(reverse("training:add-picture", args=[made.pk]), {"into": dataset.slug})
    assert answer.status_code == 403


def test_many_pictures_are_ticked_on_a_wall_and_come_in_with_their_prompts(
    dataset: Dataset, ada: User, made: GeneratedImage
) -> None:
    browser, address = client(ada), reverse("training:choose", args=[dataset.slug])
    blue = paint(ada, "blue hills", 8)
    assert address in browser.get(dataset.get_absolute_url()).content.decode()
    assert browser.get(address).content.decode().count('type="checkbox" name="picture"') == 2
    answer = browser.post(address, {"picture": [blue.pk, made.pk, "x"]}, follow=True)
    assert "2 pictures added" in answer.content.decode()
    assert [image.caption for image in dataset.images.all()] == ["red hills", "blue hills"], "in the order of making"
    page = browser.get(address).content.decode()
    assert page.count("disabled") == page.count("In the dataset") == 2, "what is in it cannot be ticked again"
    answer = browser.post(address, {"picture": [made.pk]}, follow=True)
    assert "0 pictures added · 1 was here already" in answer.content.decode()
    assert "blue hills" not in browser.get(address, {"q": "red"}).content.decode()


def test_further_pictures_of_the_wall_come_by_themselves(
    dataset: Dataset, ada: User, made: GeneratedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(ada, "blue hills", 8)
    page = partial(query.page, size=1)
    monkeypatch.setattr(query, "page", page)
    browser, address = client(ada), reverse("training:choose", args=[dataset.slug])
    first = browser.get(address).content.decode()
    (more,) = re.findall(r'hx-get="([^"]+/gallery/[^"]+)"', first)
    rest = browser.get(html.unescape(more), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in rest and f'value="{made.pk}"' in rest and "wall-more" not in rest
    assert browser.get(address, {"before": "nonsense"}).status_code == 404


def test_a_file_that_is_gone_is_named_and_the_others_come_in(dataset: Dataset, ada: User, made: GeneratedImage) -> None:
    gone = paint(ada, "a lost lighthouse", 8)
    gone.file.storage.delete(str(gone.file.name))
    answer = client(ada).post(reverse("training:choose", args=[dataset.slug]), {"picture": [made.pk, gone.pk]})
    assert answer.status_code == 422
    assert "a-lost-lighthouse-8" in answer.content.decode()
    assert names(dataset) == ["gouachefield-painting-red-hills-9.png"]


def test_ticking_nothing_or_too_much_is_said(
    dataset: Dataset, ada: User, made: GeneratedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = reverse("training:choose", args=[dataset.slug])
    assert "Tick the pictures to add first." in client(ada).post(address, {}, follow=True).content.decode()
    monkeypatch.setattr(from_gallery, "MOST_CHOSEN", 1)
    other = paint(ada, "blue hills", 8)
    answer = client(ada).post(address, {"picture": [made.pk, other.pk]}, follow=True)
    assert "The first 1 are added, which is the most at a time." in answer.content.decode()
    assert f'value="{other.pk}" autocomplete="off">' in tight(answer.content.decode()), "it can be ticked once more"
    assert dataset.images.count() == 1


def test_nobody_adds_to_the_dataset_of_another_or_what_they_may_not_see(
    dataset: Dataset, ada: User, bob: User, made: GeneratedImage
) -> None:
    address = reverse("training:choose", args=[dataset.slug])
    assert client(bob).get(address).status_code == client(bob).post(address, {"picture": [made.pk]}).status_code == 403
    made.delete()
    client(ada).post(address, {"picture": [made.pk]})
    assert not dataset.images.exists(), "what is in the trash is not seen"
