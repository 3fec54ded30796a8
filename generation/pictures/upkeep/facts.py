"""Writing down by what walls filter the pictures from before there were facts: in slices, newest first.

Entries of pictures that are in the trash go meanwhile: those from before an update have some. Until the last slice is
through, filters show the pictures that are known, and the wall says since when they know them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from generation.pictures.models import FactProgress, GeneratedImage, SearchEntry, SearchProgress
from generation.pictures.models.search_facts import fill_entries, remove_entries
from generation.pictures.models.search_index import time_of
from generation.pictures.upkeep import slices
from generation.pictures.upkeep.entries import entries_of
from stylestudio.host.health_facts import Fact
from stylestudio.models import Project
from stylestudio.processes.doctor import Finding

OF_A_PICTURE = (
    "task", "project", "created_at", "deleted_at", "engine", "width", "height", "has_alpha", "seed", "name",
)  # fmt: skip


def fill_slice(seconds: float = slices.SECONDS) -> bool:
    """Write facts of older pictures for so long. Whether any are left for this process."""
    return slices.work_slice(_fill_batch, seconds)


def start_over() -> None:
    """Write the facts of all pictures that have none."""
    FactProgress.objects.update_or_create(pk=1, defaults={"moment": None, "picture": None, "is_done": False})


def _fill_batch(number: int) -> bool:
    with transaction.atomic():
        can_skip = connection.features.has_select_for_update_skip_locked
        progress = FactProgress.objects.select_for_update(skip_locked=can_skip).first()
        if progress is None or progress.is_done:  # or another worker is at it
            return False
        rows = _older(progress, number)
        _fill([entry for entry in rows if entry.owner is None])
        progress.is_done = len(rows) < number and _are_words_done()
        if rows:
            progress.picture, progress.moment = rows[-1].pk, rows[-1].moment
        progress.save()
    return not progress.is_done and bool(rows)


def _are_words_done() -> bool:
    """Whether all pictures have entries; those that get one now get it with facts."""
    return not SearchProgress.objects.filter(is_done=False).exists()


def _older(progress: FactProgress, number: int) -> list[SearchEntry]:
    """The newest entries after the last one that was looked at."""
    found: list[SearchEntry] = []
    for project in Project.objects.values_list("pk", flat=True):  # an index has the order of each project
        entries = SearchEntry.objects.filter(project=project).order_by("-moment", "-picture")
        if progress.moment is not None and progress.picture is not None:
            entries = entries.before((progress.moment, progress.picture))
        found += entries.only("document", "moment", "owner", "project")[:number]
    return sorted(found, key=lambda entry: (entry.moment, entry.pk), reverse=True)[:number]


def _fill(entries: Iterable[SearchEntry]) -> None:
    documents = {entry.pk: entry.document_id for entry in entries}
    if not documents:
        return
    pictures = list(GeneratedImage.everything.only(*OF_A_PICTURE).filter(pk__in=documents))
    fill_entries(entries_of([picture for picture in pictures if picture.deleted_at is None], documents))
    gone = {entry.pk: entry for entry in entries} if any(each.deleted_at for each in pictures) else {}
    remove_entries(
        [
            (each.pk, gone[each.pk].project_id, gone[each.pk].moment, ())
            for each in pictures
            if each.deleted_at is not None
        ]
    )


def is_done() -> bool:
    """Whether filters know all pictures."""
    return not FactProgress.objects.filter(is_done=False).exists()


def known_since() -> datetime | None:
    """The time of the oldest picture from which on filters know all; None if they know none yet, or all."""
    progress = FactProgress.objects.first()
    return None if progress is None or progress.is_done or progress.moment is None else time_of(progress.moment)


def percent_done() -> int:
    """About how much of the pictures filters know."""
    progress = FactProgress.objects.first()
    if progress is None or progress.is_done:
        return 100
    keys = SearchEntry.objects.order_by("pk").values_list("pk", flat=True)
    oldest, newest = keys.first(), keys.last()
    if oldest is None or newest is None or progress.picture is None:
        return 0
    return max(0, min(99, 100 * (newest - progress.picture + 1) // (newest - oldest + 1)))


def fact_facts() -> Iterable[Fact]:
    """For `/health`: the percent of the pictures that filters know, while there are others."""
    if (percent := percent_done()) < 100:
        yield Fact("filtered", percent)


def look_at_facts() -> Iterable[Finding]:
    """For doctor: how far it is."""
    try:
        percent = percent_done()
    except DatabaseError as error:
        yield Finding(_("Filters"), str(error), _("Mend the database first."))
        return
    if percent < 100:
        state = _("%d %% of the pictures are known to the gallery's filters, and workers add the others")
        yield Finding(_("Filters"), state % percent)
