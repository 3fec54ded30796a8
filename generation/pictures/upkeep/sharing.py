"""Storing once what graphs and snapshots from before there were patterns have in common: in slices, oldest first.

A row is written only if its document comes back the same to the byte. The database's file stays as large as it was;
`manage.py shrink_database` gives the space back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from generation.pictures.models import EnginePrompt, GenerationTask
from generation.pictures.upkeep import slices
from stylestudio.host.health_facts import Fact
from stylestudio.jobs.kinds import ENDED
from stylestudio.processes.doctor import Finding

Row = TypeVar("Row", EnginePrompt, GenerationTask)


def share_slice(seconds: float = slices.SECONDS) -> bool:
    """Rewrite rows that have ended, for so long. Whether any are left."""
    return slices.work_slice(_share_batch, seconds)


def _share_batch(number: int) -> bool:
    """Rewrite so many rows; whether there may be more."""
    with transaction.atomic():
        prompts = list(_locked(_prompts())[:number])
        tasks = GenerationTask.everything.in_bulk({prompt.task_id for prompt in prompts})
        for prompt in prompts:
            prompt.task = tasks[prompt.task_id]  # its snapshot is put together once
        return _share(prompts) if prompts else _share(list(_locked(_tasks())[:number]))


def _locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Of several workers each takes other rows."""
    can_skip = connection.features.has_select_for_update_skip_locked
    return rows.order_by("pk").select_for_update(skip_locked=can_skip)


def _prompts() -> QuerySet[EnginePrompt]:
    return EnginePrompt.objects.filter(pattern__isnull=True, own_values__isnull=False, ended_at__isnull=False)


def _tasks() -> QuerySet[GenerationTask]:
    # Not by `ended_at`: SQLite would go along its index through all tasks that ever ended.
    return GenerationTask.everything.filter(pattern__isnull=True, status__in=ENDED)


def _share(rows: Sequence[EnginePrompt] | Sequence[GenerationTask]) -> bool:
    """Write what has become shorter; whether anything has."""
    stored: set[int] = set()
    for row in rows:
        row.share(stored)
    shared = [row for row in rows if row.pattern_id is not None]
    if not shared:
        return False
    meta = shared[0]._meta
    own = meta.get_field("own_values")
    statement = f'UPDATE "{meta.db_table}" SET "pattern_id" = %s, "{own.column}" = %s WHERE "id" = %s'  # noqa: S608 - names of ours
    values = [(row.pattern_id, own.get_db_prep_save(row.own_values, connection), row.pk) for row in shared]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)  # a tenth of what as many queries of the model cost
    return True


def is_done() -> bool:
    """Whether nothing is left to rewrite."""
    return not _prompts().exists() and not _tasks().exists()


def percent_done() -> int:
    """About how much is rewritten."""
    keys = EnginePrompt.objects.order_by("pk").values_list("pk", flat=True)
    first = _prompts().order_by("pk").values_list("pk", flat=True).first()
    oldest, newest = keys.first(), keys.last()
    if first is None or oldest is None or newest is None:
        return 100 if is_done() else 99
    return 100 * (first - oldest) // (newest - oldest + 1)


def sharing_facts() -> Iterable[Fact]:
    """For `/health`: the percent of the graphs that are rewritten, while some are not."""
    if (percent := percent_done()) < 100:
        yield Fact("shared", percent)


def look_at_sharing() -> Iterable[Finding]:
    """For doctor: how far the rewriting is."""
    try:
        percent = percent_done()
    except DatabaseError as error:
        yield Finding(_("Graphs"), str(error), _("Mend the database first."))
        return
    if percent < 100:
        state = _("%d %% of the graphs are stored in the shorter form, and workers rewrite the others")
        yield Finding(_("Graphs"), state % percent)
