"""The engines' copies of LoRA files: made at import, and on request for versions imported earlier."""

from __future__ import annotations

import tempfile
import time
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from styles import lora
from styles.for_engines import EnginesCopy
from styles.models import Source, State, StyleVersion
from stylestudio.media import identity, lost_files
from stylestudio.media.storage import all_or_nothing

SECONDS_TO_CHECK = 5.0  # per sweep, for versions that have not been checked yet
UNREADABLE: dict[str, Any] = {
    "tensors": 0
}  # stored for a version whose file is unreadable, so that it is not tried again and again


SUFFIXES = (".safetensors", ".sft")


def storage_name(name: str) -> str:
    """The storage name of an imported file; of its own name only the extension is used."""
    ending = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), SUFFIXES[0])
    return f"uploads/styles/{timezone.localtime():%Y/%m}/{identity.new_name(ending)}"


class NoCopy(ValueError):
    """No copy can or need be made of a version's file. The text says why."""


def make(file: IO[bytes], found: lora.Inspection, name: str) -> EnginesCopy | None:
    """Store a copy of `file` that engines read, under the storage name `name`; None if they read the file as it is.

    Takes time in proportion to the file's size. The caller deletes the copy if no row ends up naming it. Raises
    OSError, and BadLora if the copy's header would exceed the format's limit.
    """
    if found.plan is None or not found.behaviour.read:
        return None
    assert found.hashes is not None  # only accepted files get a copy, and those are hashed
    with tempfile.TemporaryFile(dir=settings.DATA) as written:
        sha256, size = lora.write_copy(file, found.header, found.plan, written, found.hashes.file)
        written.seek(0)
        return EnginesCopy(default_storage.save(name, File(written)), size, sha256)


def check_earlier() -> None:
    """Check the files of versions imported before engines' copies existed, once each, for a few seconds."""
    until = time.monotonic() + SECONDS_TO_CHECK
    waiting = StyleVersion.everything.filter(behaviour={}, source=Source.IMPORTED).exclude(file="")
    for version in waiting.order_by("pk").iterator():
        StyleVersion.everything.filter(pk=version.pk).update(behaviour=_looked_at(version))
        if time.monotonic() > until:
            return


def _looked_at(version: StyleVersion) -> dict[str, Any]:
    try:
        with version.file.open("rb") as file:
            found = lora.inspect(file, str(version.file.name), with_hashes=True)
    except (OSError, lora.BadLora):
        return UNREADABLE
    return found.behaviour.as_json()


def respell(version: StyleVersion) -> StyleVersion:
    """Make a new version of the same file with a copy that engines read. Pictures still refer to the old one.

    It is published if the old one was. Raises NoCopy if no copy can be made, OSError if the file cannot be read.
    """
    if gone := lost_files.missing([str(version.file.name)]):
        raise NoCopy(_("The file of this version is missing in the studio (%(name)s).") % {"name": gone[0]})
    with all_or_nothing() as noted, version.file.open("rb") as file:
        try:
            found = lora.inspect(file, str(version.file.name), with_hashes=True)
        except lora.BadLora as error:
            raise NoCopy(str(error)) from error
        if found.plan is None or found.refusal:
            raise NoCopy(found.refusal or _("Engines read the file of this version as it is."))
        copy = make(file, found, storage_name(""))
        assert copy is not None  # there is a plan, and engines read its result
        noted(copy.name)
        file.seek(0)
        stored = noted(default_storage.save(storage_name(""), File(file)))
        with transaction.atomic():
            made = _next(version, found)
            made.take_file(stored, found.header.size, version.sha256, copy)
            if version.state == State.PUBLISHED:
                made.publish()
    return made


_KEPT = (
    "source", "tensor_sha256", "family", "layout", "algorithm", "rank", "text_encoders", "trained_on", "session",
    "epoch", "training", "checkpoint", "lightning", "trigger_words", "default_strength", "safe_from", "safe_to",
    "author", "licence", "notes", "proposed_words", "made_for", "slider",
)  # fmt: skip


def _next(version: StyleVersion, found: lora.Inspection) -> StyleVersion:
    fields = {name: getattr(version, name) for name in _KEPT}
    return version.style.new_version(**fields, alpha=found.architecture.alpha, behaviour=found.behaviour.as_json())
