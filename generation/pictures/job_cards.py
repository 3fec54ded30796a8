"""What the cards and rows of many tasks show, fetched together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from generation.engines.models import Engine
from generation.pictures import estimates
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle


def gather(tasks: Sequence[GenerationTask]) -> None:
    """Fetch what the cards and rows of all these tasks show, with one query per table."""
    forecast = estimates.Forecast()
    mixes: defaultdict[int, list[TaskStyle]] = defaultdict(list)
    stored: defaultdict[int, dict[int, GeneratedImage]] = defaultdict(dict)
    for row in TaskStyle.objects.filter(task__in=tasks).select_related("version__style").order_by("position"):
        mixes[row.task_id].append(row)
    by_number = {task.pk: task for task in tasks}
    for picture in GeneratedImage.everything.filter(task__in=tasks):
        picture.task = by_number[picture.task_id]  # each says what was asked for
        stored[picture.task_id][picture.index] = picture
    prompts = EnginePrompt.objects.filter(task__in=tasks).order_by("pk")
    rows = list(prompts.values_list("task", "engine", "state", "misses"))
    where = {task: engine for task, engine, _state, _misses in rows}  # the newest attempt comes last
    unfetched = {task for task, _engine, state, _misses in rows if state == EnginePrompt.State.UNFETCHED}
    missed = {task for task, _engine, state, misses in rows if misses and state in EnginePrompt.LIVE}
    engines = Engine.objects.in_bulk(where.values())
    for task in tasks:
        vars(task).update(
            forecast=forecast,
            mix_rows=mixes[task.pk],
            stored=stored[task.pk],
            last_engine=engines.get(where.get(task.pk, 0)),
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
        "step": task.step,
        "steps": task.steps,
        "picture": task.picture_number,
        "count": task.count,
        "saved": task.saved,
        "error": task.explanation if task.error_kind else "",
        **({"odd_sizes": odd} if odd else {}),
    }
