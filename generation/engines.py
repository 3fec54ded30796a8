"""The engines: who they are, who serves now, and this process's clients to them."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import TypeVar

import aiohttp
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.models import Engine, EnginePrompt
from stylestudio import live
from stylestudio.comfy.address import split_credentials
from stylestudio.comfy.bridge import LoopThread
from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import ComfyError
from stylestudio.shell import EngineFact

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Engine)

LOCAL = "http://127.0.0.1:8188"  # where ComfyUI listens unless told otherwise
AT_ONCE = 2  # prompts per engine: one runs, the next already waits there
PROBE_TIMEOUT = 10.0  # seconds; a busy engine takes up to one to answer (measured)


def sync_engines() -> None:
    """Make the rows agree with the environment. Engines that are no longer named are kept, but not used.

    A worker that is started by hand beside `studio` may be told of no engine at all; it changes nothing.
    """
    if not settings.COMFYUI_URLS and not settings.PREVIEW_URL:
        return
    wanted = named()
    for address, source in wanted.items():
        engine, _new = Engine.objects.get_or_create(address=address, defaults={"source": source})
        if engine.source != Engine.Source.ADMIN:  # what somebody added stays when the environment forgets it
            Engine.objects.filter(pk=engine.pk).update(source=source, active=True)
    kept = Q(address__in=wanted) | Q(source=Engine.Source.ADMIN)
    if not settings.COMFYUI_URLS:
        _move_preview(settings.PREVIEW_URL)
        kept |= Q(source=Engine.Source.PREVIEW)
    Engine.objects.exclude(kept).update(active=False)


def named() -> dict[str, Engine.Source]:
    """Addresses of the engines that the environment names; without any, where a ComfyUI on this machine would be."""
    if settings.COMFYUI_URLS:
        return {split_credentials(url)[0]: Engine.Source.ENVIRONMENT for url in settings.COMFYUI_URLS}
    return {LOCAL: Engine.Source.FOUND}


def forget_health() -> None:
    """At start nothing is known: what was well when the studio stopped may be gone. Probes follow within a second."""
    Engine.objects.update(health=Engine.Health.UNKNOWN, health_since=timezone.now())


def _move_preview(address: str) -> None:
    """The preview engine is one engine, whatever port it got this time."""
    for other in Engine.objects.filter(address=address).exclude(source=Engine.Source.PREVIEW):
        other.address, other.active = f"{address}#{other.pk}", False  # its pictures still name it
        other.save()
    engine = Engine.objects.filter(source=Engine.Source.PREVIEW).first() or Engine(source=Engine.Source.PREVIEW)
    engine.address, engine.active, engine.name = address, True, "Preview engine"
    engine.save()


def ready() -> QuerySet[Engine]:
    """Engines that answered the last time they were asked, and are not paused."""
    return Engine.objects.filter(active=True, paused=False, health=Engine.Health.OK)


def chosen(engines: Iterable[E]) -> list[E]:
    """Of ready engines those that take work: the preview engine serves only while no real one answers."""
    every = list(engines)
    return [engine for engine in every if not engine.is_preview] or every


def serving() -> list[Engine]:
    """Engines that take work now."""
    return chosen(ready())


def preview_serves() -> bool:
    """Whether pictures are sketches now."""
    return any(engine.is_preview for engine in serving())


def known() -> list[Engine]:
    """Engines worth showing: the local address only once something answered there."""
    engines = list(Engine.objects.filter(active=True))
    real = [
        engine
        for engine in engines
        if not engine.is_preview and not (engine.source == Engine.Source.FOUND and not engine.engine_version)
    ]
    return real + [
        engine for engine in engines if engine.is_preview and not any(e.health == Engine.Health.OK for e in real)
    ]


def facts() -> Sequence[EngineFact]:
    """Engines as the pill, the queue page and /health show them."""
    live_prompts = EnginePrompt.objects.filter(state__in=EnginePrompt.LIVE).select_related("task").order_by("pk")
    now: dict[int, EnginePrompt] = {}
    for prompt in live_prompts:
        now.setdefault(prompt.engine_id, prompt)
    serve = {engine.pk for engine in serving()}
    return [_fact(engine, now.get(engine.pk), engine.pk in serve) for engine in known()]


def _fact(engine: Engine, prompt: EnginePrompt | None, serves: bool) -> EngineFact:
    if engine.paused:
        state, text = "paused", _("paused")
    elif engine.health == Engine.Health.UNREACHABLE:
        state, text = "bad", _("not reachable")
    elif engine.health == Engine.Health.UNKNOWN:
        state, text = "unknown", _("connecting")
    elif prompt:
        state, text = "busy", _("busy")
    else:
        state, text = "idle", _("idle")
    return EngineFact(
        id=engine.pk,
        name=_("Preview engine") if engine.is_preview else str(engine),
        state=state,
        state_text=text,
        is_preview=engine.is_preview,
        serves=serves,
        address=engine.address,
        source=engine.get_source_display(),
        device=engine.device,
        version=engine.engine_version,
        vram_total=engine.vram_total,
        vram_free=engine.vram_free,
        latency_ms=engine.latency_ms,
        now=prompt.task.title if prompt else "",
        trouble=engine.trouble,
        since=engine.health_since,
    )


def missing_files(files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of (folder, file name) pairs, those that no serving engine lists. Empty while no engine was asked yet."""
    engines = serving()
    if not engines:
        return []
    missing = []
    for folder, name in files:
        if not any(name in _listed(engine, folder) for engine in engines):
            missing.append((folder, name))
    return missing


