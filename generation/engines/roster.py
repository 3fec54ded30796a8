"""The engines: who they are, who serves now, and this process's clients to them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TypeVar

import aiohttp
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines import node_facts
from generation.engines.devices import short_device
from generation.engines.memory import EngineMemory
from generation.engines.models import Engine
from generation.engines.node_facts import NodeFacts
from stylestudio.comfy.bridge import LoopThread
from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.connection import admission
from stylestudio.comfy.connection.address import split_credentials
from stylestudio.comfy.connection.transport import NotTrusted, SignInNeeded
from stylestudio.comfy.errors import ComfyError, EngineErred
from stylestudio.comfy.file_names import canonical, distinct, is_listed
from stylestudio.comfy.protocol.answers import SystemStats
from stylestudio.live import publisher
from stylestudio.models import Worker

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Engine)
T = TypeVar("T")

# What a probe writes. Not the rest: people pause engines meanwhile.
PROBED = (
    "health", "health_since", "trouble", "checked_at", "latency_ms", "engine_version", "device", "devices",
    "vram_total", "vram_free", "checkpoints", "loras", "node_classes", "node_infos", "max_upload", "failures", "closed",
)  # fmt: skip

LOCAL = "http://127.0.0.1:8188"  # where ComfyUI listens unless told otherwise
MOST_OOMS = 3  # pictures in a row that run out of memory before an engine gets no more
COOL_DOWN = timedelta(minutes=5)  # after which such an engine is given one picture to try
STUCK_AFTER = 10.0  # seconds in which an engine holds prompts and runs none, until it counts as stuck
AT_ONCE = 2  # prompts per engine: one runs, the next already waits there
SHUT = (NotTrusted, SignInNeeded)  # errors of an engine that somebody has to open for us
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
    """At start nothing is known: what was well when the studio stopped may be gone. Probes follow within a second.

    While a worker is alive, or was a moment ago, it knows, and others work with what it knows.
    """
    if Worker.objects.alive().exists():
        return
    Engine.objects.update(health=Engine.Health.UNKNOWN, health_since=timezone.now())


def _move_preview(address: str) -> None:
    """The preview engine is one engine, whatever port it got this time."""
    for other in Engine.objects.filter(address=address).exclude(source=Engine.Source.PREVIEW):
        other.address, other.active = f"{address}#{other.pk}", False  # its pictures still name it
        other.save()
    engine = Engine.objects.filter(source=Engine.Source.PREVIEW).first() or Engine(source=Engine.Source.PREVIEW)
    if engine.address != address:
        engine.move(address)
    engine.active, engine.name = True, "Preview engine"
    engine.save()


def chosen(engines: Iterable[E]) -> list[E]:
    """Of engines that answer those that take work: real ones that are not paused.

    The preview engine serves only while no real one answers: jobs wait for one that is paused, for nobody wants
    sketches in place of pictures because an engine rests.
    """
    every = list(engines)
    real = [engine for engine in every if not engine.is_preview]
    return [engine for engine in real or every if not engine.paused]


def serving() -> list[Engine]:
    """Engines that take work now."""
    return chosen(Engine.objects.filter(active=True, health=Engine.Health.OK))


def away() -> QuerySet[Engine]:
    """Engines that may serve again: paused, or not well at the moment."""
    return (
        Engine.objects.filter(active=True)
        .filter(Q(paused=True) | ~Q(health=Engine.Health.OK))
        .exclude(source=Engine.Source.PREVIEW)
    )


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


# State: the word beside its name, its label on the card, the colour of both.
STATES = {
    "idle": (gettext_lazy("idle"), gettext_lazy("Ready"), "good"),
    "busy": (gettext_lazy("busy"), gettext_lazy("Working"), "live"),
    "unknown": (gettext_lazy("connecting"), gettext_lazy("Connecting"), "ring"),
    "paused": (gettext_lazy("paused"), gettext_lazy("Paused"), "ring"),
    "held": (gettext_lazy("training"), gettext_lazy("Training"), "live"),
    "draining": (gettext_lazy("finishing"), gettext_lazy("Finishing"), "ring"),
    "bad": (gettext_lazy("not reachable"), gettext_lazy("Not reachable"), "bad"),
    "closed": (gettext_lazy("no access"), gettext_lazy("No access"), "bad"),
    "stuck": (gettext_lazy("stuck"), gettext_lazy("Stuck"), "bad"),
    "exhausted": (gettext_lazy("out of memory"), gettext_lazy("Out of memory"), "bad"),
}
_UNFIT: dict[str, str] = {
    Engine.Health.UNREACHABLE: "bad",
    Engine.Health.UNKNOWN: "unknown",
    Engine.Health.STUCK: "stuck",
    Engine.Health.EXHAUSTED: "exhausted",
}


@dataclass(frozen=True, slots=True)
class Holding:
    """What has an engine for itself: its title and address for people, whose it is, about how long it still takes."""

    title: str
    url: str
    by: str
    left_seconds: float | None


# Sent, with the class Engine as its sender, when an engine can be given work again.
returned = Signal()


def tell_returned() -> None:
    """Let everybody who waits for an engine know."""
    returned.send(Engine)


_holders: dict[str, Callable[[int], Holding | None]] = {}


def register_holder(kind: str, ask: Callable[[int], Holding | None]) -> None:
    """Say what holds engines: `kind` is the word before the dash in `held_by`, `ask` gets the number behind it."""
    _holders[kind] = ask


def holding(engine: Engine) -> Holding | None:
    """What has the engine for itself now; None where nothing has, or it cannot be said."""
    name, _dash, number = engine.held_by.partition("-")
    if not engine.is_held or name not in _holders or not number.isdigit():
        return None
    return _holders[name](int(number))


def title(engine: Engine) -> str:
    """Its name as people read it."""
    return _("Preview engine") if engine.is_preview else str(engine)


def state(engine: Engine, *, works: bool = False) -> str:
    """How it is: a key of STATES. `works`: it has prompts of ours."""
    if engine.paused:
        return "draining" if works and engine.health == Engine.Health.OK else "paused"
    if engine.closed and engine.health == Engine.Health.UNREACHABLE:
        return "closed"
    free = "held" if engine.is_held else "idle"
    return _UNFIT.get(engine.health, "busy" if works else free)


def state_text(engine: Engine) -> str:
    """How it is, in the word that stands behind its name: paused, not reachable."""
    return str(STATES[state(engine)][0])


def has_all(engine: Engine, files: Iterable[tuple[str, str]], classes: Iterable[str] = ()) -> bool:
    """Whether the engine's last answer lists every (folder, file name), and every node class where it was asked.

    It does not matter how a name is spelled: see `file_names`.
    """
    known = engine.node_classes
    return all(is_listed(name, _listed(engine, folder)) for folder, name in files) and (
        not known or all(name in known for name in classes)
    )


def _listed(engine: Engine, folder: str) -> list[str]:
    return list(getattr(engine, _field(folder)))


def _field(folder: str) -> str:
    return "checkpoints" if folder == "checkpoints" else "loras"


class Pool:
    """This process's connections: one loop, one session and one socket per engine, kept open between pictures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: LoopThread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[str, tuple[str, ComfyClient]] = {}
        self._name = f"stylestudio-{uuid.uuid4().hex[:12]}"
        self.memory = EngineMemory()

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

    @contextmanager
    def own_client(self, engine: Engine, client_id: str) -> Iterator[ComfyClient]:
        """A client under an id of its own, closed at the end.

        An engine tells of a prompt only whoever has the id that it was posted with. So one that is the same in every
        process hears, after a restart, of what was posted before. No two may live at a time.
        """
        self.client(engine)  # the session is there from then on
        assert self._session is not None
        client = ComfyClient(self._session, engine.url, client_id=client_id)
        try:
            yield client
        finally:
            with suppress(TimeoutError):
                self.loop.call(client.close(), timeout=2.0)

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
            self.memory = EngineMemory()


