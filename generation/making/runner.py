"""Making pictures: claim one, let the engine make it, store it, publish it. This is all a worker's thread does."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from concurrent import futures
from concurrent.futures import Future
from contextlib import aclosing, closing
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from generation.engines import installs, roster
from generation.engines.models import Engine, brief
from generation.making import cancelling, fetching, installable, recovery, source_pictures, storing, verdicts
from generation.making.claim import Claim, anything_open, look_for_orphans, next_picture
from generation.making.step_previews import small_preview
from generation.making.verdicts import Ends, Verdict
from generation.masks.models import SourceGone
from generation.pictures import signals, tasks
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.pictures.queue_rows import pictures_of_active
from styles.models import StyleVersion
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EmptyFile,
    EngineTimeout,
    EngineUnreachable,
    NotConnected,
    NotFetched,
    NotFound,
    PromptLost,
)
from stylestudio.comfy.graphs import graph, wiring
from stylestudio.comfy.protocol import events
from stylestudio.images import decoding
from stylestudio.live import publisher
from stylestudio.processes import workers

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.1  # while the engine says nothing that has to be acted on at once
SECONDS_BETWEEN_CANCEL_LOOKS = 0.25  # seconds between checks whether the task was cancelled
SOON = 0.1  # seconds that a picture is in the making before its task is reported as running
PROGRESS_EVERY = 0.25  # seconds between writes of progress
INSTALL_EVERY = 0.5  # seconds between writes of an upload's progress
SECONDS_WITHOUT_CONNECTION = 20.0  # before another engine or another attempt is tried
# Seconds between the first tries to fetch a picture, while it keeps its slot on the engine. Later ones take up none.
FETCH_PAUSES = (0.5, 1.0, 2.0)
# Decoding follows sampling, and a picture is only done once it is stored.
SAMPLED = 95


Fetches: TypeAlias = dict[events.ImageRef, Future[bytes]]


def work() -> None:
    """Make pictures until nothing can be claimed."""
    workers.keep_working(_make_one, forget=look_for_orphans)


def _make_one() -> bool:
    with next_picture(workers.worker_name()) as claimed:
        if claimed is None:
            return False
        run(claimed)
    return True


def run(claimed: Claim) -> None:
    """One attempt at one picture, however it ends. Only DatabaseError is raised: then nothing is decided."""
    prompt, task = claimed.prompt, claimed.prompt.task
    if not EnginePrompt.engine.is_cached(prompt):
        prompt.engine = brief(prompt.engine_id)
    making = _Making(prompt, task, sent=claimed.attach, attached=claimed.attach)
    verdict: Verdict | None = None
    try:
        outcome = making.run(attach=claimed.attach)
    except DatabaseError:
        raise
    except (ComfyError, decoding.BadPicture, SourceGone, OSError) as error:
        verdict = _judged(making, error)
    except Exception as error:  # the boundary: a bug of ours ends this job with a reason, not the worker
        log.exception("Could not make picture %s of task %s", prompt.index, task.pk)
        verdict = recovery.broke_here(prompt, "internal", repr(error), sent=making.sent)
    else:
        if outcome == EnginePrompt.State.CANCELLED:
            task.refresh_from_db()
            verdict = recovery.left(prompt, task, unclean=making.untold)
        elif outcome == EnginePrompt.State.DONE != prompt.state:  # another attempt had stored the picture
            verdict = Verdict(Ends(outcome))
    if verdict:
        verdicts.apply(prompt, task, verdict)
    settle(task, made=prompt.state == EnginePrompt.State.DONE)


def _judged(making: _Making, error: ComfyError | decoding.BadPicture | SourceGone | OSError) -> Verdict:
    """The verdict on an attempt that the engine, the picture or our own disk ended."""
    prompt, task = making.prompt, making.task
    if isinstance(error, decoding.BadPicture):
        return recovery.no_picture(str(error))
    if isinstance(error, SourceGone):
        return recovery.broke_here(prompt, "source_gone", "The picture that this edits is gone.", sent=making.sent)
    if isinstance(error, OSError):
        log.error("Could not store a picture of task %s", task.pk, exc_info=error)
        return recovery.broke_here(prompt, "storage", str(error))
    task.refresh_from_db()
    if task.is_active:
        return recovery.judge(prompt, task, error, sent=making.sent)
    away = isinstance(error, EngineUnreachable | EngineTimeout)
    return recovery.left(prompt, task, str(error), unclean=away and making.sent)


@dataclass(slots=True)
class _Making:
    """The state of one attempt while the engine's events come in."""

    prompt: EnginePrompt
    task: GenerationTask
    sent: bool = False  # the engine may have the graph
    attached: bool = False  # an earlier attempt sent it
    left: bool = False  # cancelled, or the worker stopped, while its picture was being fetched
    untold: bool = False  # the engine has it and could not be told of the cancellation
    samplers: frozenset[str] = frozenset()
    written: float = 0.0
    previewed: float = 0.0
    begin_at: float = math.inf
    begun: bool = False
    making: bool = False
    heard: tuple[int, int] | None = None  # the last step that the engine told, and how many there are
    told: tuple[int, int] | None = None  # the last step written
    preview: events.Preview | None = None  # the last one that the engine sent
    stored: bool = False
    fetches: Fetches = field(default_factory=dict)  # those that nobody has asked for yet

    def run(self, *, attach: bool) -> EnginePrompt.State:
        """Drive the prompt to its end. Returns DONE, CANCELLED, or a live state if the worker stops and
        leaves it so.
        """
        engine = self.prompt.engine
        if not attach and not self._install_files(engine):
            stopping = workers.stopping.is_set()
            return EnginePrompt.State.CLAIMED if stopping else EnginePrompt.State.CANCELLED
        if self.prompt.output:
            # The file outlives the engine's memory of the prompt, so a restart in between loses nothing.
            return self._end(self._store(events.ImageRef(**self.prompt.output)))
        client = roster.pool.client(engine)
        nodes = self.prompt.graph or {}
        if not attach:
            nodes = self._adapted(client, nodes)
        # Without samplers, as when a picture is scaled up, whatever tells how far it is.
        self.samplers = frozenset(node for node, body in nodes.items() if "steps" in body["inputs"]) or frozenset(nodes)
        if not attach:
            source_pictures.send(engine, self.task)
        self.sent = True
        events_of_prompt = client.run(
            nodes,
            str(self.prompt.prompt_id),
            attach=attach,
            stall_timeout=settings.COMFYUI_TIMEOUT,
            patience=SECONDS_WITHOUT_CONNECTION,
            extra_data={"preview_method": "auto"},
        )
        stream = self._to_act_on(client, events_of_prompt)
        try:
            return self._end(self._watch(roster.pool.loop.iterate(stream, poll=SECONDS_BETWEEN_LOOKS)))
        finally:
            for fetch in self.fetches.values():  # it was left, or stored by another attempt
                fetch.cancel()

    def _end(self, stored: bool) -> EnginePrompt.State:
        """How the attempt ends; if nothing is stored, the worker stops or the task was cancelled."""
        if stored:
            return EnginePrompt.State.DONE
        if workers.stopping.is_set():
            return EnginePrompt.State.POSTED
        self.untold = not cancelling.stop_on_engine(self.prompt)
        return EnginePrompt.State.CANCELLED

    def _watch(self, stream: Generator[events.Event | None]) -> bool:
        """Follow the events to the end. False if this worker stops, or if the picture is no longer wanted."""
        looked = time.monotonic()
        with closing(stream):
            for event in stream:
                if workers.stopping.is_set():
                    return False
                # A stored picture is no longer wanted either: its task may have ended with it.
                if not self.stored and time.monotonic() - looked > SECONDS_BETWEEN_CANCEL_LOOKS:
                    looked = time.monotonic()
                    if not self._wanted():
                        return False
                if event is not None:
                    self._on(event)
                if self.left:
                    return False
                if event is None or time.monotonic() > self.begin_at:
                    self._catch_up()
        return self.stored

    async def _to_act_on(
        self, client: ComfyClient, stream: AsyncGenerator[events.Event, None]
    ) -> AsyncGenerator[events.Event, None]:
        """Those events that the worker's thread has to act on, in the thread that hears them.

        All others are only noted: to wake the other thread takes longer than what it does with them. As soon as a
        picture is named it is being fetched, and the other thread is woken when it is there.
        """
        is_named = False
        async with aclosing(stream):
            async for event in stream:
                match event:
                    case events.Posted():
                        self.prompt.posted_at = timezone.now()
                    case events.Started() if self.prompt.started_at is None:
                        self.prompt.started_at = timezone.now()
                        self.begin_at = time.monotonic() + SOON
                    case events.Progress(node=node, value=value, max=most):
                        if node in self.samplers:
                            self.heard = (value, most)
                    case events.Preview():
                        self.preview = event
                    case events.Executed(images=[ref, *_others]):
                        if not is_named:
                            is_named = True
                            self.fetches[ref] = fetch = roster.pool.loop.submit(client.fetch(ref))
                            await asyncio.gather(asyncio.wrap_future(fetch), return_exceptions=True)
                        yield event
                    case events.Completed():
                        yield event

    def _wanted(self) -> bool:
        return GenerationTask.everything.active().filter(pk=self.task.pk).exists()

    def _on(self, event: events.Event) -> None:
        match event:
            case events.Executed(images=found):
                self._store(found[0])
            case events.Completed(outputs=outputs):
                self._finish(outputs)
            case _:
                pass

    def _begin(self) -> None:
        """The engine works on it: the task is running from here on. Before, it waits in the engine's queue.

        A picture that is made sooner than SOON is not reported as started: that would take longer than making it.
        """
        self.begun, self.begin_at = True, math.inf
        started = self.prompt.started_at or timezone.now()
        self._write_prompt(state=EnginePrompt.State.POSTED, posted_at=self.prompt.posted_at, started_at=started)
        self.written = time.monotonic()
        publisher.engines_changed()
        if self.task.start(workers.worker_name()):
            publisher.changed(self.task)

    def _catch_up(self) -> None:
        """Write and show what came meanwhile, steps and previews at most four times a second each.

        A picture that is made faster than that shows none: writing them would take longer than making it. A step that
        an engine tells twice is written once.
        """
        now = time.monotonic()
        if not self.begun and now > self.begin_at:
            self._begin()
        if self.prompt.posted_at and self.prompt.state == EnginePrompt.State.CLAIMED:
            self._write_prompt(state=EnginePrompt.State.POSTED, posted_at=self.prompt.posted_at)
        if not self.begun:
            return
        if (heard := self.heard) and heard != self.told and now - self.written >= PROGRESS_EVERY:
            self._write_progress(*heard)
        if (preview := self.preview) and now - self.previewed >= publisher.INTERVAL:
            self.preview, self.previewed = None, now
            self._show(preview)

    def _write_progress(self, step: int, steps: int) -> None:
        first, self.making, self.written = not self.making, True, time.monotonic()
        self.told = (step, steps)
        self._write_prompt(progress=round(SAMPLED * step / max(1, steps)))
        if self.task.advance(progress=storing.overall(self.task), step=step, making=self.prompt.index):
            if first:
                publisher.changed(self.task)
            else:
                publisher.progressed(self.task, "generation/making/_job_moved.html")

    def _show(self, preview: events.Preview) -> None:
        if small := small_preview(preview.data):
            publisher.previewed(self.task, "generation/making/_preview.html", "image/webp", small)

    def _finish(self, outputs: Mapping[str, tuple[events.ImageRef, ...]]) -> None:
        if not self.stored:
            found = [ref for refs in outputs.values() for ref in refs]
            if not found:
                raise decoding.BadPicture("The engine finished without a picture.")
            self._store(found[0])

    def _store(self, ref: events.ImageRef) -> bool:
        """Fetch, check, save, and commit the row: only then the picture exists. False if it was left.

        An incomplete file is fetched again a few times. Raises NotFetched after that.
        """
        self.prompt.output = asdict(ref)  # stored unless this attempt ends in a picture
        pauses = iter(() if self.attached else FETCH_PAUSES)
        while not self.stored and not self.left:
            trouble = self._try_to_store(ref)
            if trouble is None:
                continue
            self._write_prompt(output=self.prompt.output)
            pause = next(pauses, None)
            if pause is None or isinstance(trouble.reason, EngineTimeout | NotConnected):
                raise trouble
            self._wait(pause)
        return self.stored

    def _try_to_store(self, ref: events.ImageRef) -> NotFetched | None:
        """Why the picture could not be fetched this time; None if it was, or if it was left."""
        said = "The picture did not come whole."
        data = b""
        try:
            for data in self._fetched(ref):
                storing.store(self.prompt, data)
                self.stored = True
        except NotFound as error:  # somebody emptied its output folder, or its cache named a file of an earlier run
            raise PromptLost(
                "The engine made the picture, but does not have its file any more.", error.detail
            ) from error
        except (EngineUnreachable, EngineTimeout, BadResponse) as error:
            return NotFetched(f"{said} {error}", error.detail, error, damaged=isinstance(error, EmptyFile))
        except decoding.BadPicture as error:
            return NotFetched(f"{said} {error}", f"{data[:80]!r}", damaged=decoding.begins_as_picture(data))
        return None

    def _fetched(self, ref: events.ImageRef) -> Iterator[bytes]:
        """The bytes of a file on the engine, or nothing if it is left meanwhile."""
        fetch = self.fetches.pop(ref, None)
        if fetch is None:
            fetch = roster.pool.loop.submit(roster.pool.client(self.prompt.engine).fetch(ref))
        try:
            while not futures.wait([fetch], SECONDS_BETWEEN_CANCEL_LOOKS).done:
                if self._is_left():
                    return
            yield fetch.result()
        finally:
            fetch.cancel()

    def _wait(self, seconds: float) -> None:
        """Pause, shorter if it is left."""
        until = time.monotonic() + seconds
        while not self._is_left() and (left := until - time.monotonic()) > 0:
            workers.stopping.wait(min(left, SECONDS_BETWEEN_CANCEL_LOOKS))

    def _is_left(self) -> bool:
        self.left = workers.stopping.is_set() or not self._wanted()
        return self.left

    def _install_files(self, engine: Engine) -> bool:
        """Install the files of styles that the engine lacks.

        False if this worker stops, or if the picture is no longer wanted.
        """
        try:
            stored = installable.stored(self.task)
            return all(self._install(engine, version) for version in installs.missing(engine, stored))
        finally:
            self._show_install(None)  # also what a killed worker left there

    def _install(self, engine: Engine, version: StyleVersion) -> bool:
        looked = shown = -math.inf
        with closing(installs.put(engine, version)) as ticks:
            for percent in ticks:
                now = time.monotonic()
                if workers.stopping.is_set():
                    return False
                if now - looked > SECONDS_BETWEEN_CANCEL_LOOKS:
                    looked = now
                    if not self._wanted():
                        return False
                if now - shown > INSTALL_EVERY:
                    shown = now
                    self._show_install({"style": str(version), "engine": engine.pk, "percent": percent})
        return True

    def _show_install(self, facts: dict[str, object] | None) -> None:
        if self.task.installing != facts and self._wanted():
            self.task.touch(installing=facts)
            publisher.progressed(self.task, "generation/making/_job_moved.html")

    def _adapted(self, client: ComfyClient, nodes: graph.Graph) -> graph.Graph:
        """The graph adapted to this engine's version; the client caches the engine's node classes."""
        fits = client.fits
        adapted = fits.find(nodes)
        if adapted is None:
            adapted = roster.pool.loop.call(wiring.fitted_once(client, nodes, fits))
        if adapted != nodes:
            self.prompt.graph = adapted
            self.prompt.share()
            own = {"pattern_id": self.prompt.pattern_id, "own_values": self.prompt.own_values}
            self._write_prompt(**own)
        return adapted

    def _write_prompt(self, **fields: object) -> None:
        EnginePrompt.objects.live().filter(pk=self.prompt.pk).update(**fields)
        for name, value in fields.items():
            setattr(self.prompt, name, value)


