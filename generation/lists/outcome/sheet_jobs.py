"""The one picture of a list, drawn at once if it is small, else by a worker.

Whatever kills the worker, there is a whole file that the row names, or none: the media's sweep finds files without a
row, and the next worker begins anew.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.lists.models import ContactSheet, OrderList
from generation.pictures.models import GenerationTask
from stylestudio.host.rooms import Named
from stylestudio.media import identity
from stylestudio.media.disk_use import Shelf
from stylestudio.media.storage import all_or_nothing
from stylestudio.people.visibility import Visibility
from stylestudio.processes import worker_jobs
from stylestudio.processes.worker_jobs import Failed, Run, require_room

AT_ONCE = 64  # pictures that are drawn while the person waits
_BYTES_A_PICTURE = 40_000  # about, of what is drawn of each
draw = Named("generation.lists.outcome.sheets:drawn")  # with which Pillow comes


def is_large(found: OrderList) -> bool:
    """Whether a worker draws it."""
    return (found.rows.filter(is_left_out=False).aggregate(sum=Sum("pictures"))["sum"] or 0) > AT_ONCE


def order(found: OrderList, user: User) -> ContactSheet:
    """Order the picture of a list, for whoever sees all that is on it. The same at once twice makes one."""
    private = GenerationTask.everything.filter(list_row__row__order_list=found, visibility=Visibility.PRIVATE)
    is_private = found.is_private or private.exists()
    try:
        with transaction.atomic():
            return life.order(
                project_id=found.project_id, owner=user, order_list=found, total=found.rows.count(),
                visibility=Visibility.PRIVATE if is_private else Visibility.TEAM,
            )  # fmt: skip
    except IntegrityError:
        at_work: ContactSheet | None = ContactSheet.objects.active().filter(order_list=found).first()
        if at_work is None:
            raise
        return at_work


def sweep() -> None:
    """Free what a dead worker left, and delete old pictures."""
    worker_jobs.delete_old(ContactSheet, "file")
    life.sweep()


def facts(job: ContactSheet) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {"list": job.order_list_id, **job.told()}


def shelf_on_disk() -> Shelf:
    """What these pictures take on disk."""
    return Shelf("list-sheets", _("Pictures of lists"), ContactSheet.objects.all(), "size")


def _attempt(job: ContactSheet) -> None:
    if job.file:
        return  # a worker died between this and the end
    require_room(job.total * _BYTES_A_PICTURE)
    run = Run(job)
    data = draw(OrderList.everything.get(pk=job.order_list_id), job.owner, run.step)
    if not data:
        raise Failed("none")
    with all_or_nothing() as noted:
        name = noted(f"outputs/lists/{timezone.now():%Y/%m}/{identity.new_name('.png')}")
        identity.storage().put(name, data)
        worker_jobs.advance(job, is_further=True, file=name, size=len(data), done=job.total)


# One per worker: the pixels of one are all that the memory should hold.
life = worker_jobs.Life(ContactSheet, _attempt)