async def _open_session() -> aiohttp.ClientSession:
    file = settings.COMFYUI_CA_FILE
    connector = aiohttp.TCPConnector(limit=0, ssl=admission.trust(file) if file else True)
    return aiohttp.ClientSession(connector=connector)


pool = Pool()


@dataclass(frozen=True, slots=True)
class Answers:
    """What an engine says of itself. `latency` in seconds; `idle`: prompts wait there and none runs.

    Node classes and the largest upload, in bytes, change only when it is restarted: None where it was not asked. Names
    are None too where it had an error: what was known of it before goes on to count.
    """

    latency: float
    stats: SystemStats
    checkpoints: tuple[str, ...] | None
    loras: tuple[str, ...] | None
    nodes: NodeFacts | None
    max_upload: int | None
    idle: bool


def ask(engine: Engine) -> Future[Answers]:
    """Begin to ask how it is and what it has; its node classes, a large answer, only when it is new or back."""
    client = pool.client(engine)
    fresh = engine.health != Engine.Health.OK or not engine.node_classes
    return pool.loop.submit(_ask(client, "" if fresh else engine.engine_version))


async def _ask(client: ComfyClient, known: str) -> Answers:
    """`known`: the version whose node classes are known; "" asks for them whatever it is."""
    async with asyncio.timeout(PROBE_TIMEOUT):
        begun = time.perf_counter()
        stats = await client.system_stats()
        latency = time.perf_counter() - begun
        checkpoints = await _unless_it_errs(client.models("checkpoints"))
        loras = await _unless_it_errs(client.models("loras"))
        if fresh := known != stats.version[:60]:
            client.forget()  # it may have come back with other nodes
        nodes = await _unless_it_errs(node_facts.ask(client)) if fresh else None
        most = await client.max_upload() if fresh else None
        queue = await _unless_it_errs(client.queue())
    idle = queue is not None and bool(queue.pending) and not queue.running
    return Answers(latency, stats, checkpoints, loras, nodes, most, idle)


