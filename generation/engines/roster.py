"""The engines: which there are, which serve now, and this process's clients to them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines import node_facts, signals
from generation.engines.devices import short_device
from generation.engines.memory import EngineMemory
from generation.engines.models import Engine
from generation.engines.node_facts import NodeFacts
from stylestudio.comfy.bridge import LoopThread
from stylestudio.comfy.connection import admission
from stylestudio.comfy.connection.address import split_credentials
from stylestudio.comfy.errors import ComfyError, EngineErred, NotFound, NotTrusted, SignInNeeded
from stylestudio.comfy.file_names import MODEL_FOLDERS, distinct
from stylestudio.comfy.protocol.answers import SystemStats
from stylestudio.edge.page_memory import once_a_page
from stylestudio.host import rooms
from stylestudio.live import publisher
from stylestudio.models import Worker

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    import aiohttp

    from stylestudio.comfy.client import ComfyClient

log = logging.getLogger(__name__)


class Servant(Protocol):
    """What decides whether an engine that answers is given work."""

    @property
    def is_preview(self) -> bool:
        """Whether it only draws sketches."""

    @property
    def paused(self) -> bool:
        """Whether a person has paused it."""


E = TypeVar("E", bound=Servant)
T = TypeVar("T")

# The columns a probe writes. The others are left alone, because people may pause an engine meanwhile.
PROBED = (
    "health", "health_since", "trouble", "checked_at", "latency_ms", "engine_version", "device", "devices",
    "vram_total", "vram_free", *MODEL_FOLDERS, "node_classes", "node_infos", "max_upload", "failures", "closed",
)  # fmt: skip

LOCAL = "http://127.0.0.1:8188"  # ComfyUI's default address
MOST_OOMS = 3  # consecutive out-of-memory pictures before an engine gets no more
COOL_DOWN = timedelta(minutes=5)  # after which such an engine gets one picture as a trial
STUCK_AFTER = 10.0  # seconds with pending prompts and none running before an engine counts as stuck
AT_ONCE = 2  # prompts per engine: one runs, the next already waits there
SHUT = (NotTrusted, SignInNeeded)  # errors that a person has to fix: a certificate or a sign-in
PROBE_TIMEOUT = 10.0  # seconds; a busy engine takes up to one to answer (measured)


def sync_engines() -> None:
    """Make the rows agree with the environment. Engines no longer named there are kept but not used.

    Changes nothing if the environment names no engine at all, as for a worker started by hand beside `studio`.
    """
    if not settings.COMFYUI_URLS and not settings.PREVIEW_URL:
        return
    wanted = named()
    for address, source in wanted.items():
        engine, _new = Engine.objects.get_or_create(address=address, defaults={"source": source})
        if engine.source != Engine.Source.ADMIN:  # what somebody added stays when the environment no longer names it
            Engine.objects.filter(pk=engine.pk).update(source=source, active=True)
    kept = Q(address__in=wanted) | Q(source=Engine.Source.ADMIN)
    if not settings.COMFYUI_URLS:
        _move_preview(settings.PREVIEW_URL)
        kept |= Q(source=Engine.Source.PREVIEW)
    Engine.objects.exclude(kept).update(active=False)


def named() -> dict[str, Engine.Source]:
    """Addresses of the engines the environment names; if it names none, ComfyUI's default one on this machine."""
    if settings.COMFYUI_URLS:
        return {split_credentials(url)[0]: Engine.Source.ENVIRONMENT for url in settings.COMFYUI_URLS}
    return {LOCAL: Engine.Source.FOUND}


def forget_health() -> None:
    """Reset every engine's health at the start: one that was well when the studio stopped may be gone.

    Probes follow within a second. Does nothing if a worker is alive, or was a moment ago: then the health is current.
    """
    if Worker.objects.alive().exists():
        return
    Engine.objects.update(health=Engine.Health.UNKNOWN, health_since=timezone.now())


def _move_preview(address: str) -> None:
    """Move the preview engine's one row to the port it got this time."""
    for other in Engine.objects.filter(address=address).exclude(source=Engine.Source.PREVIEW):
        other.address, other.active = f"{address}#{other.pk}", False  # its pictures still refer to it
        other.save()
    engine = Engine.objects.filter(source=Engine.Source.PREVIEW).first() or Engine(source=Engine.Source.PREVIEW)
    if engine.address != address:
        engine.move(address)
    engine.active, engine.name = True, "Preview engine"
    engine.save()


