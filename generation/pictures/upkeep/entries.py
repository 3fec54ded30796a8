"""What searches know of many pictures at once, from the rows of pictures and tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from generation.pictures.models import GeneratedImage, GenerationTask, TaskStyle
from generation.pictures.models.search_facts import Entry, Facts, Kind, kind_keys, name_keys
from generation.pictures.models.search_index import Content, documents, moment_of

# Not the long columns, of which `snapshot` is an exception: the preset stands in it.
OF_A_TASK = (
    "owner", "visibility", "is_face", "checkpoint", "prompt", "final_prompt", "pattern", "own_values",
)  # fmt: skip


def entries_of(pictures: Sequence[GeneratedImage], known: Mapping[int, int] | None = None) -> list[Entry]:
    """The entries of these pictures. `known`: the documents by picture, if they have some."""
    tasks: dict[int, GenerationTask] = (
        GenerationTask.everything.only(*OF_A_TASK).order_by().in_bulk({picture.task_id for picture in pictures})
    )
    styles = _styles(tasks)
    names = name_keys(tasks.values())
    prompted = {} if known else _documents(tasks, styles)
    named = documents({Content.of_name(picture.name) for picture in pictures if picture.name})
    kinds = {
        picture.pk: Kind.of(picture, tasks[picture.task_id], is_base=not styles[picture.task_id], names=names)
        for picture in pictures
    }
    keys = kind_keys(kinds.values())
    return [
        Entry(
            picture.pk,
            picture.project_id,
            known[picture.pk] if known else prompted[picture.task_id],
            moment_of(picture.created_at),
            Facts.of(
                picture,
                tasks[picture.task_id],
                kind=keys[kinds[picture.pk]],
                names=names,
                named=named[Content.of_name(picture.name)] if picture.name else None,
            ),
            styles[picture.task_id],
        )
        for picture in pictures
    ]


def _styles(tasks: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
    styles: dict[int, list[tuple[int, int]]] = defaultdict(list)
    rows = TaskStyle.objects.filter(task__in=tasks).order_by().values_list("task", "version__style", "version")
    for task, style, version in rows:
        styles[task].append((style, version))
    return styles


def _documents(tasks: Mapping[int, GenerationTask], styles: Mapping[int, Sequence[tuple[int, int]]]) -> dict[int, int]:
    """The key of each task's document; those that are the first of their kind are added."""
    contents = {pk: Content.of(task, [style for style, _version in styles[pk]]) for pk, task in tasks.items()}
    found = documents(contents.values())
    return {pk: found[content] for pk, content in contents.items()}