async def _unless_it_errs(question: Awaitable[T]) -> T | None:
    """The answer, None where the engine had an error: it is there, and whoever needs the answer says what is wrong."""
    with suppress(EngineErred):
        return await question
    return None


def probe(engine: Engine, asked: Future[Answers] | None = None) -> bool:
    """Ask one engine, store the answer and show what changed. True when it is well."""
    before, sketched = (engine.health, engine.engine_version, engine.device), preview_serves()
    try:
        answers = (asked or ask(engine)).result()
        # Meanwhile a job may have taken it out.
        engine.refresh_from_db(fields=["health", "health_since"])
    except (ComfyError, TimeoutError) as error:
        engine.trouble = str(error) or _("The engine did not answer in time.")
        engine.failures += 1
        engine.closed = isinstance(error, SHUT)
        health = Engine.Health.UNREACHABLE
    else:
        engine.trouble, engine.failures, engine.closed = "", 0, False
        _take_in(engine, answers)
        health = _health(engine, answers)
    engine.checked_at = timezone.now()
    if engine.health != health:
        Engine.objects.filter(pk=engine.pk).update(warm="")  # it may have been restarted
        engine.health, engine.health_since = health, timezone.now()
        log.info("Engine %s is %s", engine, engine.get_health_display().lower())
    engine.save(update_fields=PROBED)
    if before != (engine.health, engine.engine_version, engine.device):
        publisher.publish_engines()
        if sketched != preview_serves():
            _announce_switch(engine)
    return health == Engine.Health.OK


