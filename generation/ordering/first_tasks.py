"""Whose settings count for a picture that was made of another one."""

from __future__ import annotations

from generation.pictures.models import GeneratedImage, GenerationTask


def first_task(task: GenerationTask) -> GenerationTask:
    """The task whose picture this one's was made of, step by step, as far as those are there; itself if of none."""
    while source := task.derived.get("source"):
        found = GeneratedImage.everything.filter(pk=source).select_related("task").first()
        if found is None:
            break
        task = found.task
    return task
