"""The pictures that a task starts from: they are sent to engines, and an edited one gets back what was made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from django.db.models.fields.files import FieldFile

from generation.controls.models import given_to
from generation.engines import roster
from generation.engines.models import Engine
from generation.masks import pasting
from generation.masks.models import Parts, SourceGone, parts_of, read
from generation.pictures import snapshots
from generation.pictures.models import GeneratedImage, GenerationTask, patterns
from stylestudio.comfy.errors import BadResponse
from stylestudio.host import rooms


def edit_of(task: GenerationTask) -> Parts | None:
    """What a task edits; None if it edits nothing. Raises SourceGone."""
    return parts_of(task) if task.mode == GenerationTask.Mode.IMAGE else None


def send(engine: Engine, task: GenerationTask) -> None:
    """Send those that the engine does not have. Raises ComfyError, OSError, and SourceGone if what is edited is gone:
    then nothing would be done with what the engine makes.
    """
    pictures = [*given_to(task).every.values(), *([task.reference] if task.reference else [])]
    files: dict[str, FieldFile] = {picture.sha256: picture.file for picture in pictures}
    if edit := edit_of(task):
        files[edit.sent_mask.sha256] = edit.sent_mask.file
    for digest in snapshots.sent_in(task.snapshot).values():
        _send_one(engine, digest, files[digest])


def _send_one(engine: Engine, sha256: str, file: FieldFile) -> None:
    if roster.pool.memory.has_input(engine, sha256):
        return
    with file.open("rb") as handle:
        data = handle.read()
    name = patterns.reference_name(sha256)
    stored = roster.pool.loop.call(roster.pool.client(engine).upload_image(data, name))
    if stored.filename != name:  # the name is the hash of the bytes, so this engine has something else under it
        raise BadResponse(f"The engine already has another picture named {name}.")
    roster.pool.memory.note_input(engine, sha256)


@dataclass(frozen=True, slots=True)
class Stored:
    """The file to store for what an engine made, and what the picture is called: as the one that it was made of.
    `keep(picture)` stores further rows, in the picture's transaction.
    """

    data: bytes
    keep: Callable[[GeneratedImage], None] = lambda picture: None
    name: str = ""


def finished(task: GenerationTask, made: bytes) -> Stored:
    """The picture to store for what an engine made: for an edit the original with it, else the same bytes, unless a
    room above finishes such tasks (`picture_finishers`).

    Raises SourceGone, BadPicture if what the engine sent cannot be decoded, and OSError.
    """
    if task.mode != GenerationTask.Mode.IMAGE:
        return Stored(made)
    if task.derived:
        for finish in rooms.contributed("picture_finishers"):
            if found := finish(task, made):
                result: Stored = found
                return result
    edit = edit_of(task)
    if edit is None:
        return Stored(made)
    return Stored(pasting.pasted(_source(edit), made, read(edit.mask), edit.facts), name=edit.source.name)


def _source(edit: Parts) -> bytes:
    try:
        with edit.source.file.open("rb") as handle:
            data = bytes(handle.read())
    except FileNotFoundError as error:
        raise SourceGone from error
    if hashlib.sha256(data).hexdigest() != edit.facts.source_sha256:
        raise SourceGone
    return data
