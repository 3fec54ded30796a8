"""The health report of transparent pictures: no advice erases one, and what they lie on is changed and undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from PIL import Image

from stylestudio.images import grounds
from tests.pages import Answer
from tests.training.datasets.crops.test_grounds import drop
from tests.training.datasets.icons import CREAM, INK, icon
from training.datasets import dataset_jobs
from training.datasets.crops import backgrounds
from training.datasets.health import dataset_facts, report
from training.datasets.health.findings import Finding, Level
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db


def checked(dataset: Dataset) -> dict[str, Finding]:
    """What the report says when the worker has looked at everything, by anchor."""
    dataset_jobs.order(dataset, dataset.owner, DatasetJob.Work.CHECK)
    dataset_jobs.life.work()
    dataset.refresh_from_db()
    found = dataset_facts.gather(dataset)
    assert not found.unmeasured
    return {finding.anchor: finding for finding in report.find(found)}


def light(count: int = 8) -> list[Image.Image]:
    return [icon(number) for number in range(count)]


def test_light_icons_are_no_copies_not_empty_and_laid_on_a_colour_that_shows_them(
    dataset: Dataset, tmp_path: Path
) -> None:
    found = checked(drop(dataset, tmp_path, *light()))
    assert {found[name].level for name in ("exact_duplicates", "near_duplicates")} == {Level.GREEN}
    assert not {"one_colour", "transparency-hidden"} & set(found)
    finding = found["transparency"]
    assert finding.level == Level.YELLOW and len(finding.pictures) == 8
    assert finding.fix is not None and (finding.fix.name, finding.fix.values) == ("lay", {"colour": "#000000"})
    assert not any(
        finding.fix and finding.fix.name in {"exclude", "remove"} and len(finding.pictures) > 2
        for finding in found.values()
        if finding.check != "too_small"
    )


def test_a_small_icon_on_a_large_canvas_is_not_called_empty(dataset: Dataset, tmp_path: Path) -> None:
    canvas = Image.new("RGBA", (512, 512), (0, 0, 0, 0))
    canvas.paste(icon(3, side=240), (130, 130))
    assert "one_colour" not in checked(drop(dataset, tmp_path, canvas))
    canvas.paste(Image.new("RGB", (512, 512), CREAM))
    assert "one_colour" in checked(drop(dataset, tmp_path, canvas))


def test_a_real_copy_among_light_icons_is_still_found(dataset: Dataset, tmp_path: Path) -> None:
    found = checked(drop(dataset, tmp_path, *light(), icon(3).resize((200, 200))))
    assert found["near_duplicates"].level == Level.YELLOW
    [group] = found["near_duplicates"].groups
    assert len(group.all) == 2


def test_dark_and_light_icons_are_both_seen_whatever_was_chosen(dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, *light(6), *(icon(number, INK) for number in range(6, 12)))
    Dataset.objects.update(ground=grounds.WHITE)
    found = checked(dataset)
    assert found["exact_duplicates"].level == found["near_duplicates"].level == Level.GREEN
    hidden = found["transparency-hidden"]
    assert hidden.level == Level.RED and len(hidden.pictures) == 6
    assert hidden.fix is not None and (hidden.fix.name, hidden.fix.values["colour"]) == ("lay", "#808080")


def test_what_an_older_check_called_copies_is_looked_at_again(dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, *light(4), Image.new("RGB", (256, 256), (255, 255, 255)))
    clear_ones = list(dataset.images.filter(has_alpha=True))
    checked(dataset)
    # As it was when everything was measured on white: one blank picture beside the other.
    first = dataset.images.first()
    assert first and first.measures
    old = {
        **first.measures,
        "pixels": "blank",
        "twins": [[each.pk, 1.0, False] for each in clear_ones],
    }
    del old["on"]
    dataset.images.update(measures=old)
    found = checked(dataset)
    assert "one_colour" not in found
    assert found["near_duplicates"].level == Level.GREEN


@pytest.fixture
def desk(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def undo(client: Client, answer: Answer) -> None:
    note = list(get_messages(answer.wsgi_request))[-1]
    client.post(note.extra_tags)


def test_the_ground_is_chosen_for_all_undone_and_left_to_the_proposal_again(
    desk: Client, dataset: Dataset, tmp_path: Path
) -> None:
    drop(dataset, tmp_path, *light(3))
    own = dataset.images.last()
    assert own
    DatasetImage.objects.filter(pk=own.pk).update(background="#112233")
    address = reverse("training:ground", args=[dataset.slug])
    answer = desk.post(address, {"colour": "#4466AA"})
    dataset.refresh_from_db()
    assert dataset.ground == "#4466aa"
    assert set(dataset.images.values_list("background", flat=True)) == {""}
    undo(desk, answer)
    dataset.refresh_from_db()
    own.refresh_from_db()
    assert (dataset.ground, own.background) == ("", "#112233")
    desk.post(address, {"colour": "#4466aa"})
    desk.post(address, {"colour": "#4466aa", "propose": "1"})
    assert backgrounds.ground(Dataset.objects.get()).chosen == ""


def test_a_colour_that_hides_pictures_is_said_at_once(desk: Client, dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, *light(3))
    answer = desk.post(reverse("training:ground", args=[dataset.slug]), {"colour": "#ffffff"})
    [note] = get_messages(answer.wsgi_request)
    assert note.message == "Transparent pictures are laid on #ffffff. 3 of them cannot be seen on it."
    page = desk.get(reverse("training:health", args=[dataset.slug])).text
    assert "3 of them cannot be seen there" in page and "As proposed (#000000)" in page


@pytest.mark.parametrize("colour", ["red", "#ff", "#ffffff;x", "#gggggg"])
def test_what_is_no_colour_is_refused(desk: Client, dataset: Dataset, tmp_path: Path, colour: str) -> None:
    drop(dataset, tmp_path, icon(1))
    desk.post(reverse("training:ground", args=[dataset.slug]), {"colour": colour})
    dataset.refresh_from_db()
    assert dataset.ground == ""


@pytest.mark.parametrize("page", ["health", "crops"])
def test_the_ground_is_shown_and_can_be_changed_where_training_is_looked_at(
    desk: Client, dataset: Dataset, tmp_path: Path, page: str
) -> None:
    drop(dataset, tmp_path, icon(1), icon(2))
    text = desk.get(reverse(f"training:{page}", args=[dataset.slug])).text
    assert 'value="#000000"' in text and "2 transparent pictures are laid on" in text
    if page == "crops":
        assert text.count('fill="#000000"') == 2


def test_pages_of_pictures_and_versions_name_the_ground(desk: Client, dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, icon(1))
    image = dataset.images.get()
    page = desk.get(image.get_absolute_url()).text
    assert "laid on #000000 in training" in page and 'class="big clear dark"' in page
    desk.post(reverse("training:freeze", args=[dataset.slug]))
    assert "<code>#000000</code>" in desk.get(reverse("training:snapshot", args=[dataset.slug, 1])).text


def test_a_dataset_without_transparent_pictures_says_nothing_of_grounds(
    desk: Client, dataset: Dataset, tmp_path: Path
) -> None:
    drop(dataset, tmp_path, Image.new("RGB", (64, 64), CREAM))
    for page in ("health", "crops"):
        assert "ground-colour" not in desk.get(reverse(f"training:{page}", args=[dataset.slug])).text
