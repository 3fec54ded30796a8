"""Pictures of several people, without an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, search_index
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import png

Shoot = Callable[..., list[int]]


@pytest.fixture
def shoot(db: None) -> Shoot:
    """Make pictures of one person, 16 of a task, and return their keys: shoot(ada, 40, files=True, prompt="fox")."""

    def make(owner: Any, number: int, *, files: bool = False, style: Any = None, **given: Any) -> list[int]:
        engine, _new = Engine.objects.get_or_create(address="http://127.0.0.1:9")
        keys: list[int] = []
        prompt = given.pop("prompt", "a fox")
        for start in range(0, number, 16):
            size = min(16, number - start)
            task = GenerationTask.objects.create(
                owner=owner, prompt=prompt, final_prompt=prompt, width=1216, height=832, count=size,
                seeds=list(range(7, 7 + size)), checkpoint="base.safetensors", lightning="l.safetensors",
                ended_at=timezone.now(), status=Status.COMPLETED, own_values={"workflow": {"name": "w", "sha256": "a"}},
                **given,
            )  # fmt: skip
            if style:
                task.mix.create(version=style.version, position=0, weight=0.8)
            prompts = EnginePrompt.objects.bulk_create(
                EnginePrompt(
                    task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state="done",
                    own_values={},
                )
                for index in range(size)
            )  # fmt: skip
            rows = [
                GeneratedImage(
                    task=task, index=index, prompt=row, seed=7 + index, width=40, height=24, size=1000,
                    sha256="0" * 64, engine=engine, file="outputs/none.png",
                )
                for index, row in enumerate(prompts)
            ]  # fmt: skip
            for row in rows:
                if files:
                    row.file.save(f"{row.task_id}-{row.index}.png", ContentFile(png()), save=False)
            for row in GeneratedImage.everything.bulk_create(rows):
                search_index.add_picture(row)
                keys.append(row.pk)
        return keys

    return make
