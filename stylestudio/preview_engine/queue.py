"""The waiting, running and ended prompts. Shared by the event loop and the worker thread."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from stylestudio.preview_engine.nodes.node_class import Graph

HISTORY_LIMIT = 2_000


@dataclass(order=True, slots=True)
class Item:
    """One accepted prompt. Lower numbers run first; equal numbers run in order of id, then of arrival.

    `lost` is set if a restart forgets the prompt while it runs.
    """

    number: float
    prompt_id: str
    arrival: int
    graph: Graph = field(compare=False)
    extra_data: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)
    lost: bool = field(default=False, compare=False)

    @property
    def client_id(self) -> str | None:
        client_id = self.extra_data.get("client_id")
        return None if client_id is None else str(client_id)

    def as_json(self) -> list[Any]:
        return [self.number, self.prompt_id, self.graph, self.extra_data, self.outputs]


class PromptQueue:
    """Thread-safe. `interrupted` is set while the running prompt should stop."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()
        self._changed = threading.Condition()
        self._pending: list[Item] = []
        self._running: Item | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._arrivals = 0
        self._paused = False
        self._closed = False
        self._free = False

    def put(self, number: float, prompt_id: str, graph: Graph, extra_data: dict[str, Any], outputs: list[str]) -> None:
        with self._changed:
            self._arrivals += 1
            heapq.heappush(self._pending, Item(number, prompt_id, self._arrivals, graph, extra_data, outputs))
            self._changed.notify_all()

    def take(self) -> Item | None:
        """Wait for the next prompt and mark it as running; None if memory is to be freed or the engine is closing."""
        with self._changed:
            while not (self._closed or self._free or (self._pending and not self._paused)):
                self._changed.wait()
            if self._closed or self._free:
                return None
            # Cleared here, under the lock, so that an interrupt of this very prompt is never lost.
            self.interrupted.clear()
            self._running = heapq.heappop(self._pending)
            return self._running

    def done(self, item: Item, entry: dict[str, Any]) -> bool:
        """Move the running prompt to the history; False if the engine has forgotten it in the meantime."""
        with self._changed:
            if self._running is not item:
                return False
            self._running = None
            self._history.pop(item.prompt_id, None)
            self._history[item.prompt_id] = {"prompt": item.as_json(), **entry}
            while len(self._history) > HISTORY_LIMIT:
                del self._history[next(iter(self._history))]
            return True

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop the running prompt; with an id, only if it is that one. Returns whether it was told to stop."""
        with self._changed:
            if prompt_id is not None and not (self._running and self._running.prompt_id == prompt_id):
                return False
            self.interrupted.set()
            return True

    def cancel(self, prompt_id: str) -> bool:
        """Stop the prompt if it is running, or remove it if it is waiting; False if it is neither."""
        with self._changed:
            return self.interrupt(prompt_id) or self.delete([prompt_id])

    def state(self, prompt_id: str) -> tuple[str, Item] | None:
        """("in_progress" or "pending", prompt); None if it is neither running nor waiting."""
        with self._changed:
            if self._running and self._running.prompt_id == prompt_id:
                return "in_progress", self._running
            waiting = [item for item in self._pending if item.prompt_id == prompt_id]
        return ("pending", waiting[0]) if waiting else None

    def remaining(self) -> int:
        with self._changed:
            return len(self._pending) + (self._running is not None)

    def as_json(self) -> dict[str, list[Any]]:
        """Pending prompts in heap order, as from the real server: not the order in which they will run."""
        with self._changed:
            running = [self._running.as_json()] if self._running else []
            return {"queue_running": running, "queue_pending": [item.as_json() for item in self._pending]}

    def delete(self, prompt_ids: Collection[str]) -> bool:
        """Remove waiting prompts; True if there was one."""
        with self._changed:
            kept = [item for item in self._pending if item.prompt_id not in prompt_ids]
            removed = len(kept) < len(self._pending)
            heapq.heapify(kept)
            self._pending = kept
            return removed

    def clear(self) -> None:
        with self._changed:
            self._pending = []

    def history(self, max_items: int | None = None, offset: int = -1) -> dict[str, Any]:
        """The newest `max_items`, oldest first; with an offset of 0 or more, counted from the oldest."""
        with self._changed:
            entries = list(self._history.items())
        if offset < 0 and max_items is not None:
            offset = max(0, len(entries) - max_items)
        offset = max(0, offset)
        return dict(entries[offset : None if max_items is None else offset + max_items])

    def ended(self, prompt_id: str) -> dict[str, Any]:
        """{id: entry}, or {} until the prompt has ended."""
        with self._changed:
            entry = self._history.get(prompt_id)
        return {} if entry is None else {prompt_id: entry}

    def forget(self, prompt_ids: Collection[str] | None = None) -> None:
        """Drop these history entries, or all of them without ids."""
        with self._changed:
            for prompt_id in list(self._history) if prompt_ids is None else prompt_ids:
                self._history.pop(prompt_id, None)

    def free(self) -> None:
        """Make the worker drop its cache once it is idle."""
        with self._changed:
            self._free = True
            self._changed.notify_all()

    def take_free(self) -> bool:
        with self._changed:
            wanted, self._free = self._free, False
            return wanted

    def pause(self, paused: bool) -> None:
        """A paused queue accepts prompts but runs none."""
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def lose_everything(self) -> None:
        """Imitate a restart: nothing is waiting, nothing has ended, and the running prompt is forgotten."""
        with self._changed:
            self._pending = []
            self._history = {}
            if self._running:
                self._running.lost = True
                self._running = None
            self.interrupted.set()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self.interrupted.set()
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed
