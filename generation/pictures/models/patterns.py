"""What the JSON documents of many rows have in common, stored once (see `json_patterns`).

The graphs of a million pictures differ in a seed, a file prefix and a prompt, all of which other columns hold. A row
keeps the key of its pattern and its own values. It may also keep its document whole: one from before there were
patterns, or one that a pattern would not give back to the byte.

Names of known values are part of what is stored: what a name stands for never changes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection, models

from generation.pictures import snapshots
from stylestudio.comfy.file_names import canonical
from stylestudio.database.remembered import Remembered
from stylestudio.text import json_patterns
from stylestudio.text.json_patterns import Choose, Path


class Pattern(models.Model):
    """A pattern of documents. Rows are only added."""

    # Made of the text, so that equal patterns are one row, and a key means the same text in every database.
    id = models.BigIntegerField(primary_key=True)
    text = models.TextField()

    def __str__(self) -> str:
        return self.text[:80]


_known: Remembered[int] = Remembered()
_ADD = f'INSERT INTO "{Pattern._meta.db_table}" ("id", "text") VALUES (%s, %s) ON CONFLICT DO NOTHING'  # noqa: S608


def keep(
    document: Any, known: Mapping[str, Any], choose: Choose, stored: set[int] | None = None
) -> tuple[int | None, Any]:
    """Store the pattern of `document`, and return the key and the document's own values; None and the document itself
    if it would not come back the same.

    `stored`, if given, holds the keys of patterns that this transaction has stored, and gets this one.
    """
    stored = set() if stored is None else stored
    text, own = json_patterns.split(document, known, choose)
    if json_patterns.text(json_patterns.join(text, known, own)) != json_patterns.text(document):
        return None, document
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    if key not in stored and not _known.of([key]):
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [key, text])
        _known.note({key: key})
    stored.add(key)
    return (key, own) if _text(key) == text else (None, document)


def find(key: int, known: Mapping[str, Any], own: Sequence[Any]) -> Any:
    """The document of a row. Raises ValueError if its pattern or one of its values is not there any more."""
    try:
        return json_patterns.join(_text(key), known, own)
    except Pattern.DoesNotExist as error:
        raise ValueError(f"The pattern {key} of a stored document is not in the database.") from error


@lru_cache(maxsize=1024)
def _text(key: int) -> str:
    return str(Pattern.objects.values_list("text", flat=True).get(pk=key))


_MOST_LORAS = 5


def _of_loras(*forms: str) -> tuple[str, ...]:
    return tuple(form.format(place) for place in range(_MOST_LORAS) for form in forms)


# The names of the values that may stand in these inputs of a graph. Text encoders have the same input for both prompts.
_INPUTS: dict[str, tuple[str, ...]] = {
    "ckpt_name": ("checkpoint", "checkpoint\\"),
    "lora_name": ("lightning", "lightning\\", *_of_loras("lora {}", "lora {}\\")),
    "strength_model": _of_loras("weight {}"),
    "strength_clip": _of_loras("weight {}"),
    "text": ("positive", "negative"),
    "seed": ("seed",),
    "noise_seed": ("seed",),
    "width": ("width",),
    "height": ("height",),
    "steps": ("steps",),
    "cfg": ("cfg",),
    "sampler_name": ("sampler",),
    "scheduler": ("scheduler",),
    "denoise": ("denoise",),
    "image": ("reference", "mask", "control"),
    "filename_prefix": ("prefix",),
}


def in_graph(path: Path, value: Any) -> Sequence[str] | None:
    """What may stand in an input of a node. Links and switches belong to the pattern."""
    if len(path) != 3 or path[1] != "inputs" or not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    names = _INPUTS.get(str(path[2]), ())
    if not names and isinstance(value, str) and len(value) <= json_patterns.LONG:
        return None  # a choice, which the workflow made
    return names


def graph_values(snapshot: Mapping[str, Any], task: int, index: int, prompt_id: uuid.UUID) -> dict[str, Any]:
    """The known values of the graph of picture `index`. Engines on Windows spell file names with backslashes, which has
    names of its own.
    """
    values = {name: snapshot[name] for name in _OF_SNAPSHOT if name in snapshot}
    values |= {"positive": snapshot.get("final_prompt"), "prefix": file_prefix(task, index, prompt_id)}
    if index < len(seeds := snapshot.get("seeds", ())):
        values["seed"] = seeds[index]
    sent = snapshots.sent_in(snapshot)
    values |= {name: reference_name(sent[name]) for name in _INPUTS["image"] if name in sent}
    of_recipe = snapshots.files_in(snapshot)
    files = {name: of_recipe[role] for name, role in _FILES.items() if role in of_recipe}
    styles = [style for style in snapshot.get("styles", ()) if style.get("lora")]
    for place, style in enumerate(styles):
        files[f"lora {place}"], values[f"weight {place}"] = style["lora"], style.get("weight")
    for name, file in files.items():
        values[name], values[f"{name}\\"] = canonical(file), canonical(file).replace("/", "\\")
    return values


_OF_SNAPSHOT = ("negative", "width", "height", "steps", "cfg", "sampler", "scheduler", "denoise")
_FILES = {"checkpoint": "checkpoint", "lightning": "accelerator"}  # known names, and the roles of recipes


def file_prefix(task: int, index: int, prompt_id: uuid.UUID) -> str:
    """The beginning of the name of the file that the engine writes.

    It is unique to the prompt: otherwise the engine's cache would return an old file.
    """
    return f"stylestudio/{task}-{index}-{prompt_id.hex[:12]}"


def reference_name(digest: str) -> str:
    """The file name a reference is uploaded under: the same bytes always get the same name."""
    return f"stylestudio-{digest[:32]}.png"


_VARIES = {
    "prompt", "final_prompt", "negative", "width", "height", "seeds", "steps", "cfg", "denoise", "reference",
    "taken_over", "derived", "edit", "control", "fit", "pictures", "english",
}  # fmt: skip


def in_snapshot(path: Path, value: Any) -> Sequence[str] | None:
    """What differs from task to task is its own. The workflow, files and styles belong to the pattern."""
    is_own = (len(path) == 1 and path[0] in _VARIES) or (len(path) == 3 and path[::2] == ("styles", "weight"))
    return () if is_own and value is not None else None
