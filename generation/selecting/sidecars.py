"""What a picture was made with: as facts for the name of its file, and as a JSON file beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from generation.pictures import snapshots
from generation.pictures.models import GeneratedImage, TaskStyle
from generation.selecting import names

_PART = re.compile(r"[,.;:\n，。；、]")
MOST_WORDS = 60  # characters of a prompt in a name


def name_facts(picture: GeneratedImage, mix: Iterable[TaskStyle], number: int, total: int) -> dict[str, str]:
    """What the fields of a template are filled with. `number` of `total` in the zip, from 1.

    The mix of the picture's task; its snapshot is read for the preset.
    """
    task = picture.task
    styles = "+".join(_words(row.version.style.name) for row in mix)
    prompt = task.prompt.strip()
    subject = next((part for part in _PART.split(prompt) if part.strip()), "")
    said = _words(subject[:MOST_WORDS]) or "picture"
    return {
        "name": names.stem(picture.name) or said,
        "style": styles or "base",
        "subject": said,
        "prompt": _words(prompt[: 2 * MOST_WORDS]) or "picture",
        "seed": str(picture.seed),
        "date": f"{timezone.localtime(picture.created_at):%Y-%m-%d}",
        "person": _words(task.owner.get_username()),
        "id": str(picture.pk),
        "index": f"{number:0{len(str(total))}}",
        "width": str(picture.width),
        "height": str(picture.height),
        "preset": _words(task.frame.preset),
    }


def _words(text: str) -> str:
    return slugify(text, allow_unicode=True)


def settings(picture: GeneratedImage, mix: Iterable[TaskStyle]) -> dict[str, Any]:
    """Everything that the picture was made with."""
    task = picture.task
    found: dict[str, Any] = {
        "id": picture.pk,
        "prompt": task.prompt,
        **({"english": task.english} if task.english else {}),
        "final_prompt": task.final_prompt,
        "negative": task.negative,
        "seed": picture.seed,
        "steps": task.steps,
        "cfg": task.cfg,
        "sampler": task.sampler,
        "scheduler": task.scheduler,
        "styles": [
            {
                "name": row.version.style.name,
                "version": row.version.number,
                "file": row.version.lora_name,
                "sha256": row.version.sha256,
                "weight": row.weight,
                "trigger_words": row.triggers,
            }
            for row in mix
        ],
        **({"recipe": task.recipe} if task.taken_over is None else {}),
        **snapshots.fields_in(task.snapshot),
        "checkpoint": task.checkpoint,
        "lightning": task.lightning,
        **({"files": snapshots.files_in(task.snapshot)} if task.more_files else {}),
        "width": picture.width,
        "height": picture.height,
        "ordered_size": [task.width, task.height],
        "person": task.owner.get_username(),
        "made_at": picture.created_at.isoformat(),
        "sha256": picture.sha256,
    }
    if task.frame.preset:
        found["preset"] = task.frame.preset
    if task.derived:
        found["made_of"] = task.derived
    found |= {name: task.snapshot[name] for name in ("control", "fit", "pictures") if name in task.snapshot}
    if task.reference_id:
        found["denoise"] = task.denoise
    return found


def as_json(found: Mapping[str, Any]) -> bytes:
    """A file of it, for people and programs."""
    return (json.dumps(found, ensure_ascii=False, indent=2) + "\n").encode()
