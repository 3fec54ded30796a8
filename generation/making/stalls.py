"""Whether work stands still: a picture could be made now, and no worker looks for one. For `/health` and doctor."""

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

# With nothing else to do a worker looks once a minute (`runner.sweep`). So no alarm is false: what waited for an engine
# that was paused, for a file or for its turn is looked at no later than that.
SILENCE = timedelta(seconds=90)


def is_stalled() -> bool:
    """Whether an engine has room for a picture that waits, and no worker has looked for SILENCE.

    One small question while workers look. It is no stall when no worker is alive, or when all their threads make
    pictures: then it is said otherwise, or there are too few of them.
    """
    alive = Worker.objects.alive()
    if _looked(alive).exists() or not alive.exists():
        return False
    making = EnginePrompt.objects.live().filter(lease_until__gte=Now()).count()
    threads = alive.aggregate(sum=Sum("threads"))["sum"] or 0
    return (making < threads or not threads) and claimable()


def _looked(alive: QuerySet[Worker]) -> QuerySet[Worker]:
    """Workers that looked lately, or have had no time for it yet."""
    last = alive.annotate(last=Coalesce("looked_at", "started_at"))
    return last.filter(Q(last__gt=Now() - SILENCE))


def tell() -> Iterable[Fact]:
    """For `/health`: nothing while pictures are made, or none waits."""
    if is_stalled():
        yield Fact("queue", "stalled", well=False)


def look_at_queue() -> Iterable[Finding]:
    """For doctor: how many jobs wait, and whether somebody works on them."""
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
