"""The id under which a prompt is accepted."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from .manners import Manners

INVALID_ID = {
    "type": "invalid_prompt_id",
    "message": "prompt_id must be a valid UUID",
    "details": "prompt_id must be lower case with hyphens, or left out",
    "extra_info": {},
}


def is_canonical(told: Any) -> bool:
    """Whether this is a UUID as text, in lower case and with hyphens."""
    try:
        return isinstance(told, str) and str(UUID(told)) == told
    except ValueError:
        return False


def prompt_id(body: dict[str, Any], manners: Manners) -> str | None:
    """The id of a prompt: its own, or a new one. None if its own is rejected.

    Before 0.25.0 any value was accepted, converted with Python's str(); null became "None".
    """
    if not manners.canonical_ids:
        return str(body.get("prompt_id", uuid4()))
    told = body.get("prompt_id")
    if told is None:
        return str(uuid4())
    return told if is_canonical(told) else None
