"""A column for JSON that is long, is read with every page and rarely changes, such as the names of 100,000 LoRAs."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.db import models

LONG = 16 * 2**10  # characters; shorter ones are decoded faster than they are found


class LongJSONField(models.JSONField):
    """Decodes equal texts once in a process. What it returns is shared by all rows: never change it in place."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The decoded value."""
        if isinstance(value, str) and len(value) > LONG:
            return _decoded(value)
        return super().from_db_value(value, expression, connection)

    def deconstruct(self) -> Any:
        """Migrations see Django's field: the column is the same."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


@lru_cache(maxsize=128)
def _decoded(text: str) -> Any:
    return json.loads(text)
