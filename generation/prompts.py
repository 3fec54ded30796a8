"""The final prompt: trigger words in front, each once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def contains(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` as whole words, in any case and spacing."""
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    return bool(words) and re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE) is not None


def missing_triggers(prompt: str, phrases: Iterable[str]) -> list[str]:
    """The phrases that are not in the prompt yet, in order, each once."""
    missing: list[str] = []
    for phrase in phrases:
        if phrase.strip() and not contains(prompt, phrase) and not any(contains(other, phrase) for other in missing):
            missing.append(phrase)
    return missing


def final_parts(prompt: str, phrases: Sequence[str]) -> list[tuple[str, bool]]:
    """What the engine gets, in pieces: (text, is it a trigger)."""
    parts = [(phrase, True) for phrase in missing_triggers(prompt, phrases)]
    return [*parts, (prompt.strip(), False)] if prompt.strip() else parts


def final_prompt(prompt: str, phrases: Sequence[str]) -> str:
    """What the engine gets."""
    return ", ".join(text for text, _trigger in final_parts(prompt, phrases))
