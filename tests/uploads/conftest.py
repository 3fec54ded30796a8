"""A purpose that takes what is sent, its sender, and a data folder of their own; parts lie beneath it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from stylestudio.host.cadence import Every
from stylestudio.uploads import parts, purposes
from stylestudio.uploads.purposes import Purpose
from tests.uploads.sending import Finished, entered


@pytest.fixture(autouse=True)
def in_own_data(own_data: Path) -> None:
    """Take it for all of them."""


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Finished:
    """The purpose that uploads are for."""
    noted = Finished()
    purpose = Purpose(name="note", most_bytes=10**6, suffixes=(".bin", ".zip"), finished=noted)
    monkeypatch.setitem(purposes.known(), "note", purpose)
    return noted


@pytest.fixture
def ada(finished: Finished) -> User:
    """Who sends."""
    return User.objects.create_user("ada", password="five silver herons")


@pytest.fixture
def client(ada: User) -> Client:
    """Their browser."""
    return entered(ada)


@pytest.fixture(autouse=True)
def nothing_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeping is called by the tests alone."""
    hourly = Every(3600.0)
    hourly.done()
    monkeypatch.setattr(parts, "hourly", hourly)
