"""Messages to the engine's sockets before they are serialised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One message to the socket named `sid`, or to all. `image` makes it a binary preview with `data` as metadata."""

    event: str
    data: dict[str, Any]
    sid: str | None = None
    image: bytes = b""

    def with_prompt_id(self, prompt_id: str) -> Frame:
        if "prompt_id" not in self.data:
            return self
        return replace(self, data={**self.data, "prompt_id": prompt_id})