def chosen(engines: Iterable[E]) -> list[E]:
    """Of engines that answer, those that take work: real ones that are not paused.

    The preview engine serves only if no real one answers. Jobs wait for a paused engine, because nobody wants sketches
    instead of pictures only because an engine is paused.
    """
    every = list(engines)
    real = [engine for engine in every if not engine.is_preview]
    return [engine for engine in real or every if not engine.paused]


@once_a_page
def active() -> list[Engine]:
    """All engines but those that the environment no longer names."""
    return list(Engine.objects.filter(active=True))


def serving() -> list[Engine]:
    """Engines that take work now."""
    return chosen(engine for engine in active() if engine.health == Engine.Health.OK)


def away() -> list[Engine]:
    """Engines that may serve again: paused, or unwell at the moment."""
    unfit = (engine for engine in active() if engine.paused or engine.health != Engine.Health.OK)
    return [engine for engine in unfit if not engine.is_preview]


def preview_serves() -> bool:
    """Whether pictures are sketches now."""
    return any(engine.is_preview for engine in serving())


def sketches() -> bool:
    """Whether pictures are sketches: now, or once the preview engine answers again, as long as no real one does."""
    return any(engine.is_preview for engine in known())


def known() -> list[Engine]:
    """Engines to show: the default local address only once something has answered there."""
    engines = active()
    real = [
        engine
        for engine in engines
        if not engine.is_preview and not (engine.source == Engine.Source.FOUND and not engine.engine_version)
    ]
    return real + [
        engine for engine in engines if engine.is_preview and not any(e.health == Engine.Health.OK for e in real)
    ]


# State: the word beside the engine's name, the label on its card, the colour of both.
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
    """What has an engine to itself: title and address for people, whose it is, and about how many seconds remain."""

    title: str
    url: str
    by: str
    left_seconds: float | None


def announce_return() -> None:
    """Send `returned`, for all who wait for an engine."""
    signals.returned.send(Engine)


def holding(engine: Engine) -> Holding | None:
    """What has the engine to itself now; None if nothing has, or if it is unknown."""
    if not engine.is_held:
        return None
    # Whoever can hold engines finds its own by what it wrote into `held_by`.
    found = (find(engine.held_by) for find in rooms.contributed("engine_holders"))
    return next((each for each in found if each), None)


def title(engine: Engine) -> str:
    """The engine's name as shown to people."""
    return _("Preview engine") if engine.is_preview else str(engine)


def state(engine: Engine, *, works: bool = False) -> str:
    """The engine's state, a key of STATES. `works`: it has prompts of ours."""
    if engine.paused:
        return "draining" if works and engine.health == Engine.Health.OK else "paused"
    if engine.closed and engine.health == Engine.Health.UNREACHABLE:
        return "closed"
    free = "held" if engine.is_held else "idle"
    return _UNFIT.get(engine.health, "busy" if works else free)


def state_text(engine: Engine) -> str:
    """The state in the word shown after its name: paused, not reachable."""
    return str(STATES[state(engine)][0])


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
        """The client for `engine`, replaced if its address or credentials have changed."""
        from stylestudio.comfy.client import ComfyClient  # as above

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
        """A client with an id of its own, closed at the end.

        An engine sends a prompt's events only to the client id it was posted with. With an id that is the same in every
        process, a restarted process hears of prompts posted before. No two clients with one id may exist at a time.
        """
        from stylestudio.comfy.client import ComfyClient  # as above

        self.client(engine)  # opens the session
        assert self._session is not None
        client = ComfyClient(self._session, engine.url, client_id=client_id)
        try:
            yield client
        finally:
            with suppress(TimeoutError):
                self.loop.call(client.close(), timeout=2.0)

    def close(self) -> None:
        """Close the sockets and stop the loop, without touching what runs on the engines."""
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
    import aiohttp  # as above

    file = settings.COMFYUI_CA_FILE
    connector = aiohttp.TCPConnector(limit=0, ssl=admission.trust(file) if file else True)
    return aiohttp.ClientSession(connector=connector)


pool = Pool()


@dataclass(frozen=True, slots=True)
class Answers:
    """What a probe returns. `latency` is in seconds; `idle`: prompts are pending and none runs.

    Node classes and the upload limit in bytes change only at a restart: None if not requested. `files` are the names in
    each of MODEL_FOLDERS, None if the engine had an error: then the stored ones remain valid.
    """

    latency: float
    stats: SystemStats
    files: Mapping[str, tuple[str, ...] | None]
    nodes: NodeFacts | None
    max_upload: int | None
    idle: bool


