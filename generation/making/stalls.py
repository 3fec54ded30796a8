"""Whether work is stalled: a picture could be made now, and no worker looks for one. For `/health` and doctor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.making.claim import claimable
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.host.health_facts import Fact
from stylestudio.models import Worker
from stylestudio.processes.doctor import Finding

# An idle worker looks for work once a minute (`runner.sweep`). So there are no false alarms: pictures that waited for
# an engine, a file or their turn are seen by then.
SILENCE = timedelta(seconds=90)


def is_stalled() -> bool:
    """Whether an engine has room for a waiting picture, and no worker has looked for work for SILENCE.

    One small query while workers look. It is not a stall if no worker is alive, or if all their threads make pictures:
    the former is reported elsewhere, and then there are too few of them.
    """
    alive = Worker.objects.alive()
    if _looked(alive).exists() or not alive.exists():
        return False
    making = EnginePrompt.objects.live().filter(lease_until__gte=Now()).count()
    threads = alive.aggregate(sum=Sum("threads"))["sum"] or 0
    return (making < threads or not threads) and claimable()


def _looked(alive: QuerySet[Worker]) -> QuerySet[Worker]:
    """Workers that have looked for work recently, or have not had time to yet."""
    last = alive.annotate(last=Coalesce("looked_at", "started_at"))
    return last.filter(Q(last__gt=Now() - SILENCE))


def stall_facts() -> Iterable[Fact]:
    """For `/health`: nothing while pictures are made, or if none waits."""
    if is_stalled():
        yield Fact("queue", "stalled", well=False)


def look_at_queue() -> Iterable[Finding]:
    """For doctor: how many jobs wait, and whether a worker takes them."""
    try:
        waiting, stalled = GenerationTask.everything.waiting().count(), is_stalled()
    except DatabaseError as error:
        yield Finding(_("Queue"), str(error), _("Mend the database first."))
        return
    if not stalled:
        yield Finding(_("Queue"), ngettext("%d job waits", "%d jobs wait", waiting) % waiting)
        return
    yield Finding(
        _("Queue"),
        ngettext(
            "%d job waits and an engine is free, but no worker takes it",
            "%d jobs wait and an engine is free, but no worker takes them",
            waiting,
        )
        % waiting,
        _("Restart the workers. The end of stylestudio.log says what they were doing."),
    )