def _take_in(engine: Engine, answers: Answers) -> None:
    stats = answers.stats
    engine.latency_ms = round(answers.latency * 1000, 1)
    engine.engine_version, engine.device = stats.version[:60], short_device(stats.device_name)
    engine.vram_total, engine.vram_free = stats.vram_total or None, stats.vram_free or None
    engine.devices = [asdict(replace(device, name=short_device(device.name))) for device in stats.devices]
    if answers.checkpoints is not None:
        engine.checkpoints = distinct(answers.checkpoints)
    if answers.loras is not None:
        engine.loras = distinct(answers.loras)
    if answers.nodes is not None:
        engine.node_classes, engine.node_infos = sorted(answers.nodes.classes), answers.nodes.infos
        engine.max_upload = answers.max_upload


def _health(engine: Engine, answers: Answers) -> Engine.Health:
    """What an engine that answers is good for."""
    idle = pool.memory.seconds_idle(engine, idle=answers.idle)
    if idle is not None and (engine.health == Engine.Health.STUCK or idle >= STUCK_AFTER):
        return Engine.Health.STUCK
    if engine.health == Engine.Health.EXHAUSTED:
        if timezone.now() - engine.health_since < COOL_DOWN:
            return Engine.Health.EXHAUSTED
        # Half open: one more picture that runs out of memory takes it out again.
        Engine.objects.filter(pk=engine.pk).update(ooms=MOST_OOMS - 1)
    return Engine.Health.OK


def is_suspect(engine: Engine) -> bool:
    """Whether it held prompts and ran none when it was asked last, so that it is to be asked again soon."""
    return pool.memory.was_idle(engine)


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
    publisher.publish_shell("shell/_toast.html", message=message)


def pause(engine: Engine) -> None:
    """Let it finish what it has, and give it nothing new."""
    Engine.objects.filter(pk=engine.pk).update(paused=True)
    publisher.publish_engines()


def resume(engine: Engine) -> None:
    """Give it work again. One that was taken out is asked at once how it is."""
    engines = Engine.objects.filter(pk=engine.pk)
    engines.update(paused=False, ooms=0)
    out = engines.filter(health__in=(Engine.Health.STUCK, Engine.Health.EXHAUSTED))
    out.update(health=Engine.Health.UNKNOWN, health_since=timezone.now(), checked_at=None)
    publisher.publish_engines()
    tell_returned()


def ask_again(engine: Engine) -> None:
    """Have the monitor ask it now, and not when it is due; also for its node classes, which it is seldom asked for."""
    Engine.objects.filter(pk=engine.pk).update(checked_at=None, node_classes=[])


def take_out(engine: Engine, trouble: str, health: Engine.Health = Engine.Health.UNREACHABLE) -> None:
    """A job found it unfit: no more work until a probe finds it well."""
    changed = Engine.objects.filter(pk=engine.pk).exclude(health=health)
    if changed.update(health=health, health_since=timezone.now(), trouble=trouble, warm=""):
        log.warning("Engine %s is taken out (%s): %s", engine, health, trouble)
        publisher.publish_engines()


def without_file(engine: Engine, folder: str, name: str) -> Engine:
    """The engine as it is known, but without this file. Stores nothing."""
    row = Engine.objects.get(pk=engine.pk)
    setattr(row, _field(folder), [other for other in _listed(row, folder) if canonical(other) != canonical(name)])
    return row


def forget_file(engine: Engine, folder: str, name: str) -> None:
    """The engine said that it does not have this file, although it had listed it."""
    if is_listed(name, _listed(Engine.objects.get(pk=engine.pk), folder)):
        left = _listed(without_file(engine, folder, name), folder)
        Engine.objects.filter(pk=engine.pk).update(**{_field(folder): left})


def note_lora(engine: Engine, name: str) -> None:
    """The engine has this LoRA from now on; nobody has to wait for the next probe to know."""
    with transaction.atomic():
        row = Engine.objects.select_for_update().get(pk=engine.pk)
        if not is_listed(name, row.loras):
            Engine.objects.filter(pk=row.pk).update(loras=[*row.loras, canonical(name)])
