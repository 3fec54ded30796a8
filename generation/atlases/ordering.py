"""From a selection to a job that makes a sheet, with all that can be refused refused before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generation.atlases import words
from generation.atlases.atlas_jobs import life
from generation.atlases.forms import SheetForm
from generation.atlases.models import AtlasJob
from generation.derivations.sheets.pieces import NoSheet, require_names
from generation.derivations.sheets.wishes import WHOLE
from generation.pictures.models import GeneratedImage
from generation.selecting import sidecars, zips
from generation.selecting.actions import Order
from generation.selecting.names import Names, fill
from generation.selecting.selection import Selection, visible_of
from stylestudio.media.disk_use import Shelf
from stylestudio.people import projects
from stylestudio.people.visibility import Visibility
from stylestudio.templatetags.studio import byte_size

MOST = 2_000  # frames of a job
CHUNK = 100  # pictures that are looked up together
_BYTES_A_PIXEL = 2  # about, of a PNG that was another kind of file
_FIELDS = {"none": None, "too_large": "most_side"}  # of the form; all else is about the names


def about(user: User, selection: Selection) -> str:
    """How many pictures, how large they are, and about how much disk their sheet takes."""
    keys = selection.first(user, MOST + 1)
    if len(keys) > MOST:
        return _too_many()
    rows = list(visible_of(user, keys).values_list("file", "size", "width", "height"))
    pixels = sum(width * height for _file, _size, width, height in rows)
    need = sum(size if file.endswith(".png") else _BYTES_A_PIXEL * width * height for file, size, width, height in rows)
    said = ngettext("%(number)s picture", "%(number)s pictures", len(rows)) % {"number": f"{len(rows):,}"}
    told = _("together %(pixels)s megapixels. Disk needed, about: %(size)s")
    return f"{said}, {told % {'pixels': f'{pixels / 1e6:,.1f}', 'size': byte_size(need)}}"


def order(user: User, selection: Selection, parameters: Mapping[str, Any]) -> AtlasJob:
    """Order a sheet of the pictures that the person may see. Raises ValidationError, which names the field."""
    keys = selection.first(user, MOST + 1)
    if len(keys) > MOST:
        raise ValidationError(_too_many())
    told = dict(parameters)
    name, template = told.pop("name"), told.pop("template")
    made = [each for start in range(0, len(keys), CHUNK) for each in zips.look_up(user, keys[start : start + CHUNK])]
    frames = _named(name, template, made)
    pictures = [picture for picture, _mix in made]
    try:
        require_names(title for _key, title in frames)
        _require_fit(frames, pictures, told)
    except NoSheet as error:
        raise _refused(error) from error
    is_private = any(picture.task.visibility == Visibility.PRIVATE for picture in pictures)
    return _stored(
        project_id=projects.of(user), owner=user, name=name, frames=frames, settings=told, total=len(frames),
        visibility=Visibility.PRIVATE if is_private else Visibility.TEAM, report={"left": len(keys) - len(frames)},
    )  # fmt: skip


def retry(user: User, job: AtlasJob) -> AtlasJob:
    """Order a sheet that was cancelled, or failed, once more. Raises ValidationError if it did neither."""
    if not job.can_retry:
        raise ValidationError(_("There is nothing left to do."))
    return _stored(
        project_id=job.project_id, owner=user, name=job.name, frames=job.frames, settings=job.settings,
        total=len(job.frames), visibility=job.visibility, report={"left": job.report.get("left", 0)}, retry_of=job,
    )  # fmt: skip


def _stored(**fields: Any) -> AtlasJob:
    with transaction.atomic():
        job = life.order(**fields)
        job.save_frames()
    return job


def shelf_on_disk() -> Shelf:
    """What sheets take on disk."""
    return Shelf("sheets", _("Sheets"), AtlasJob.objects.all(), "size")


def _named(name: str, template: str, made: Sequence[zips.Made]) -> list[list[Any]]:
    """The keys of pictures with the names of their frames, none twice on any system: Godot's files are called so."""
    taken = Names()
    taken.take(f"{name}-animations", ".tres")
    return [
        [picture.pk, taken.take(fill(template, sidecars.name_facts(picture, mix, number, len(made))), ".tres")]
        for number, (picture, mix) in enumerate(made, 1)
    ]


def _require_fit(frames: Iterable[Sequence[Any]], pictures: Iterable[GeneratedImage], told: Mapping[str, Any]) -> None:
    """Raise NoSheet for pictures that are too large as they are; if they are cut first, the worker sees."""
    if told["trim"] and told["engine"] not in WHOLE:
        return
    room = told["most_side"] - 2 * told["border"]
    large = [
        title
        for (_key, title), picture in zip(frames, pictures, strict=True)
        if max(picture.width, picture.height) > room
    ]
    if large:
        raise NoSheet("too_large", large)


def _refused(error: NoSheet) -> ValidationError:
    said, field = words.said(error.reason, error.names), _FIELDS.get(error.reason, "template")
    return ValidationError({field: said} if field else said)


def _too_many() -> str:
    return _("A sheet takes at most %(most)s pictures. Select fewer.") % {"most": f"{MOST:,}"}


SHEET = Order(
    name="sheet",
    title=gettext_lazy("Make a sheet"),
    button=gettext_lazy("Sheet"),
    icon="gallery",
    form=SheetForm,
    about=about,
    order=order,
)
