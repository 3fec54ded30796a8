"""The final prompt: trigger words first, each once, then the prompt between its preset's prefix and suffix."""

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
        """The frame of a snapshot; empty if it has none, as in old snapshots."""
        return cls(**snapshot.get("frame", {}))

    @property
    def facts(self) -> dict[str, str]:
        """The parts that are not empty, as a snapshot stores them."""
        pairs = {"prefix": self.prefix, "suffix": self.suffix, "preset": self.preset}
        return {name: text for name, text in pairs.items() if text}

    def pieces(self, prompt: str) -> list[str]:
        """Prefix, prompt and suffix, those that are not empty. Commas at the seams are not doubled."""
        prefix, suffix = self.prefix.strip().strip(_SEAM), self.suffix.strip().strip(_SEAM)
        middle = prompt.strip().rstrip(_SEAM) if suffix else prompt.strip()
        return [text for text in (prefix, middle, suffix) if text]

    def around(self, prompt: str) -> str:
        """The prompt between prefix and suffix."""
        return ", ".join(self.pieces(prompt))


NO_FRAME = Frame()


def final_parts(prompt: str, phrases: Sequence[str], frame: Frame = NO_FRAME) -> list[tuple[str, bool]]:
    """The final prompt in pieces: (text, whether it is a trigger). The prompt is passed on as typed. Trigger words are
    stored in readable form, so their parentheses are escaped with the backslashes that ComfyUI needs.
    """
    parts = [(grammar.for_comfyui(phrase), True) for phrase in missing_triggers(frame.around(prompt), phrases)]
    return [*parts, *((text, False) for text in frame.pieces(prompt))]


def final_prompt(prompt: str, phrases: Sequence[str], frame: Frame = NO_FRAME) -> str:
    """The prompt sent to the engine."""
    return ", ".join(text for text, _trigger in final_parts(prompt, phrases, frame))
