"""Captions from a ComfyUI workflow that the studio's operator provides.

The file is a graph in API format with {{image}} as the picture of a LoadImage node, and a node that outputs the caption
as text, such as PreviewAny; of several the one titled "Caption" counts.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from generation.engines import listings, roster
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt
from stylestudio.comfy.errors import (
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    ExecutionFailed,
    FateUnknown,
    PromptLost,
)
from stylestudio.comfy.graphs import graph, wiring
from stylestudio.comfy.graphs.workflow import Workflow, load
from stylestudio.comfy.protocol.events import Completed
from stylestudio.images import decoding as pictures
from stylestudio.images import grounds
from stylestudio.processes import worker_jobs
from training.datasets.captions.captioners.base import Proposal
from training.datasets.captions.writing import clean
from training.datasets.crops import backgrounds
from training.datasets.models import MOST_CAPTION, DatasetImage

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient

OURS = Path(__file__).parent / "workflows"
SIDE = 1024  # pixels of the longer side; captioners need less
POLL = 0.5  # seconds between two checks whether the job was cancelled
MOST_FAILURES = 3  # consecutive pictures, after which the rest would fail as well
PAUSES = (
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
    30.0,
)  # seconds before retrying a picture that failed because of an engine error


@dataclass(frozen=True, slots=True)
class FromWorkflow:
    """One workflow file."""

    path: Path

    @property
    def name(self) -> str:
        """Derived from the file's name."""
        return f"workflow:{self.path.stem}"[:40]

    @property
    def label(self) -> str:
        """The file's name as words."""
        words = self.path.stem.replace("_", " ").replace("-", " ").strip()
        return words[:1].upper() + words[1:]

    @property
    def needs(self) -> str:
        """What to expect."""
        if self.path.parent == OURS:
            return _("An example for trying things out: tells colours and size, and nothing of what is in the picture.")
        return _("Runs a workflow of this studio on an engine. Look at what it proposes before you accept it.")

    def trouble(self) -> str:
        """Why it cannot run now."""
        try:
            workflow = self._load()
        except (graph.GraphError, OSError) as error:
            return _("The workflow cannot be used: %(reason)s") % {"reason": error}
        serving = roster.serving()
        if not serving:
            return _("No engine answers now.")
        if not any(listings.has_all(engine, (), workflow.classes) for engine in serving):
            return _("No engine that serves now has the nodes of this workflow.")
        return ""

    def propose(self, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
        """Run each picture as one prompt, on the engine with the least to do."""
        workflow, failures = self._load(), 0
        for image in images:
            try:
                proposal, failures = Proposal(self._ask_patiently(workflow, image, check)), 0
            except (ExecutionFailed, OSError, ValueError) as error:
                proposal, failures = Proposal(trouble=str(error)), failures + 1
                if failures == MOST_FAILURES:
                    raise worker_jobs.Failed("engine", str(error)) from error
            except ComfyError as error:
                raise worker_jobs.Failed("engine", str(error)) from error
            yield proposal

    def _load(self) -> Workflow:
        workflow = load(self.path)
        if workflow.placeholders != {"image"}:
            raise graph.GraphError(f"{self.path.name} needs {{{{image}}}} once or more, and no other placeholder.")
        return workflow

    def _ask_patiently(self, workflow: Workflow, image: DatasetImage, check: Callable[[], None]) -> str:
        """`_ask`, retried after a pause while engines have errors of their own."""
        for pause in PAUSES:
            try:
                return self._ask(workflow, image, check)
            except (EngineErred, EngineUnreachable, EngineTimeout, FateUnknown, PromptLost):
                _wait(pause, check)
        return self._ask(workflow, image, check)

    def _ask(self, workflow: Workflow, image: DatasetImage, check: Callable[[], None]) -> str:
        """The caption that the workflow returns for one picture."""
        data = _small(image)
        client = roster.pool.client(_least_busy(workflow))
        call = roster.pool.loop.call
        name = f"stylestudio_caption_{hashlib.sha256(data).hexdigest()[:24]}.jpg"
        stored = call(client.upload_image(data, name))
        nodes = call(wiring.fitted(client, workflow.fill({"image": stored.filename})))
        return clean(_text(workflow, _follow(client, nodes, check)))[:MOST_CAPTION]


def folder() -> Path:
    """The folder for the operator's workflow files."""
    return Path(settings.CAPTIONERS_DIR)


def workflows() -> list[FromWorkflow]:
    """The operator's files by name, then our example, which is only useful while the preview engine serves."""
    own = sorted(folder().glob("*.json")) if folder().is_dir() else []
    return [FromWorkflow(path) for path in (*own, *sorted(OURS.glob("*.json")))]


def _small(image: DatasetImage) -> bytes:
    """The picture as a JPEG of at most SIDE pixels, flattened onto a visible background.
    Raises OSError and BadPicture.
    """
    out = BytesIO()
    with image.file.open("rb") as handle, pictures.open_picture(handle, pictures.MORE_FORMATS) as picture:
        try:
            picture.draft("RGB", (SIDE, SIDE))
            ground = backgrounds.measured_on(image.background, image.colours, grounds.WHITE)
            pictures.shrunk(pictures.flat(picture, ground), SIDE).save(out, "JPEG", quality=92)
        except pictures.BROKEN as error:
            raise pictures.broken() from error
    return out.getvalue()


def _least_busy(workflow: Workflow) -> Engine:
    """Of the engines that can run it, the one with the fewest prompts of ours. Raises worker_jobs.Failed if there is
    none.
    """
    fit = [engine.pk for engine in roster.serving() if listings.has_all(engine, (), workflow.classes)]
    live = Count("prompts", filter=Q(prompts__state__in=EnginePrompt.LIVE))
    chosen = Engine.objects.filter(pk__in=fit).annotate(live=live).order_by("live", "pk").first()
    if chosen is None:
        raise worker_jobs.Failed("engine", _("No engine that serves now has the nodes of this workflow."))
    return chosen


def _follow(client: ComfyClient, nodes: graph.Graph, check: Callable[[], None]) -> Mapping[str, tuple[str, ...]]:
    """Run the graph and return the texts that its nodes output. Cancelled work is cancelled on the engine too."""
    prompt_id = str(uuid.uuid4())
    events = client.run(nodes, prompt_id, stall_timeout=settings.COMFYUI_TIMEOUT)
    try:
        with closing(roster.pool.loop.iterate(events, POLL)) as stream:
            for event in stream:
                if isinstance(event, Completed):
                    return event.texts
                if event is None:
                    check()
    except (worker_jobs.Stopped, EngineUnreachable, EngineTimeout, FateUnknown):
        with suppress(ComfyError):  # it may still be there, and its caption would be requested anew if at all
            roster.pool.loop.call(client.cancel(prompt_id))
        raise
    return {}


def _wait(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))
        check()


def _text(workflow: Workflow, texts: Mapping[str, tuple[str, ...]]) -> str:
    """The output of the node titled Caption, or else the first output that is not empty."""
    titled = [node for node in texts if workflow.nodes[node].get("_meta", {}).get("title") == "Caption"]
    return next((", ".join(texts[node]) for node in (*titled, *texts) if "".join(texts[node]).strip()), "")
