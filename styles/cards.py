"""The style card: one zip with everything that makes up a style, for another StyleStudio or any other program.

  card.json            name, type, triggers, strengths, licence, provenance
  <name>.safetensors   the LoRA with its full metadata
  preview.webp         the preview sheet, if there is one
  cover.webp           the cover, if there is one
  README.txt           the same for people

The LoRA works in any program that loads LoRAs; the other files describe it.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import IO, Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from styles import importing, lora
from styles.for_engines import LEAST_STRENGTH, MOST_STRENGTH, EnginesCopy
from styles.import_models import LoraImport
from styles.importing import NotTaken, Wish
from styles.kinds.of_kind import Kind
from styles.models import Source, Style, StyleVersion
from stylestudio import __version__
from stylestudio.comfy.file_names import canonical
from stylestudio.host import rooms
from stylestudio.images import decoding
from stylestudio.media import identity, lost_files
from stylestudio.media.storage import all_or_nothing

SUFFIX = ".zip"
SCHEMA = 1
MOST_TEXT = 2**20  # bytes of card.json
MOST_PICTURE = 20 * 2**20
MOST_MEMBERS = 20
CHUNK = 2**20
THUMBNAIL_SIDE = 256  # pixels, of the picture embedded in the LoRA
SHEET_SIDE = 2048


def label(version: StyleVersion) -> lora.Label:
    """The metadata to write into a version's LoRA file."""
    style = version.style
    hint = _("Use it at a strength of about %(strength)s.") % {"strength": f"{version.default_strength:g}"}
    if version.safe_from is not None and version.safe_to is not None:
        hint += " " + _("Safe from %(low)s to %(high)s.") % {
            "low": f"{version.safe_from:g}",
            "high": f"{version.safe_to:g}",
        }
    return lora.Label(
        title=str(version),
        author=version.author,
        description="\n\n".join(filter(None, (style.description, version.notes))),
        licence=version.licence,
        usage_hint=hint,
        triggers=tuple(version.triggers),
        tags=(style.kind,),
        weight=version.default_strength,
        made_at=version.created_at,
        thumbnail=_thumbnail(version),
        extra={
            "stylestudio.version": __version__,
            "stylestudio.style": style.slug,
            "stylestudio.style_version": str(version.number),
            "stylestudio.sha256": version.sha256,
            "stylestudio.source": version.source,
        },
    )


def file_name(version: StyleVersion) -> str:
    """The LoRA's file name in exports: letters, digits, dashes."""
    stem = re.sub(r"[^\w-]+", "_", version.style.slug or "style").strip("_") or "style"
    return f"{stem}_v{version.number}.safetensors"


def facts(version: StyleVersion) -> dict[str, Any]:
    """The content of card.json."""
    style = version.style
    return {
        "schema": SCHEMA,
        "made_by": f"StyleStudio {__version__}",
        "style": {"name": style.name, "kind": style.kind, "description": style.description},
        "version": {
            "number": version.number,
            "trigger_words": version.trigger_words,
            "default_strength": version.default_strength,
            "safe_from": version.safe_from,
            "safe_to": version.safe_to,
            "author": version.author,
            "licence": version.licence,
            "notes": version.notes,
            "checkpoint": version.checkpoint,
            "lightning": version.lightning,
            "slider": version.slider,
            "created_at": version.created_at.isoformat(),
        },
        "lora": {
            "file": file_name(version),
            "tensor_sha256": version.tensor_sha256,
            "original_sha256": version.sha256,
            "family": version.family,
            "rank": version.rank,
            "alpha": version.alpha,
            "trained_on": version.trained_on,
        },
        "provenance": {"source": version.source, "training": version.training},
    }


def write_download(version: StyleVersion, target: IO[bytes]) -> None:
    """Write an imported file unchanged, byte for byte; one that was made here as `write_lora` writes it."""
    if version.source == Source.IMPORTED:
        with version.file.open("rb") as source:
            lora.read_header(source)  # raises BadLora before anything is sent if the file is damaged
            source.seek(0)
            shutil.copyfileobj(source, target, CHUNK)
    else:
        write_lora(version, target)


