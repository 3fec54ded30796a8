"""Pictures of a dataset that no trainer could use: they fit no bucket, cannot be read, or their files are missing.

A training with one of them would fail when it reaches it, so it does not start: somebody has to leave them out, or fix
them. Both trainers crop pictures by `datasets.crops.plan`, so what one of them could not use the other cannot either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stylestudio.media import lost_files
from training.datasets.crops.plan import STEP, frame
from training.datasets.models import Dataset

log = logging.getLogger(__name__)

NAMED = 3  # pictures in a sentence


class Reason(StrEnum):
    """Why a picture cannot be used."""

    SHAPE = "shape"  # it fits no bucket
    BROKEN = "broken"  # it cannot be read
    GONE = "gone"  # it has no file


@dataclass(frozen=True, slots=True)
class Unfit:
    """A picture that cannot be used."""

    image: int
    name: str
    width: int
    height: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class _Row:
    image: int
    name: str
    width: int
    height: int
    file: str
    byte_size: int
    broken: bool | None


_Look = Callable[[_Row], Reason | None]


def find(dataset: Dataset, resolution: int, *, quickly: bool = False) -> list[Unfit]:
    """Included pictures that cannot be trained on at this resolution, in order.

    Of each file only the existence and the size are checked: reading all of them would take minutes. Those that the
    health check could not read count as well. `quickly`: do not query a bucket, which takes a second or more.
    """
    columns = ("pk", "source_name", "width", "height", "file", "byte_size", "measures__broken")
    rows = [_Row(*row) for row in dataset.images.included().values_list(*columns)]
    look = _look_at_files(rows, quickly=quickly)
    found = []
    for row in rows:
        if reason := _reason(row, resolution, look):
            found.append(Unfit(row.image, row.name, row.width, row.height, reason))
    return found


def _reason(row: _Row, resolution: int, look: _Look) -> Reason | None:
    if not frame((row.width, row.height), resolution).usable:
        return Reason.SHAPE
    return look(row) or (Reason.BROKEN if row.broken else None)


def _look_at_files(rows: Sequence[_Row], *, quickly: bool) -> _Look:
    if not hasattr(default_storage, "names"):
        return _look_on_disk
    if quickly:
        return lambda row: None
    try:
        gone = set(lost_files.missing(row.file for row in rows))
    except OSError as error:  # it is unknown whether they exist; the training will find out
        log.warning("The files of a dataset could not be looked for: %s", error)
        gone = set()
    return lambda row: Reason.GONE if row.file in gone else None


def _look_on_disk(row: _Row) -> Reason | None:
    try:
        return Reason.BROKEN if default_storage.size(row.file) < row.byte_size else None
    except FileNotFoundError:
        return Reason.GONE
    except OSError:
        return Reason.BROKEN


def sentences(found: Sequence[Unfit], resolution: int) -> list[str]:
    """One sentence per reason, with the names of the pictures."""
    said = []
    for reason in Reason:
        if those := [each for each in found if each.reason is reason]:
            said.append(_SAID[reason](len(those)) % {"names": names(those), "resolution": resolution, "step": STEP})
    return said


_SAID: dict[Reason, Callable[[int], str]] = {
    Reason.SHAPE: lambda count: ngettext(
        "%(names)s fits no bucket at %(resolution)d px: a side would have less than %(step)d px.",
        "%(names)s fit no bucket at %(resolution)d px: a side would have less than %(step)d px.",
        count,
    ),
    Reason.BROKEN: lambda count: ngettext("%(names)s cannot be read.", "%(names)s cannot be read.", count),
    Reason.GONE: lambda count: ngettext("The file of %(names)s is gone.", "The files of %(names)s are gone.", count),
}


def names(found: Sequence[Unfit]) -> str:
    """Their names, the first few of many; with their sizes if these are the reason."""
    told = ", ".join(
        f"{each.name} ({each.width} × {each.height})" if each.reason is Reason.SHAPE else each.name
        for each in found[:NAMED]
    )
    more = len(found) - NAMED
    if more <= 0:
        return told
    return ngettext("%(names)s and %(count)d other", "%(names)s and %(count)d others", more) % {
        "names": told,
        "count": more,
    }


def not_left_out(found: Sequence[Unfit], left_out: Collection[int]) -> list[Unfit]:
    """Those that nobody has chosen to leave out."""
    return [each for each in found if each.image not in left_out]


def remedy(count: int) -> str:
    """What to do about that many of them."""
    return ngettext(
        "Leave it out of this training, or replace it in the dataset.",
        "Leave them out of this training, or replace them in the dataset.",
        count,
    )


def nothing_left() -> str:
    """Why a training that would leave out all its pictures does not start."""
    return _("No picture of this dataset can be trained on.")