def has_all(engine: Engine, files: Iterable[tuple[str, str]]) -> bool:
    """Whether the engine's last answer lists every (folder, file name)."""
    return all(name in _listed(engine, folder) for folder, name in files)


def _listed(engine: Engine, folder: str) -> list[str]:
    return list(engine.checkpoints if folder == "checkpoints" else engine.loras)


class Pool:
    """This process's connections: one loop, one session and one socket per engine, kept open between pictures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: LoopThread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[str, tuple[str, ComfyClient]] = {}
        self._name = f"stylestudio-{uuid.uuid4().hex[:12]}"

    @property
    def loop(self) -> LoopThread:
        """The thread in which all engine traffic of this process runs."""
        with self._lock:
            if self._loop is None:
                self._loop = LoopThread()
            return self._loop

    def client(self, engine: Engine) -> ComfyClient:
        """The client for `engine`, made anew when its address or credentials changed."""
        loop = self.loop
        with self._lock:
            if self._session is None:
                self._session = loop.call(_open_session())
            url = engine.url
            known_url, client = self._clients.get(engine.address, ("", None))
            if client is None or known_url != url:
                if client is not None:
                    loop.submit(client.close())
                client = ComfyClient(self._session, url, client_id=self._name)
                self._clients[engine.address] = (url, client)
            return client

    def close(self) -> None:
        """Close sockets and end the loop, without touching what runs on the engines."""
        with self._lock:
            if self._loop is None:
                return
            for _url, client in self._clients.values():
                self._loop.call(client.close(), timeout=2.0)
            if self._session is not None:
                self._loop.call(self._session.close(), timeout=2.0)
            self._loop.stop()
            self._loop, self._session, self._clients = None, None, {}


async def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


pool = Pool()


def probe(engine: Engine) -> bool:
    """Ask one engine how it is and what it has; store the answer and show what changed. True when it is well."""
    client = pool.client(engine)
    before, sketched = (engine.health, engine.engine_version, engine.device), preview_serves()
    start = time.perf_counter()
    try:
        stats = pool.loop.call(client.system_stats(), timeout=PROBE_TIMEOUT)
        engine.latency_ms = round((time.perf_counter() - start) * 1000, 1)
        engine.checkpoints = list(pool.loop.call(client.models("checkpoints"), timeout=PROBE_TIMEOUT))
        engine.loras = list(pool.loop.call(client.models("loras"), timeout=PROBE_TIMEOUT))
    except (ComfyError, TimeoutError) as error:
        engine.trouble = str(error)
        health = Engine.Health.UNREACHABLE
    else:
        engine.trouble = ""
        if engine.health != Engine.Health.OK:
            client.forget()  # it may have come back with other nodes
        engine.engine_version, engine.device = stats.version[:60], short_device(stats.device_name)
        engine.vram_total, engine.vram_free = stats.vram_total or None, stats.vram_free or None
        health = Engine.Health.OK
    engine.checked_at = timezone.now()
    if engine.health != health:
        engine.health, engine.health_since = health, timezone.now()
        log.info("Engine %s is %s", engine, engine.get_health_display().lower())
    engine.save(
        update_fields=[
            "health",
            "health_since",
            "trouble",
            "checked_at",
            "latency_ms",
            "engine_version",
            "device",
            "vram_total",
            "vram_free",
            "checkpoints",
            "loras",
        ]
    )
    if before != (engine.health, engine.engine_version, engine.device):
        live.publish_engines()
        if sketched != preview_serves():
            _announce_switch(engine)
    return health == Engine.Health.OK


def _announce_switch(engine: Engine) -> None:
    """Say on every page that pictures are real from now on, or sketches again."""
    if preview_serves():
        message = gettext_lazy("No ComfyUI answers. The preview engine draws sketches until one does.")
    elif engine.is_preview or engine.health != Engine.Health.OK:
        return
    else:
        message = format_lazy(
            gettext_lazy("{engine} answers. Pictures are made for real from now on."), engine=str(engine)
        )
    live.publish_shell("shell/_toast.html", message=message)


def mark_unreachable(engine: Engine, trouble: str) -> None:
    """A job could not reach it: no more work until a probe succeeds."""
    changed = Engine.objects.filter(pk=engine.pk).exclude(health=Engine.Health.UNREACHABLE)
    if changed.update(health=Engine.Health.UNREACHABLE, health_since=timezone.now(), trouble=trouble):
        log.warning("Engine %s is not reachable: %s", engine, trouble)
        live.publish_engines()


def short_device(name: str) -> str:
    """ "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync" -> "RTX 4090"."""
    name = re.sub(r"^\w+:\d+\s+", "", name).split(" : ")[0]
    if name == "cpu":
        return "CPU"
    return re.sub(r"^(NVIDIA\s+)?(GeForce\s+)?", "", name).strip()[:200]
