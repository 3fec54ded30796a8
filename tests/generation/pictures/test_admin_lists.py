"""The admin's lists of what grows for years: they never count or sort all of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.people import long_lists
from tests.generation.browsing import picture_of, place

PICTURES = "/admin/pictures/generatedimage/"


@pytest.fixture
def admin(olga: User, client: Client) -> Client:
    """Somebody who curates."""
    client.force_login(olga)
    return client


def stored(owner: User, *months: int) -> list[GeneratedImage]:
    """A picture of each of these months of 2025."""
    made = []
    for month in months:
        picture = picture_of(place(owner, prompt=f"of month {month}", count=1))
        moment = datetime(2025, month, 15, tzinfo=UTC)
        GeneratedImage.everything.filter(pk=picture.pk).update(created_at=moment)
        GenerationTask.objects.filter(pk=picture.task_id).update(queued_at=moment)
        made.append(picture)
    return made


def test_the_list_ends_after_the_newest_and_says_so(admin: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lists, "MOST", 2)
    first, second, third = stored(ada, 1, 2, 3)
    page = admin.get(PICTURES)
    assert page.context["cl"].result_count == 2
    assert [row.pk for row in page.context["cl"].result_list][:2] == [third.pk, second.pk]
    assert "The newest 2 at most are listed" in page.text
    assert [row.pk for row in admin.get(f"{PICTURES}?q=month+1").context["cl"].result_list] == [first.pk]


@pytest.mark.parametrize("address", [PICTURES, "/admin/pictures/generationtask/"])
def test_a_month_is_chosen_from_the_first_to_the_last_that_there_are(admin: Client, ada: User, address: str) -> None:
    stored(ada, 1, 3)
    page = admin.get(address)
    assert all(month in page.text for month in ("March 2025", "February 2025", "January 2025"))
    assert "April 2025" not in page.text
    assert admin.get(f"{address}?month=2025-02").context["cl"].result_count == 0
    assert admin.get(f"{address}?month=2025-01").context["cl"].result_count == 1


def test_a_month_that_is_none_and_an_empty_list_are_no_error(admin: Client, ada: User) -> None:
    assert admin.get(PICTURES).context["cl"].result_count == 0
    stored(ada, 1)
    for month in ("2025-13", "9999-12", "0001-01", "x", "", "2025-01-01"):
        assert admin.get(f"{PICTURES}?month={month}").context["cl"].result_count == 1


def test_jobs_are_found_by_why_they_failed(admin: Client, ada: User) -> None:
    task = stored(ada, 1)[0].task
    GenerationTask.objects.filter(pk=task.pk).update(error_kind="stalled")
    address = "/admin/pictures/generationtask/"
    assert admin.get(f"{address}?error_kind=stalled").context["cl"].result_count == 1
    assert admin.get(f"{address}?error_kind=gone").context["cl"].result_count == 0
