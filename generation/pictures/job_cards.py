"""What the cards and rows of many tasks show, fetched together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from generation.engines.models import Engine
from generation.pictures import estimates
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle

# Of prompts, their engines and their pictures; the lists of an engine's files and nodes alone may have megabytes.
SHOWN_OF_PROMPTS = (
    *("task", "state", "misses", "engine__name", "engine__device", "engine__address", "engine__source"),
    *(f"picture__{field.attname}" for field in GeneratedImage._meta.concrete_fields),
)


def gather(tasks: Sequence[GenerationTask]) -> None:
    """Fetch what the cards and rows of all these tasks show, with one query per table."""
    forecast = estimates.forecast_now()
    mixes: defaultdict[int, list[TaskStyle]] = defaultdict(list)
    stored: defaultdict[int, dict[int, GeneratedImage]] = defaultdict(dict)
    for row in TaskStyle.objects.filter(task__in=tasks).select_related("version__style").order_by("position"):
        mixes[row.task_id].append(row)
    by_number = {task.pk: task for task in tasks}
    prompts = EnginePrompt.objects.filter(task__in=tasks).select_related("engine", "picture").only(*SHOWN_OF_PROMPTS)
    engines: dict[int, Engine] = {}
    unfetched, missed = set(), set()
    for prompt in prompts.order_by("pk"):
        engines[prompt.task_id] = prompt.engine  # the newest attempt comes last
        if picture := getattr(prompt, "picture", None):
            picture.task = by_number[prompt.task_id]  # each says what was asked for
            stored[prompt.task_id][picture.index] = picture
        if prompt.state == EnginePrompt.State.UNFETCHED:
            unfetched.add(prompt.task_id)
        if prompt.misses and prompt.state in EnginePrompt.LIVE:
            missed.add(prompt.task_id)
    for task in tasks:
        vars(task).update(
            forecast=forecast,
            mix_rows=mixes[task.pk],
            stored=stored[task.pk],
            last_engine=engines.get(task.pk),
            fetchable=not task.is_active and task.pk in unfetched,
            asked_again=task.is_active and task.pk in missed,
        )


def facts(task: GenerationTask) -> dict[str, object]:
    """What scripts get besides status and progress."""
    odd = [
        {"picture": picture.index + 1, "width": picture.width, "height": picture.height}
        for picture in task.odd_pictures
    ]
    return {
        "recipe": task.recipe,
        "step": task.step,
        "steps": task.steps,
        "picture": task.picture_number,
        "count": task.count,
        "saved": task.saved,
        "error": task.explanation if task.error_kind else "",
        **({"odd_sizes": odd} if odd else {}),
    }
