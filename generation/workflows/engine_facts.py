"""What engines say of the node classes of a workflow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

from generation.engines import roster
from generation.recipes.own import node_facts
from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.graphs.wiring import NodeInfoSource

ALWAYS = ("SaveImage", "LoraLoader", "LoadImageMask")  # what recipes are put together with
MOST_CLASSES = 200  # of a workflow, which an engine is asked for one by one
PATIENCE = 20.0  # seconds for all engines together
FOR_ONE = 10.0  # seconds for one of them


def ask(kinds: Collection[str]) -> dict[str, Any]:
    """What the engine that knows most of these classes says of them; nothing if none answers."""
    wanted = [*ALWAYS, *sorted({*kinds} - {*ALWAYS})][:MOST_CLASSES]
    serving = sorted(roster.serving(), key=lambda engine: -len({*wanted} & {*engine.node_classes}))
    end = time.monotonic() + PATIENCE  # somebody waits for the page
    for engine in serving:
        left = min(FOR_ONE, end - time.monotonic())
        if left <= 0:
            break
        try:
            return node_facts.cut(roster.pool.loop.call(_ask(roster.pool.client(engine), wanted), timeout=left))
        except (ComfyError, TimeoutError):
            continue  # the next one may answer
    return {}


async def _ask(client: NodeInfoSource, wanted: Collection[str]) -> Mapping[str, Any]:
    infos = await asyncio.gather(*(client.object_info(kind) for kind in wanted))
    return dict(zip(wanted, infos, strict=True))


def lacking(kinds: Collection[str]) -> list[tuple[str, list[str]]]:
    """What each engine lacks of these classes, by its title; empty if one has all of them, or none is known."""
    found = [(engine, sorted({*kinds} - {*engine.node_classes})) for engine in roster.serving() if engine.node_classes]
    if any(not absent for _engine, absent in found):
        return []
    return [(roster.title(engine), absent) for engine, absent in found]
