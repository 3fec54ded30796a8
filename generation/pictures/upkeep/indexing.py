"""Indexing the pictures from before there was a word search: in slices, newest first, while the studio works.

A slice goes on where the last one of any worker ended, and ends within a moment. Until the last one is through, a
search looks through the older pictures as it did before.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from generation.pictures.models import GeneratedImage, SearchProgress
from generation.pictures.models.search_facts import add_entries
from generation.pictures.models.search_index import moment_of, time_of
from generation.pictures.upkeep import slices
from generation.pictures.upkeep.entries import entries_of
from stylestudio.host.health_facts import Fact
from stylestudio.models import Project
from stylestudio.processes.doctor import Finding


def index_slice(seconds: float = slices.SECONDS) -> bool:
    """Index older pictures for so long. Whether any are left for this process."""
    return slices.work_slice(_index_batch, seconds)


def start_over() -> None:
    """Index all pictures that have no entry: for rows that were written by other means than their models."""
    SearchProgress.objects.update_or_create(pk=1, defaults={"moment": None, "picture": None, "is_done": False})


def _index_batch(number: int) -> bool:
    with transaction.atomic():
        can_skip = connection.features.has_select_for_update_skip_locked
        progress = SearchProgress.objects.select_for_update(skip_locked=can_skip).first()
        if progress is None or progress.is_done:  # or another worker is at it
            return False
        rows = _older(progress, number)
        add_entries(entries_of(rows))
        progress.is_done = len(rows) < number
        if rows:
            progress.picture, progress.moment = rows[-1].pk, moment_of(rows[-1].created_at)
        progress.save()
    return not progress.is_done


def _older(progress: SearchProgress, number: int) -> list[GeneratedImage]:
    """The newest pictures after the last one. One in the trash is indexed when it is restored."""
    pictures = GeneratedImage.with_previews.newest_first()
    if progress.moment is not None and progress.picture is not None:
        pictures = pictures.before(time_of(progress.moment), progress.picture)
    found: list[GeneratedImage] = []
    for project in Project.objects.values_list("pk", flat=True):  # an index has the order of each project
        found += pictures.filter(project=project)[:number]
    return sorted(found, key=lambda picture: (picture.created_at, picture.pk), reverse=True)[:number]


def is_done() -> bool:
    """Whether all pictures are in the index."""
    return not SearchProgress.objects.filter(is_done=False).exists()


def percent_done() -> int:
    """About how much of the pictures is indexed."""
    progress = SearchProgress.objects.first()
    if progress is None or progress.is_done:
        return 100
    keys = GeneratedImage.with_previews.order_by("pk").values_list("pk", flat=True)
    oldest, newest = keys.first(), keys.last()
    if oldest is None or newest is None or progress.picture is None:
        return 0
    return 100 * (newest - progress.picture + 1) // (newest - oldest + 1)


def search_facts() -> Iterable[Fact]:
    """For `/health`: the percent of the pictures that are indexed, while some are not."""
    if (percent := percent_done()) < 100:
        yield Fact("indexed", percent)


def look_at_search() -> Iterable[Finding]:
    """For doctor: how far the index is, while it is made."""
    try:
        percent = percent_done()
    except DatabaseError as error:
        yield Finding(_("Search"), str(error), _("Mend the database first."))
        return
    if percent < 100:
        state = _("%d %% of the pictures are indexed, and workers index the others; until then searches take longer")
        yield Finding(_("Search"), state % percent)
