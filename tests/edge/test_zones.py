"""Times are the reader's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from generation.gallery import query
from styles.models import Style
from stylestudio import env


@pytest.fixture
def path(ada: User) -> str:
    """A style that was made half an hour before midnight, UTC."""
    style = Style.objects.create(name="Ink", owner=ada)
    Style.objects.filter(pk=style.pk).update(created_at=datetime(2025, 3, 9, 23, 30, tzinfo=UTC))
    return style.get_absolute_url()


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Asia/Shanghai", "March 10, 2025"),
        ("America/New_York", "March 9, 2025"),
        ("", "March 9, 2025"),
        ("../../etc/passwd", "March 9, 2025"),
        ("Nowhere/Land", "March 9, 2025"),
    ],
)
def test_a_page_has_the_days_of_its_readers_zone(client: Client, ada: User, path: str, zone: str, day: str) -> None:
    client.force_login(ada)
    client.cookies["zone"] = zone
    page = client.get(path).content.decode()
    assert day in page
    assert f'data-zone="{zone if zone.startswith(("Asia", "America")) else "UTC"}"' in page
    client.cookies["zone"] = ""
    assert "March 9, 2025" in client.get(path).content.decode(), "the zone of one request stays in it"


def test_headings_of_days_follow_the_zone() -> None:
    late = timezone.now().astimezone(UTC).replace(hour=23, minute=30)
    with timezone.override("Pacific/Kiritimati"):
        assert query.heading(timezone.localdate()) == "Today"
        assert timezone.localdate(late) > late.date()


def test_the_studios_zone_is_a_name_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_ZONE", "Europe/Berlin")
    assert env.time_zone("X_ZONE", "UTC") == "Europe/Berlin"
    monkeypatch.setenv("X_ZONE", "Berlin")
    with pytest.raises(ImproperlyConfigured, match="Europe/Berlin"):
        env.time_zone("X_ZONE", "UTC")