def settle(task: GenerationTask, *, made: bool) -> None:
    """Update the task after an attempt: with nothing on an engine it waits again; others may have something to do now.

    A prompt that is parked, because its engine went away, does not count as running. After a finished picture its task
    stays running, for the next picture is claimed at once. If none can be, the sweep puts the task back when its lease
    has expired.
    """
    shown = task.version
    task.refresh_from_db()
    followed = task.prompts.live().filter(lease_until__gte=Now()).exclude(worker="")
    if task.is_active and not task.complete_if_whole() and not made and not followed.exists():
        task.recover()
    fetching.end_fetching(task)
    if not task.is_active:
        publisher.counts_changed()
        publish_waiting()
        signals.ended.send(GenerationTask, task=task)
    if not made or task.is_active or task.version != shown:  # otherwise its last picture has published its end
        publisher.changed(task)
    publisher.engines_changed()
    if anything_open():
        GenerationTask.wake()


def publish_waiting(most: int = 20) -> None:
    """Publish the new queue positions of the first waiting tasks."""
    for task in GenerationTask.everything.waiting().order_by("-priority", "is_face", "queued_at")[:most]:
        publisher.progressed(task, "generation/making/_job_moved.html")


def sweep() -> None:
    """Every minute and at the start: finish what a crash left between two steps, and free the rest to be claimed."""
    made = pictures_of_active()
    for task in GenerationTask.everything.filter(pk__in=made).order_by("pk"):
        if made[task.pk] >= task.count and task.complete_if_whole():
            publisher.changed(task)
    # Sorted here: to have them in order SQLite would go along all tasks that ever were.
    for fetched in sorted(GenerationTask.everything.active().filter(fetching=True).order_by(), key=attrgetter("pk")):
        if fetching.end_fetching(fetched):
            publisher.changed(fetched)
    held = EnginePrompt.objects.live().filter(task=OuterRef("pk"))
    for left in GenerationTask.everything.abandoned().exclude(Exists(held)):
        if left.recover():
            publisher.changed(left)
    look_for_orphans()
    tasks.finish_missing()
    GenerationTask.wake()
