"""The health report and the crops as pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from stylestudio.people.visibility import Visibility
from tests.pages import tight
from tests.training.conftest import AddPicture
from tests.training.datasets.health.test_fixes import figures
from training.datasets.captions import grid
from training.datasets.crops import frames
from training.datasets.health import stored, views
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def signed_in(client: Client, ada: User) -> None:
    """Ada looks."""
    client.force_login(ada)


def page(client: Client, dataset: Dataset, name: str = "health/", **extra: Any) -> str:
    answer = client.get(f"/datasets/{dataset.slug}/{name}", **extra)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_report_stands_beside_captions_and_crops_and_is_asked_for_later(client: Client, dataset: Dataset) -> None:
    for name in ("", "crops/"):
        html = page(client, dataset, name)
        assert 'aria-label="Health report"' in html and 'hx-trigger="load"' in html
        assert f'href="/datasets/{dataset.slug}/health/"' in html  # without JavaScript
    assert 'id="health"' not in page(client, dataset)


def test_findings_come_worst_first_with_their_button_and_their_reason(
    client: Client, dataset: Dataset, add: AddPicture
) -> None:
    add("", measures=figures())
    html = page(client, dataset, "health/report/?place=crops")
    assert html.index("Problem:") < html.index("Warning:") < html.index("Good:")
    assert (
        "1 picture has no caption" in html and "Without words, training cannot tell the subject from the style." in html
    )
    assert f'href="/datasets/{dataset.slug}/?only=empty"' in html
    assert 'name="place" value="crops"' in html
    assert re.search(r"\d to fix", html) and re.search(r"\d to look at", html) and re.search(r"\d good", html)


def test_an_empty_dataset_says_what_will_stand_here(client: Client, dataset: Dataset) -> None:
    assert "Problems with your pictures will show up here" in page(client, dataset)
    assert "No picture takes part in training" in page(client, dataset, "crops/")
    assert not DatasetJob.objects.exists()


def test_pairs_are_shown_side_by_side_with_the_better_one_unticked(
    client: Client, dataset: Dataset, add: AddPicture
) -> None:
    first = add("a", width=900, height=900, measures=figures())
    copy = add("b", width=500, height=500, measures=figures(twins=[[first.pk, 0.95, False]]))
    html = page(client, dataset)
    assert "2 pictures are nearly the same" in html and "worth keeping" in html
    block = tight(html[html.index('id="near_duplicates"') :])
    assert re.search(rf'value="{first.pk}" autocomplete="off">', block)
    assert re.search(rf'value="{copy.pk}" autocomplete="off" checked>', block)


def test_pictures_that_were_not_measured_are_said_and_ordered_to_be(
    client: Client, dataset: Dataset, add: AddPicture
) -> None:
    add("a")
    html = page(client, dataset)
    job = DatasetJob.objects.get()
    assert job.work == DatasetJob.Work.CHECK and job.owner == dataset.owner
    assert job.root_id in html and "checking now" in html
    page(client, dataset)
    assert DatasetJob.objects.count() == 1


def test_a_check_can_be_asked_for_and_only_once_at_a_time(client: Client, dataset: Dataset, add: AddPicture) -> None:
    add("a", measures=figures())
    for _ in range(2):
        client.post(f"/datasets/{dataset.slug}/health/check/")
    assert DatasetJob.objects.count() == 1


def test_who_may_not_change_the_dataset_sees_the_report_without_buttons(
    client: Client, dataset: Dataset, add: AddPicture, bob: User
) -> None:
    add("", width=100, height=100, measures=figures())
    client.force_login(bob)
    html = page(client, dataset, "health/report/")
    assert "too small" in html and "health/fix/" not in html
    assert "health/fix/" not in page(client, dataset)
    assert 'type="range"' not in page(client, dataset, "crops/")


def test_a_private_dataset_of_somebody_else_does_not_exist(
    client: Client, dataset: Dataset, add: AddPicture, bob: User
) -> None:
    image = add("a")
    Dataset.objects.filter(pk=dataset.pk).update(visibility=Visibility.PRIVATE)
    client.force_login(bob)
    for name in ("health/", "health/report/", "crops/"):
        assert client.get(f"/datasets/{dataset.slug}/{name}").status_code == 404
    assert client.post(f"/datasets/pictures/{image.pk}/crop/", {"x": 1}).status_code == 404


def test_a_large_group_is_shown_in_part(client: Client, dataset: Dataset, add: AddPicture) -> None:
    for _ in range(views.MOST_SHOWN + 6):
        add("the same words", measures=figures())
    html = page(client, dataset)
    block = html[html.index('id="same_captions"') :].split("</section>")[0]
    assert block.count("<figure") == views.MOST_SHOWN and "and 6 more" in block


def test_names_and_captions_are_never_markup(client: Client, dataset: Dataset, add: AddPicture) -> None:
    nasty = "<script>alert(1)</script>"
    for _ in range(12):
        add(nasty, source_name=nasty, width=1000, height=900, measures=figures())
    assert nasty not in page(client, dataset) + page(client, dataset, "crops/")


def test_the_captions_page_can_show_what_is_flagged(client: Client, dataset: Dataset, add: AddPicture) -> None:
    bad, good = add("", measures=figures()), add("x", width=1024, height=1024, measures=figures())
    add("y", width=1024, height=1024, measures=figures())
    flagged = grid.Grid(dataset, grid.Filters(only="flagged"))
    shown = {row.pk for _number, row in flagged.shown}
    assert bad.pk in shown and good.pk not in shown


# --- Crops


def test_crops_are_grouped_by_bucket_with_counts_and_paged(client: Client, dataset: Dataset, add: AddPicture) -> None:
    for number in range(frames.PAGE + 2):
        add(f"n{number}", width=1024, height=1024)
    add("tall", width=832, height=1216)
    add("left out", width=640, height=640, included=False)
    first = page(client, dataset, "crops/")
    assert first.count('class="crop') - first.count('class="crops') == frames.PAGE
    assert "1024 × 1024" in first and f"{frames.PAGE + 2} pictures" in first
    assert "832 × 1216" not in first and f"?after={frames.PAGE}" in first
    rest = page(client, dataset, f"crops/?after={frames.PAGE}", headers={"HX-Request": "true"})
    assert "<html" not in rest and "1024 × 1024" not in rest
    assert "832 × 1216" in rest and "alone in its bucket" in rest and "640" not in rest
    assert client.get(f"/datasets/{dataset.slug}/crops/?after=x").status_code == 404
    assert "Load more" not in page(client, dataset, "crops/?after=9999")


def test_what_is_cut_and_what_is_too_small_is_marked(client: Client, dataset: Dataset, add: AddPicture) -> None:
    add("a", width=575, height=575)
    html = page(client, dataset, "crops/")
    assert "21 % cut" in html and "1.8 times too small" in html


def test_what_fits_no_bucket_stands_last_and_cannot_be_moved(client: Client, dataset: Dataset, add: AddPicture) -> None:
    add("a line", width=2000, height=40)
    add("a", width=1000, height=900)
    html = page(client, dataset, "crops/")
    assert html.index("960 × 896") < html.index("No bucket fits") < html.index("fits no bucket")
    assert html.count('type="range"') == 2 and "× 0" not in html and "alone in its bucket" not in html
    assert "1 picture fits no bucket" in page(client, dataset)


def test_two_who_move_one_crop_in_two_directions_both_count(client: Client, add: AddPicture) -> None:
    image = add("a", width=1000, height=900)
    with CaptureQueriesContext(connection) as queries:
        client.post(f"/datasets/pictures/{image.pk}/crop/", {"x": "100"})
    (written,) = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "datasets_datasetimage"')]
    assert "crop_x" in written and "crop_y" not in written.split("WHERE")[0]


def test_a_crop_moves_and_the_other_direction_stays(client: Client, dataset: Dataset, add: AddPicture) -> None:
    image = add("a", width=1000, height=900)
    answer = client.post(f"/datasets/pictures/{image.pk}/crop/", {"x": "100"})
    assert answer.headers["Location"] == f"/datasets/{dataset.slug}/crops/#crop-{image.pk}"
    image.refresh_from_db()
    assert (image.crop_x, image.crop_y) == (1.0, 0.5)
    answer = client.post(f"/datasets/pictures/{image.pk}/crop/", {"y": "0"}, headers={"HX-Request": "true"})
    assert answer.status_code == 204, "the page has drawn the new place already"
    image.refresh_from_db()
    assert (image.crop_x, image.crop_y) == (1.0, 0.0)
    card = frames.card(image)
    assert card.hole[1] == 0 and card.hole[0] + card.hole[2] == pytest.approx(card.width, abs=0.2)
    assert card.path in page(client, dataset, "crops/")


def test_the_page_of_one_picture_shows_its_cut_and_moves_it(client: Client, add: AddPicture, bob: User) -> None:
    image = add("a", width=1000, height=900)
    html = client.get(image.get_absolute_url()).content.decode()
    assert frames.card(image).path in html and 'id="cut-away"' in html
    address = f"/datasets/pictures/{image.pk}/crop/?from=picture"
    assert f'action="{address}"' in html
    assert client.post(address, {"x": "0"}).headers["Location"] == image.get_absolute_url()
    client.force_login(bob)
    assert 'type="range"' not in client.get(image.get_absolute_url()).content.decode()


@pytest.mark.parametrize("values", [{"x": "101"}, {"y": "-1"}, {"x": "left"}, {"x": "nan"}])
def test_a_place_outside_of_the_picture_does_not_exist(client: Client, add: AddPicture, values: dict[str, str]) -> None:
    image = add("a", width=1000, height=900)
    assert client.post(f"/datasets/pictures/{image.pk}/crop/", values).status_code == 404
    assert DatasetImage.objects.get(pk=image.pk).crop_x == 0.5


def test_measures_of_another_version_are_not_believed(client: Client, dataset: Dataset, add: AddPicture) -> None:
    add("a", measures=figures(version=stored.VERSION + 1, sharpness=0.01))
    assert "blurred" not in page(client, dataset)
