"""Settings as one text, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def of_settings(settings: Mapping[str, Any]) -> str:
    """The sha256 of settings, whatever the order of their keys."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()


def canonical(facts: Mapping[str, Any]) -> str:
    """Facts as JSON of ASCII letters, in one way only."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
