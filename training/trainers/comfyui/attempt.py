"""One attempt at a training on one engine, segment by segment.

One segment is one prompt. What is needed to find it again is stored before it is posted, so that whoever continues
after a crash follows it, or collects its result, and only repeats what is really lost: never more than one segment.
"""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.engines import installs, roster
from generation.engines.models import Engine
from styles.lora.file.header import BadLora, read_header
from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.connection.upload import Writable
from stylestudio.comfy.errors import (
    ComfyError,
    ExecutionFailed,
    PromptLost,
)
from stylestudio.comfy.file_names import is_listed
from stylestudio.comfy.graphs import node_info
from stylestudio.comfy.protocol import events
from training.runs.phases import Doing, Phase
from training.runs.remaining import UNTOLD
from training.runs.trainer import Course, Stop, TrainerFailed, TrainerLost, TrainerStopped
from training.trainers.comfyui import dataset, graph, lora, presets, prompt_watch, segments
from training.trainers.comfyui.obstacles import hint, obstacle
from training.trainers.comfyui.prompt_watch import Watch
from training.trainers.comfyui.segments import Segment

SECONDS_WITHOUT_CONNECTION = 60.0  # seconds without a connection until the engine counts as lost
# Seconds without any sign, while the engine works. Encoding reports no progress, nor does one step of a slow machine.
SILENT = 1800.0
SILENT_PER_PICTURE = 60.0
# New engines do not report less than UNTOLD of a segment: that many steps may pass, each as slow as this.
SLOWEST_STEP = 300.0
SLOW_TIMES = 10  # or this many times slower than the steps so far
SILENT_OLD = 24 * 3600.0  # old engines report nothing from the first step to the last
SENT_TOGETHER = 20  # pictures between two stored counts of those sent
LISTED_WITHIN = 20  # tries, half a second apart, until the engine lists the file it saved
FETCHES = 3  # immediate attempts at fetching a file that arrives damaged
# What is stored of a prompt, and of one engine. `file` is what it saved after step `file_step`; `made` says that the
# engine lists what the prompt saved.
PROMPT = ("prompt", "prefix", "first", "last", "made")
_KEPT = (*PROMPT, "folder", "sent", "file", "file_step", "pace")


def longest_silence(steps: int, pictures: int, pace: float | None) -> float:
    """Seconds without a sign after which a segment counts as stalled. `pace`: seconds per step, if known."""
    step = min(SLOWEST_STEP, SLOW_TIMES * pace) if pace else SLOWEST_STEP
    return SILENT + SILENT_PER_PICTURE * pictures + step * math.ceil(UNTOLD * steps)