def write_lora(version: StyleVersion, target: IO[bytes]) -> None:
    """Write the LoRA with its full metadata, a megabyte at a time, in a layout that other programs read."""
    with version.sent_file.open("rb") as source:
        header = lora.read_header(source)
        digest = "" if version.engines_copy else version.tensor_sha256
        # For files that other programs could not read. A converter returns None for all others.
        for convert in rooms.contributed("file_converters"):
            if converted := convert(version, source, header):
                with converted:
                    head = lora.read_header(converted)
                    lora.write_lora(converted, head, target, label(version), without_folders=True)
                return
        lora.write_lora(source, header, target, label(version), digest=digest, without_folders=True)


def write_card(version: StyleVersion, target: IO[bytes]) -> None:
    """Write the whole card. Nothing is compressed: weights and pictures would not get smaller."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as card:
        card.writestr("card.json", json.dumps(facts(version), ensure_ascii=False, indent=1))
        card.writestr("README.txt", _readme(version))
        for name, picture in (("preview.webp", version.sheet), ("cover.webp", version.style.cover)):
            # A card without pictures is complete: a lost picture must not prevent exporting the LoRA.
            if picture and not lost_files.missing([str(picture.name)]):
                with picture.open("rb") as file:
                    card.writestr(name, file.read())
        with card.open(zipfile.ZipInfo(file_name(version)), "w", force_zip64=True) as member:
            write_lora(version, member)


@dataclass(frozen=True, slots=True)
class Card:
    """A card after unpacking. Its LoRA is already in the storage as `stored`, and the engines' copy as `copy`.

    The pictures are re-encoded.
    """

    stored: str
    copy: EnginesCopy | None
    found: lora.Inspection
    told: dict[str, Any]
    cover: bytes
    sheet: bytes


def unpack(file: IO[bytes]) -> Card:
    """Validate a card and copy its LoRA into the storage, which takes time in proportion to its size.
    Raises NotTaken.
    """
    try:
        with zipfile.ZipFile(file) as card:
            return _unpack(card)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotTaken(_("This zip is broken. Export the style card again.")) from error


def _unpack(card: zipfile.ZipFile) -> Card:
    members = {info.filename: info for info in card.infolist()[: MOST_MEMBERS + 1]}
    if "card.json" not in members or len(members) > MOST_MEMBERS:
        raise NotTaken(_("This zip is no style card: it has no card.json."))
    told = _told(card, members["card.json"])
    weights = [info for name, info in members.items() if name.lower().endswith(importing.SUFFIXES)]
    if len(weights) != 1:
        raise NotTaken(_("A style card has one LoRA file in it. This one has %d.") % len(weights))
    with all_or_nothing() as noted:
        stored = noted(_weights(card, weights[0]))
        with default_storage.open(stored) as kept:
            found = importing.inspect(kept, PurePosixPath(weights[0].filename).name)
            copy = importing.engines_copy(kept, found)
        if copy:
            noted(copy.name)
        cover, sheet = (_picture(card, members.get(name)) for name in ("cover.webp", "preview.webp"))
    return Card(stored, copy, found, told, cover, sheet)


class Answer(StrEnum):
    """What to make of a card whose style's name is taken."""

    VERSION = "version"
    STYLE = "style"


def take(card: Card, user: User, answer: Answer | None = None, style: Style | None = None) -> StyleVersion | LoraImport:
    """Make a style of a card, or a version of `style`, or of the style with its name if that is the answer.

    If the name is taken and there is no answer, the card waits for one.
    """
    wish = _wish(card.told)
    taken = style or importing.namesake(wish.name, sketch=card.found.architecture.family is lora.Family.SKETCH)
    with all_or_nothing() as noted:
        for name in (card.stored, *([card.copy.name] if card.copy else [])):
            noted(name)
        with transaction.atomic():
            row = importing.receive(card.found, card.stored, user, card.cover, card.copy)
            if card.sheet:
                row.sheet.save(identity.new_name(".webp"), ContentFile(card.sheet), save=False)
                noted(str(row.sheet.name))
            row.title = wish.name
            row.found["wish"] = {name: getattr(wish, name) for name in _TOLD}
            row.found["accelerator"] = None  # somebody has used it as a style
            row.save()
            if taken and answer is None:
                return row
            if answer == Answer.VERSION:
                wish = replace(wish, style=taken)
            return importing.confirm(row, wish, user)


