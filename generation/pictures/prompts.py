"""The final prompt: trigger words in front, each once, then the prompt between the words of its preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stylestudio.text import grammar
from stylestudio.text.grammar import missing as missing_triggers

__all__ = ["Frame", "final_parts", "final_prompt", "missing_triggers"]

_SEAM = " ,，、"


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
        prefix, suffix = self.prefix.strip().strip(_SEAM), self.suffix.strip().strip(_SEAM)
        middle = prompt.strip().rstrip(_SEAM) if suffix else prompt.strip()
        return [text for text in (prefix, middle, suffix) if text]

    def around(self, prompt: str) -> str:
        """The prompt between prefix and suffix."""
        return ", ".join(self.pieces(prompt))


NO_FRAME = Frame()


def final_parts(prompt: str, phrases: Sequence[str], frame: Frame = NO_FRAME) -> list[tuple[str, bool]]:
    """What the engine gets, in pieces: (text, is it a trigger). The prompt goes as it is; in trigger words, which are
    stored for every reader, parentheses get the backslashes that ComfyUI needs.
    """
    parts = [(grammar.for_comfyui(phrase), True) for phrase in missing_triggers(frame.around(prompt), phrases)]
    return [*parts, *((text, False) for text in frame.pieces(prompt))]


def final_prompt(prompt: str, phrases: Sequence[str], frame: Frame = NO_FRAME) -> str:
    """What the engine gets."""
    return ", ".join(text for text, _trigger in final_parts(prompt, phrases, frame))
