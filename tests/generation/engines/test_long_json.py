"""Long lists of an engine are decoded once, however often its row is read."""

from __future__ import annotations

import pytest

from generation.engines import long_json
from generation.engines.models import Engine

pytestmark = pytest.mark.django_db


def test_a_long_list_is_decoded_once_and_again_when_it_changes() -> None:
    long_json._decoded.cache_clear()
    names = [f"styles/style {each}.safetensors" for each in range(2000)]
    engine = Engine.objects.create(address="http://127.0.0.1:1", loras=names, checkpoints=["龙.safetensors"])
    for _reading in range(3):
        again = Engine.objects.get(pk=engine.pk)
        assert (again.loras, again.checkpoints) == (names, ["龙.safetensors"])
    assert long_json._decoded.cache_info().misses == 1
    Engine.objects.filter(pk=engine.pk).update(loras=[*names, "new.safetensors"])
    assert Engine.objects.get(pk=engine.pk).loras[-1] == "new.safetensors"
    assert long_json._decoded.cache_info().misses == 2
