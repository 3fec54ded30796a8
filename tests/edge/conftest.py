"""What the tests of the edge share: an own data folder and nobody known yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from stylestudio.people import accounts


@pytest.fixture(autouse=True)
def own_data(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Token and media beneath tmp_path; the answer to "does anybody have an account" is asked anew; fast hashes."""
    settings.DATA = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(accounts, "_exist", False)
    return tmp_path
