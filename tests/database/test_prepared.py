"""Rows that are written all the time are written as Django writes them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.safestring import SafeString

from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from stylestudio.database import prepared
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import picture_of, place

pytestmark = pytest.mark.django_db


def copy_of(row: Any, **changes: Any) -> Any:
    """The same row once more, unsaved."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.name != "id"}
    return type(row)(**values | changes)


def columns(row: Any) -> dict[str, Any]:
    """What is stored of it, but for its key and what no two rows may share."""
    stored: dict[str, Any] = type(row)._base_manager.filter(pk=row.pk).values().get()
    return {name: value for name, value in stored.items() if name not in ("id", *UNIQUE[type(row)])}


UNIQUE: dict[Any, tuple[str, ...]] = {
    GenerationTask: ("request_id",),
    EnginePrompt: ("prompt_id", "attempt"),
    GeneratedImage: ("prompt_id", "index"),
}


@pytest.mark.parametrize("model", list(UNIQUE))
def test_a_row_is_stored_as_by_django_itself(ada: User, model: Any) -> None:
    picture = picture_of(place(ada, prompt="ein Fuchs 🦊 'im' %s Schnee"))
    prompts = [copy_of(picture.prompt, prompt_id=uuid.uuid4(), attempt=attempt) for attempt in (2, 3)]
    EnginePrompt.objects.bulk_create(prompts)
    others: dict[Any, list[dict[str, Any]]] = {
        GenerationTask: [{"request_id": uuid.uuid4()} for _row in range(2)],
        EnginePrompt: [{"prompt_id": uuid.uuid4(), "attempt": attempt} for attempt in (4, 5)],
        GeneratedImage: [{"prompt_id": prompt.pk, "index": prompt.attempt} for prompt in prompts],
    }
    row = {GenerationTask: picture.task, EnginePrompt: picture.prompt, GeneratedImage: picture}[model]
    ours, theirs = (copy_of(row, **changes) for changes in others[model])
    ours.save(force_insert=True)
    model._base_manager.bulk_create([theirs])
    assert columns(ours) == columns(theirs)
    assert ours.pk == theirs.pk - 1


@pytest.mark.parametrize(
    "changes",
    [
        {"width": "640", "steps": 7.0, "is_face": 1},
        {"cfg": 3, "denoise": "0.5"},
        {"prompt": SafeString("a fox"), "status": Status.QUEUED, "negative": 12},
    ],
)
def test_a_value_of_another_type_is_stored_as_by_django_itself(ada: User, changes: dict[str, Any]) -> None:
    task = picture_of(place(ada)).task
    ours, theirs = (copy_of(task, request_id=uuid.uuid4(), **changes) for _row in range(2))
    ours.save(force_insert=True)
    GenerationTask.everything.bulk_create([theirs])
    assert columns(ours) == columns(theirs)


def test_a_value_that_the_database_computes_is_stored_too(ada: User) -> None:
    prompt = picture_of(place(ada)).prompt
    copy_of(prompt, attempt=7, prompt_id=uuid.uuid4(), lease_until=Now()).save()
    assert abs(EnginePrompt.objects.get(attempt=7).lease_until - timezone.now()) < timedelta(seconds=30)


def test_fields_of_one_row_are_written_and_nothing_else(ada: User) -> None:
    first, other = (picture_of(place(ada, seed=seed)).prompt for seed in (1, 2))
    before = columns(other)
    prepared.write(EnginePrompt, first.pk, progress=41, error="too 'warm' %s", posted_at=None)
    first.refresh_from_db()
    assert (first.progress, first.error, first.posted_at) == (41, "too 'warm' %s", None)
    assert columns(other) == before
