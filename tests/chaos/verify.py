"""After a storm: what the rows, the files and the engines must agree on, and the counts to print."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from PIL import Image

from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from stylestudio.jobs.kinds import Status

ATTEMPTS = 3
# A picture that was given to engines so often without coming back may fail its job with one of these.
WORN_OUT = frozenset({"lost", "unreachable", "missing_file"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that was done to an engine, and the kinds of failures it explains."""

    at: datetime
    engine: str
    name: str
    kinds: frozenset[str]
    token: str = ""


def ended() -> Iterator[str]:
    """Every job has ended, and nothing is left on its way."""
    for task in GenerationTask.everything.active():
        yield f"job {task.pk} is {task.status}, not before {task.not_before}, {_attempts(task)}"
    for prompt in EnginePrompt.objects.filter(state__in=EnginePrompt.LIVE):
        yield f"prompt {prompt} is still {prompt.state} on {prompt.engine.address}, worker {prompt.worker!r}"


def orders(tasks: Iterable[int], requests: Sequence[Any]) -> Iterator[str]:
    """Each order is one task, and there is no other."""
    rows = Counter(GenerationTask.everything.values_list("request_id", flat=True))
    yield from (f"request {request} made {rows[request]} tasks" for request in requests if rows[request] != 1)
    known = set(tasks)
    for pk in GenerationTask.everything.exclude(pk__in=known).values_list("pk", flat=True):
        yield f"nobody was told of job {pk}"


def cancellations(sure: set[int], maybe: set[int]) -> Iterator[str]:
    """Cancelled is what somebody cancelled, and all of that."""
    cancelled = set(GenerationTask.everything.filter(status=Status.CANCELLED).values_list("pk", flat=True))
    yield from (f"job {pk} was cancelled by nobody" for pk in cancelled - sure - maybe)
    yield from (f"job {pk} was cancelled and is not" for pk in sure - cancelled)


def reasons(causes: Sequence[Cause]) -> Iterator[str]:
    """Every failure has a reason that is true."""
    for task in GenerationTask.everything.filter(status=Status.FAILED):
        if not _is_true(task, causes):
            yield f"job {task.pk} failed without cause: {task.error_kind} ({task.error}), {_attempts(task)}"


def _is_true(task: GenerationTask, causes: Sequence[Cause]) -> bool:
    if task.error_kind in WORN_OUT:
        lost = task.prompts.filter(state=EnginePrompt.State.LOST, posted_at__isnull=False)
        return max(Counter(lost.values_list("index", flat=True)).values(), default=0) >= ATTEMPTS
    if any(task.error_kind in cause.kinds and not cause.engine for cause in causes):
        return True
    for prompt in task.prompts.filter(state=EnginePrompt.State.FAILED).select_related("engine"):
        for cause in causes:
            if (
                task.error_kind in cause.kinds
                and cause.engine == prompt.engine.address
                and prompt.ended_at
                and cause.at <= prompt.ended_at
                and cause.token in task.error_detail
            ):
                return True
    return False


def _attempts(task: GenerationTask) -> str:
    rows = task.prompts.select_related("engine").order_by("index", "attempt")
    return "; ".join(
        f"{row.index}.{row.attempt} {row.state} on {row.engine.address[-5:]} {row.error}" for row in rows
    )  # fmt: skip


def pictures() -> Iterator[str]:
    """A completed job has all its pictures, each from the right seed, whole, and as it came."""
    for task in GenerationTask.everything.filter(status=Status.COMPLETED):
        places = sorted(task.pictures(manager="with_previews").values_list("index", flat=True))
        if places != list(range(task.count)):
            yield f"job {task.pk} completed {task.count} pictures with {places}"
    for picture in GeneratedImage.everything.select_related("task", "prompt"):
        yield from (f"picture {picture.pk} of job {picture.task_id}: {wrong}" for wrong in _flaws(picture))


def _flaws(picture: GeneratedImage) -> Iterator[str]:
    if picture.prompt.state != EnginePrompt.State.DONE:
        yield f"its prompt is {picture.prompt.state}"
    try:
        data = picture.file.open("rb").read()
    except OSError as error:
        yield f"no file ({error})"
        return
    if hashlib.sha256(data).hexdigest() != picture.sha256 or len(data) != picture.size:
        yield "its file is another"
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        size, graph = image.size, json.loads(image.info.get("prompt", "{}"))
    if size != (picture.task.width, picture.task.height):
        yield f"it is {size}"
    seeds = [node["inputs"]["seed"] for node in graph.values() if "seed" in node["inputs"]]
    if not picture.seed == picture.task.seeds[picture.index] == seeds[0]:
        yield f"seed {picture.seed}, of the task {picture.task.seeds[picture.index]}, in the file {seeds}"


def files(stored: Iterable[str]) -> Iterator[str]:
    """No file without a row; `pictures` looks whether every row has its file. `stored`: the names of all outputs."""
    rows = GeneratedImage.everything.values_list("file", "thumbnail")
    known = {name for row in rows for name in row if name}
    yield from (f"file {name} has no row" for name in stored if name not in known)


def in_folder(media: Path) -> Iterator[str]:
    """The names of all outputs on a disk."""
    return (path.relative_to(media).as_posix() for path in (media / "outputs").rglob("*") if path.is_file())


def in_bucket() -> Iterator[str]:
    """The names of all outputs in the bucket, as it tells them itself."""
    return (one.key for one in default_storage.bucket.objects.filter(Prefix="outputs/"))  # type: ignore[attr-defined]


def twice(made: Iterable[str]) -> Iterator[str]:
    """No engine ran one prompt a second time: its files would be numbered on."""
    yield from (f"an engine made {name}" for name in made if not name.endswith("_00001_.png"))


def counts(made: Sequence[str]) -> dict[str, Any]:
    """The figures of the rows. `made`: names of the files that the engines wrote, "task-index-prompt_00001_.png"."""
    tasks, prompts = GenerationTask.everything.all(), EnginePrompt.objects.all()
    stored = set(GeneratedImage.everything.values_list("prompt__prompt_id", flat=True))
    short = {prompt.hex[:12] for prompt in stored}
    extra = [name for name in made if name.split("_")[0].rsplit("-", 1)[1] not in short]
    kept = {"-".join(name.split("-")[:2]) for name in made if name not in extra}
    again = sum(1 for name in extra if "-".join(name.split("-")[:2]) in kept)
    return {
        "jobs": dict(Counter(tasks.values_list("status", flat=True))) | {"all": tasks.count()},
        "failed": dict(Counter(tasks.filter(status=Status.FAILED).values_list("error_kind", flat=True))),
        "pictures": len(stored),
        "without thumbnail": GeneratedImage.everything.filter(thumbnail="").count(),
        "attempts": prompts.count(),
        "attempts that ended": dict(Counter(prompts.values_list("state", flat=True))),
        "most attempts at a picture": max(prompts.values_list("attempt", flat=True), default=0),
        "unclean": prompts.filter(unclean=True).count(),
        "made but not kept": len(extra) if made else "not known",
        "of these made again": again if made else "not known",
    }
