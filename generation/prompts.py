"""The final prompt: trigger words in front, each once, then the prompt between the words of its preset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Frame:
    """Words before and after the prompt, and the name of the preset they came from. All may be empty."""

    prefix: str = ""
    suffix: str = ""
    preset: str = ""

    @classmethod
    def read(cls, snapshot: Mapping[str, Any]) -> Frame:
        """The frame of a snapshot; those without one, and those of other days, have an empty one."""
        return cls(**snapshot.get("frame", {}))

    @property
    def facts(self) -> dict[str, str]:
        """What of it there is, as a snapshot keeps it."""
        pairs = {"prefix": self.prefix, "suffix": self.suffix, "preset": self.preset}
        return {name: text for name, text in pairs.items() if text}

    def pieces(self, prompt: str) -> list[str]:
        """Prefix, prompt and suffix, those that are there. Commas at the seams are not doubled."""
        prefix, suffix = self.prefix.strip().strip(" ,"), self.suffix.strip().strip(" ,")
        middle = prompt.strip().rstrip(" ,") if suffix else prompt.strip()
        return [text for text in (prefix, middle, suffix) if text]

    def around(self, prompt: str) -> str:
        """The prompt between prefix and suffix."""
        return ", ".join(self.pieces(prompt))


NO_FRAME = Frame()


def final_parts(prompt: str, phrases: Sequence[str], frame: Frame = NO_FRAME) -> list[tuple[str, bool]]:
    """What the engine gets, in pieces: (text, is it a trigger)."""
    parts = [(phrase, True) for phrase in missing_triggers(frame.around(prompt), phrases)]
    return [*parts, *((text, False) for text in frame.pieces(prompt))]


def final_prompt(prompt: str, phrases: Sequence[str], frame: Frame = NO_FRAME) -> str:
    """What the engine gets."""
    return ", ".join(text for text, _trigger in final_parts(prompt, phrases, frame))
