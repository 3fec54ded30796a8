"""Steps to run before the first page is served. `studio` and `worker` call `prepare` after migrating."""

from __future__ import annotations

from collections.abc import Callable

_steps: list[Callable[[], None]] = []


def register(step: Callable[[], None]) -> None:
    """Add a step. Apps call this when they are ready. Steps run in order, again at every start."""
    _steps.append(step)


def prepare() -> None:
    """Run all steps: base style, engines named by the environment, sketch styles."""
    for step in _steps:
        step()