class Attempt:
    """One attempt at a training, on one engine."""

    def __init__(self, course: Course, engine: Engine, client: ComfyClient) -> None:
        self.course = course
        self.engine = engine
        self.client = client
        self.loop = roster.pool.loop
        self.done = course.start.step if course.start else 0
        self.reached = course.job.step  # as last reported, perhaps by a worker that is gone
        if course.state.get("engine") != engine.pk:  # what was left on another engine is useless here
            course.remember(**dict.fromkeys(_KEPT), engine=engine.pk)
        self.pace = 0.0  # seconds per step of the last segment
        self.generation = self._generation()
        self.stand_in = course.job.trigger_words or "picture"  # for engines that require a caption
        self.items, self.resized, self.uncaptioned = dataset.items(
            course.pictures, mixed=self.generation.mixed, stand_in=self.stand_in
        )

    def _generation(self) -> graph.Generation:
        found = self.loop.call(graph.detect(self.client))
        if found is None:
            raise TrainerFailed("engine", obstacle(self.engine))
        return found

    def run(self) -> None:
        """Train segment by segment to the last step."""
        self._greet()
        job, config = self.course.job, self.course.config
        while self.done < job.steps:
            left = self._left_behind()
            segment = left or segments.following(self.done, job.first_step, job.steps, int(config.get("segments", 4)))
            if not (left and self._resume(segment)):
                self._heed()
                self._train(segment)
            self.done = segment.last
            if self.done < job.steps:
                self._heed()
                self.course.pause()

    def _greet(self) -> None:
        say = self.course.log
        facts = {
            "engine": roster.title(self.engine),
            "version": self.engine.engine_version,
            "step": self.done,
        }
        say(_("Training on %(engine)s, ComfyUI %(version)s, from step %(step)d.") % facts)
        if missing := hint(self.engine, self.course.config):
            say(missing)
        if not self.generation.tells:
            say(
                _(
                    "This version of ComfyUI shows no progress while it trains, so steps are estimated, and it cannot "
                    "be interrupted: after a force stop the engine works on until the segment is over."
                )
            )
        if self.resized:
            text = ngettext(
                "This version of ComfyUI wants all pictures of one size: %(count)d picture is cut to %(size)s.",
                "This version of ComfyUI wants all pictures of one size: %(count)d pictures are cut to %(size)s.",
                self.resized,
            )
            say(text % {"count": self.resized, "size": "{} × {}".format(*self.items[0].size)})
        if self.uncaptioned:
            text = ngettext(
                "This version of ComfyUI wants captions: %(count)d picture without one gets “%(caption)s”.",
                "This version of ComfyUI wants captions: %(count)d pictures without one get “%(caption)s”.",
                self.uncaptioned,
            )
            say(text % {"count": self.uncaptioned, "caption": self.stand_in})

    def _heed(self) -> None:
        """Stop if requested: between two segments nothing is lost by it."""
        if self.course.stop is not Stop.NO:
            raise TrainerStopped

    def _forget_prompt(self) -> None:
        self.course.remember(**dict.fromkeys(PROMPT))

    # What an earlier attempt left.

    def _left_behind(self) -> Segment | None:
        left = self.course.state
        known = left.get("prompt") or left.get("made")
        return Segment(left["first"], left["last"]) if known and left["first"] == self.done else None

    def _resume(self, segment: Segment) -> bool:
        """Follow or collect the prompt of an earlier attempt. False if the engine does not know it."""
        prompt, prefix = self.course.state.get("prompt"), self.course.state["prefix"]
        self.course.log(_("Looking on the engine for the segment that was begun before."))
        losses: list[float] = []
        try:
            if not prompt:  # of a training that ended before this one
                raise PromptLost("Nobody follows it any more.")
            losses = self._follow(segment, prompt, None, reached=self.reached)
        except PromptLost:  # the engine was restarted; it may have saved the file before
            if self._saved_as(prefix, tries=1) is None:
                self._forget_prompt()
                return False
        try:
            self._collect(segment, prefix, losses)
        except TrainerLost as error:
            if error.answered:
                raise
            return False  # the engine died while it wrote the file
        return True

    # One segment.

    def _train(self, segment: Segment) -> None:
        folder = self._send_pictures()
        values = self._values(segment, folder, self._existing())
        self.client.forget()  # it lists the new folder by now, in its own spelling
        nodes = self.loop.call(graph.adapted(self.client, self.generation, values))
        prompt = str(uuid.uuid4())
        prefix = values["prefix"]
        self.course.remember(prompt=prompt, prefix=prefix, first=segment.first, last=segment.last)
        self._collect(segment, str(prefix), self._follow(segment, prompt, nodes))

    def _values(self, segment: Segment, folder: str, existing: str) -> dict[str, object]:
        job, config = self.course.job, self.course.config
        return {
            **graph.chosen(config),
            "checkpoint": job.base,
            "folder": folder,
            "steps": segment.steps,
            "seed": segments.seed_of(segment, job.seed, int(config["accumulation"])),
            "existing_lora": existing,
            # Unique to the prompt: the node numbers files by the steps in their names and would overwrite one.
            "prefix": f"loras/{job.saved_as}{uuid.uuid4().hex[:12]}",
        }

    def _existing(self) -> str:
        """The file on the engine from which the segment continues; installs it there if it is missing."""
        if not self.done:
            return graph.NOTHING
        start = self.course.start
        ours = start if start and start.step == self.done else None
        if ours and ours.job.trainer != presets.NAME:
            raise TrainerFailed(
                "trainer", _("ComfyUI's nodes go on only from checkpoints that they trained themselves.")
            )
        state = self.course.state
        if not ours or not installs.can_install(self.engine, ours.version):
            # The engine's own file differs only in alpha, which starts at 1 again.
            if state.get("file_step") == self.done and self.loop.call(self.client.has_lora(state["file"])):
                return str(state["file"])
            if not ours:
                raise TrainerLost(_("The engine lost the file of the last segment."))
        with closing(installs.put(self.engine, ours.version)) as ticks:
            for percent in ticks:
                self._preparing(Doing(Phase.RETURNING, percent, 100))
        return str(ours.version.lora_name)

    def _send_pictures(self) -> str:
        """The folder on the engine with the pictures; sends those that are missing."""
        folder, sent = dataset.folder_name(self.items), 0
        known = str(self.course.state.get("folder", ""))
        if known.startswith(folder) and self._lists(known):
            folder, sent = known, int(self.course.state["sent"])
        try:
            self._send_from(sent, folder)
        except dataset.Occupied:
            self.course.log(_("The engine has other files in this folder; the pictures go into a new one."))
            folder = f"{dataset.folder_name(self.items)}_{uuid.uuid4().hex[:8]}"
            self._send_from(0, folder)
        return folder

    def _lists(self, folder: str) -> bool:
        self.client.forget()
        info = self.loop.call(self.client.object_info(self.generation.loader)) or {}
        entry = node_info.inputs(info, {}).get("folder")
        return entry is not None and is_listed(folder, entry.choices or ())

    def _send_from(self, sent: int, folder: str) -> None:
        count = len(self.items)
        for number, item in enumerate(self.items[sent:], sent + 1):
            self._preparing(Doing(Phase.SENDING, number, count))
            try:
                png = dataset.encoded(item)
            except dataset.Unreadable as error:
                raise TrainerFailed("bad_pictures", str(error), picture=item.picture.source) from error
            self.loop.call(dataset.send(self.client, folder, item, png))
            if number == count or number % SENT_TOGETHER == 0:
                self.course.remember(folder=folder, sent=number)

    def _preparing(self, doing: Doing) -> None:
        if self.course.stop is not Stop.NO:
            raise TrainerStopped
        self.progress(self.done, doing)

    def progress(self, step: int, doing: Doing | None = None) -> None:
        """Report the progress."""
        epoch = segments.epoch(step, len(self.items), self.course.config)
        self.course.progress(step, epoch=epoch, doing=doing)

    def _follow(self, segment: Segment, prompt: str, nodes: Mapping[str, Any] | None, reached: int = 0) -> list[float]:
        """Post the graph, or without one follow a prompt posted before, to its end. Returns the loss of each step.

        `reached`: the last known step of a prompt posted before.
        """
        watch = Watch(self, segment, prompt, reached)
        pace = self.course.job.seconds_per_step
        silent = longest_silence(segment.steps, len(self.items), pace) if self.generation.tells else SILENT_OLD
        stream = self.client.run(
            nodes or {}, prompt, attach=nodes is None, stall_timeout=silent, patience=SECONDS_WITHOUT_CONNECTION,
            extra_data={"preview_method": "none"},
        )  # fmt: skip
        try:
            with closing(self.loop.iterate(stream, poll=prompt_watch.SECONDS_BETWEEN_WISH_LOOKS)) as happening:
                for event in happening:
                    if event is not None:
                        watch.on(event)
                    watch.look()
        except ExecutionFailed as error:
            if error.node_id == graph.LOADER:
                self.course.remember(folder=None, sent=None)  # the files there may be broken
                raise TrainerFailed("bad_pictures", error.detail, picture=self._named_in(error.detail)) from error
            raise
        self.pace = watch.pace
        divided = self.generation.mixed and len({item.size for item in self.items}) > 1
        return graph.losses(watch.losses, int(self.course.config["accumulation"]), divided=divided)

    def _named_in(self, text: str) -> str:
        """The dataset's name of the picture whose file on the engine the text names; "" if it names none."""
        named = {f"{item.picture.name}.png": item.picture.source for item in self.items}
        return next((named[name] for name in re.findall(r"\d+\.png", text) if name in named), "")

    def stop_now(self, prompt: str) -> None:
        """End the prompt on the engine, and the attempt. If the engine is unreachable, `leftovers` does it later."""
        with suppress(ComfyError):
            self.loop.call(self.client.cancel(prompt))
            self._forget_prompt()
        if not self.generation.tells:
            self.course.log(_("The engine works on until this segment is over, then throws its result away."))
        raise TrainerStopped

    # Its result.

    def _saved_as(self, prefix: str, tries: int = LISTED_WITHIN) -> str | None:
        """The name, among the engine's LoRAs, of the file saved with this prefix."""
        start = prefix.removeprefix("loras/") + "_"
        for tried in range(tries):
            if tried:
                time.sleep(0.5)
            names = self.loop.call(self.client.models("loras"))
            if found := [name for name in names if name.startswith(start)]:
                return found[0]
        return None

    def _fetch(self, name: str, path: Path, step: int) -> None:
        size = 0

        def received(done: int) -> None:
            nonlocal size
            size = done

        with path.open("wb") as file:
            fetching = _fetching(self.client, events.ImageRef(name, "loras", "output"), file, received)
            with closing(self.loop.iterate(fetching, poll=prompt_watch.SECONDS_BETWEEN_WISH_LOOKS)) as ticks:
                for _tick in ticks:
                    self.progress(step, Doing(Phase.FETCHING, size))

    def _fetch_whole(self, name: str, whole: Path, ready: Path, step: int) -> None:
        """Fetch a file and make a checkpoint of it; retry if it arrives damaged. Raises BadLora or EOFError."""
        for left in reversed(range(FETCHES)):
            self._fetch(name, whole, step)
            try:
                with whole.open("rb") as source, ready.open("wb") as target:
                    header = read_header(source)
                    lora.copy(source, header, target, lora.checkpoint(source, header), header.metadata)
                return
            except (BadLora, EOFError):
                if not left:
                    raise

    def _collect(self, segment: Segment, prefix: str, losses: list[float]) -> None:
        """Fetch the file of a segment and pass it on as a checkpoint."""
        name = self._saved_as(prefix)
        if name is None:
            self._forget_prompt()
            raise TrainerLost(_("The engine trained the segment, but does not list its file."))
        finite = losses[: next((at for at, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))]
        if finite:
            self.course.losses(segment.first + 1, finite)
        if len(finite) < len(losses):
            self._forget_prompt()
            raise TrainerFailed("diverged", f"step {segment.first + len(finite) + 1}")
        self.course.remember(made=True, **({"pace": self.pace} if self.pace else {}))
        self.progress(segment.last)
        whole = self.course.folder / "fetched.safetensors"
        ready = self.course.folder / f"{segment.last:06}.safetensors"
        try:
            self._fetch_whole(name, whole, ready, segment.last)
            loss = math.fsum(finite) / len(finite) if finite else None
            epoch = segments.epoch(segment.last, len(self.items), self.course.config)
            self.course.checkpoint(segment.last, ready, epoch=epoch, loss=loss)
        except (BadLora, EOFError) as error:
            self._forget_prompt()
            raise TrainerLost(f"{name}: {error}") from error
        finally:
            whole.unlink(missing_ok=True)
            ready.unlink(missing_ok=True)
        self.course.remember(**dict.fromkeys(PROMPT), file=name, file_step=segment.last)


async def _fetching(
    client: ComfyClient, ref: events.ImageRef, file: Writable, received: Callable[[int], None]
) -> AsyncGenerator[None, None]:
    await client.fetch_to(ref, file, received=received)
    yield