# The fields of the card's wish that a waiting card stores.
_TOLD = (
    "name", "kind", "trigger_words", "default_strength", "slider", "safe_from", "safe_to", "checkpoint", "lightning",
    "author", "licence", "notes",
)  # fmt: skip


def _told(card: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    """Parse card.json, accepting only the form we write. Nothing in it is trusted."""
    text = _read(card, info, MOST_TEXT)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotTaken(_("The card.json in this zip is broken. Export the style card again.")) from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise NotTaken(_("This style card was made by another version of StyleStudio that writes other cards."))
    parts = {name: told.get(name) for name in ("style", "version")}
    if not all(isinstance(part, dict) for part in parts.values()):
        raise NotTaken(_("The card.json in this zip is broken. Export the style card again."))
    return parts


def _wish(told: dict[str, Any]) -> Wish:
    style, version = told["style"], told["version"]
    kind = style.get("kind")
    low, high = _strength(version, "safe_from"), _strength(version, "safe_to")
    ordered = low is not None and high is not None and low <= high
    strength = _strength(version, "default_strength")
    return Wish(
        name=_text(style, "name", 80) or _("Imported style"),
        kind=kind if kind in Kind.values else Kind.OTHER,
        trigger_words=_text(version, "trigger_words", 500),
        default_strength=1.0 if strength is None else strength,
        slider=version.get("slider") is True,
        safe_from=low if ordered else None,
        safe_to=high if ordered else None,
        checkpoint=canonical(_text(version, "checkpoint", 255)),
        lightning=canonical(_text(version, "lightning", 255)),
        author=_text(version, "author", 200),
        licence=_text(version, "licence", 300),
        notes=_text(version, "notes", 4000),
    )


def _weights(card: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Copy the LoRA from the card into the storage, a megabyte at a time. Returns its name there."""
    if info.file_size > importing.MOST_BYTES or info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise NotTaken(_("The LoRA in this zip is packed in a way that style cards are not. Export the card again."))
    with card.open(info) as member:
        return default_storage.save(importing.storage_name(info.filename), File(member))


def _picture(card: zipfile.ZipFile, info: zipfile.ZipInfo | None) -> bytes:
    """A picture of the card, re-encoded; empty if there is none."""
    if info is None or info.file_size > MOST_PICTURE:
        return b""
    try:
        return decoding.thumbnail(_read(card, info, MOST_PICTURE), side=SHEET_SIDE)
    except decoding.BadPicture:
        return b""


def _read(card: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """Read a small member, whatever size the zip claims for it."""
    with card.open(info) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise NotTaken(_("This zip is no style card: %(name)s is too large.") % {"name": info.filename[:80]})
    return data


def _text(values: dict[str, Any], name: str, most: int) -> str:
    value = values.get(name)
    return (
        "".join(sign for sign in value if sign.isprintable() or sign == "\n")[:most] if isinstance(value, str) else ""
    )


def _strength(values: dict[str, Any], name: str) -> float | None:
    value = values.get(name)
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    within = fits and value is not None and LEAST_STRENGTH <= value <= MOST_STRENGTH
    return float(value) if within and value is not None else None


def _thumbnail(version: StyleVersion) -> lora.Thumbnail | None:
    picture = version.style.cover or version.sheet
    if not picture:
        return None
    try:
        with picture.open("rb") as file:
            return lora.Thumbnail("webp", decoding.thumbnail(file.read(), side=THUMBNAIL_SIDE))
    except (OSError, decoding.BadPicture):
        return None


def _readme(version: StyleVersion) -> str:
    lines = [
        str(version),
        "",
        version.style.description,
        "",
        _("File: %s (put it into models/loras of ComfyUI)") % file_name(version),
        _("Trigger words: %s") % (version.trigger_words or _("none")),
        _("Strength: %s") % f"{version.default_strength:g}",
        _("Author: %s") % (version.author or "-"),
        _("Licence: %s") % (version.licence or "-"),
    ]
    return "\n".join(lines) + "\n"
