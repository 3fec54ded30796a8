"""Probe prompts, and a version that pictures show."""

from __future__ import annotations

import pytest

from generation.previews import wishes
from generation.previews.models import Probe
from styles.models import StyleVersion
from tests.generation.previews.shown import make_version


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a size that is made at once."""
    monkeypatch.setattr(wishes, "SIZE", (96, 64))


@pytest.fixture
def probes(db: None) -> list[Probe]:
    """The first four."""
    wishes.create_probes_once()
    return list(Probe.objects.all())


@pytest.fixture
def version(probes: list[Probe]) -> StyleVersion:
    """A version with a file that the engine has."""
    return make_version("Ink & mist")