def start_probe(engine: Engine) -> Future[Answers]:
    """Start a probe. Node classes, a large answer, are requested only if the engine is new or back."""
    client = pool.client(engine)
    fresh = engine.health != Engine.Health.OK or not engine.node_classes
    return pool.loop.submit(_ask(client, "" if fresh else engine.engine_version))


async def _ask(client: ComfyClient, known: str) -> Answers:
    """Probe. `known` is the version whose node classes are stored; "" requests them in any case."""
    async with asyncio.timeout(PROBE_TIMEOUT):
        begun = time.perf_counter()
        stats = await client.system_stats()
        latency = time.perf_counter() - begun
        lists = await asyncio.gather(*(_unless_it_errs(names_in(client, folder)) for folder in MODEL_FOLDERS))
        if fresh := known != stats.version[:60]:
            client.forget()  # it may have come back with other nodes
        nodes = await _unless_it_errs(node_facts.fetch_facts(client)) if fresh else None
        most = await client.max_upload() if fresh else None
        queue = await _unless_it_errs(client.queue())
    idle = queue is not None and bool(queue.pending) and not queue.running
    return Answers(latency, stats, dict(zip(MODEL_FOLDERS, lists, strict=True)), nodes, most, idle)


async def names_in(client: ComfyClient, folder: str) -> tuple[str, ...]:
    """The names in a folder of models; none if the engine's ComfyUI is older than that folder. Raises ComfyError."""
    try:
        return await client.models(folder)
    except NotFound:
        return ()


async def _unless_it_errs(question: Awaitable[T]) -> T | None:
    """The answer, or None if the engine had an error: it is up, and whoever needs the answer reports what is wrong."""
    with suppress(EngineErred):
        return await question
    return None


def probe(engine: Engine, asked: Future[Answers] | None = None) -> bool:
    """Probe one engine, store the answer and publish what changed. True if the engine is well."""
    before, sketched = (engine.health, engine.engine_version, engine.device), preview_serves()
    try:
        answers = (asked or start_probe(engine)).result()
        # A job may have taken it out meanwhile.
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
    for folder, names in answers.files.items():
        if names is not None:
            setattr(engine, folder, distinct(names))
    if answers.nodes is not None:
        engine.node_classes, engine.node_infos = sorted(answers.nodes.classes), answers.nodes.infos
        engine.max_upload = answers.max_upload


def _health(engine: Engine, answers: Answers) -> Engine.Health:
    """The health of an engine that answers."""
    idle = pool.memory.seconds_idle(engine, idle=answers.idle)
    if idle is not None and (engine.health == Engine.Health.STUCK or idle >= STUCK_AFTER):
        return Engine.Health.STUCK
    if engine.health == Engine.Health.EXHAUSTED:
        if timezone.now() - engine.health_since < COOL_DOWN:
            return Engine.Health.EXHAUSTED
        # Half open, as a circuit breaker: one more picture that runs out of memory takes it out again.
        Engine.objects.filter(pk=engine.pk).update(ooms=MOST_OOMS - 1)
    return Engine.Health.OK


def is_suspect(engine: Engine) -> bool:
    """Whether the last probe found pending prompts and none running, so that it should be probed again soon."""
    return pool.memory.was_idle(engine)


def _announce_switch(engine: Engine) -> None:
    """Announce on every page that pictures are real from now on, or sketches again."""
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
    """Let the engine finish what it has and send it nothing new."""
    Engine.objects.filter(pk=engine.pk).update(paused=True)
    publisher.publish_engines()


def resume(engine: Engine) -> None:
    """Send the engine work again. One that was taken out of service is probed at once."""
    engines = Engine.objects.filter(pk=engine.pk)
    engines.update(paused=False, ooms=0)
    out = engines.filter(health__in=(Engine.Health.STUCK, Engine.Health.EXHAUSTED))
    out.update(health=Engine.Health.UNKNOWN, health_since=timezone.now(), checked_at=None)
    publisher.publish_engines()
    announce_return()


def request_probe(engine: Engine) -> None:
    """Have the monitor probe the engine now, including its node classes, which are rarely requested."""
    Engine.objects.filter(pk=engine.pk).update(checked_at=None, node_classes=[])


def take_out(engine: Engine, trouble: str, health: Engine.Health = Engine.Health.UNREACHABLE) -> None:
    """Take the engine out of service after a job found it unfit, until a probe finds it well."""
    changed = Engine.objects.filter(pk=engine.pk).exclude(health=health)
    if changed.update(health=health, health_since=timezone.now(), trouble=trouble, warm=""):
        log.warning("Engine %s is taken out (%s): %s", engine, health, trouble)
        publisher.publish_engines()
