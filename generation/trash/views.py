"""The page of the trash, the page of a deleted picture, and what one can do there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.pictures.models import GeneratedImage, TrashEntry
from generation.trash import disk_use, emptying, schedule, tasks, uses, wall
from generation.trash.models import TrashOrder
from stylestudio.host import rooms
from stylestudio.live import publisher
from stylestudio.media import identity
from stylestudio.people.access import StudioRequest, may_change, require_maker, visible, whole_numbers

Action = TrashOrder.Action
SLICES = 40  # of the work that a press starts at once; the sweep goes on with the rest


@require_GET
def trash(request: StudioRequest) -> HttpResponse:
    """Deleted pictures, newest first; with ?who=mine an owner of the studio sees only their own."""
    mine = request.GET.get("who") == "mine"
    before = request.GET.get("before", "")
    try:
        page = wall.page(request.user, before, mine=mine)
    except (ValueError, OverflowError) as error:
        raise Http404(_("There is no such page.")) from error
    rule = schedule.current()
    amount = wall.amount(request.user, rule, mine=mine)
    context = {
        "page": page,
        "mine": mine,
        "later": bool(before),
        "amount": amount,
        "rule": rule,
        "orders": wall.orders(request.user),
        "disk": disk_use.table(disk_use.Line(gettext_lazy("Trash"), amount.all_number, amount.all_size)),
        "bin_days": settings.BIN_DAYS,
    }
    return render(request, "generation/trash/trash.html", context)


@require_GET
def others(request: StudioRequest) -> HttpResponse:
    """Styles and datasets in the trash, which is never emptied of them."""
    found = [each for lists in rooms.contributed("trash_lists") for each in lists(request.user)]
    context = {"others": found, "amount": wall.amount(request.user, schedule.current())}
    return render(request, "generation/trash/others.html", context)


def deleted_picture(request: StudioRequest, pk: int) -> HttpResponse:
    """The page of a picture that is in the trash, or of which only the facts are left. Raises Http404."""
    rows = GeneratedImage.everything.select_related("task__owner", "engine").exclude(deleted_at=None)
    found = visible(rows, request.user, pk=pk)
    entry = TrashEntry.objects.filter(picture=found.pk).first()
    rule = schedule.current()
    context = {
        "picture": found,
        "task": found.task,
        "mix": found.task.mix_rows,
        "can_change": may_change(request.user, found.task),
        "days": rule.days_left(entry.counted_from) if entry else None,
        "uses": uses.of([found.pk], request.user).get(found.pk, ()) if not found.emptied_at else (),
    }
    return render(request, "generation/trash/deleted_picture.html", context, status=410)


@require_POST
def restore(request: StudioRequest) -> HttpResponse:
    """Restore the pictures that are sent, at most a page of them."""
    pks = _sent(request)
    restored = GeneratedImage.everything.restore([picture.pk for picture in _changeable(request.user, pks)])
    tell(restored)
    if restored:
        said = ngettext("%(number)d picture is back.", "%(number)d pictures are back.", len(restored))
        messages.success(request, said % {"number": len(restored)})
    else:
        messages.warning(request, _("None of them is in the trash any more."))
    return _back(request)


@require_POST
def delete(request: StudioRequest) -> HttpResponse:
    """Delete the pictures that are sent for good, at most a page of them; asks first."""
    pks = _sent(request)
    found = [picture for picture in _changeable(request.user, pks) if picture.deleted_at and not picture.emptied_at]
    if not found:
        messages.warning(request, _("None of them is in the trash any more."))
        return _back(request)
    if request.POST.get("sure") != "1":
        used = uses.of([picture.pk for picture in found], request.user)
        free = [picture for picture in found if picture.pk not in used]
        context = {
            "free": free,
            "kept": [(picture, used[picture.pk]) for picture in found if picture.pk in used],
            "size": sum(picture.size for picture in free),
            "mine": request.POST.get("who") == "mine",
        }
        return render(request, "generation/trash/delete.html", context)
    if not identity.may_delete():
        messages.warning(request, _not_now())
        return _back(request)
    marked, used = emptying.delete_for_good([picture.pk for picture in found], request.user)
    tasks.empty_slices(SLICES)
    messages.success(request, _deleted(len(marked), used.values()))
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
def everything(request: StudioRequest, action: str) -> HttpResponse:
    """Restore all, or delete all for good: asks first, then workers do it in slices."""
    if action not in Action.values:
        raise Http404(_("There is no such page."))
    mine = (request.POST or request.GET).get("who") == "mine" or not request.user.is_superuser
    amount = wall.amount(request.user, schedule.current(), mine=mine)
    if request.method != "POST":
        context = {"action": action, "amount": amount, "mine": mine}
        return render(request, "generation/trash/everything.html", context)
    if action == Action.EMPTY and not identity.may_delete():
        messages.warning(request, _not_now())
        return _back(request)
    TrashOrder.objects.create(
        action=action, owner=request.user if mine else None, asked_by=request.user, pictures=amount.number
    )
    (tasks.empty_slices if action == Action.EMPTY else tasks.tend_slices)(SLICES)
    return _back(request)


@require_GET
def orders(request: StudioRequest) -> HttpResponse:
    """How far the person's orders are; asked again and again while they go on."""
    return render(request, "generation/trash/_orders.html", {"orders": wall.orders(request.user)})


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Stop an order where it is."""
    visible(TrashOrder.objects.all(), request.user, pk=pk).cancel()
    return _back(request)


def restore_one(request: StudioRequest, pk: int, walk: str = "") -> HttpResponse:
    """Undo one deletion, and go to the picture, whose address gets the query string `walk`.

    Of two people at once one does it, and the other is told.
    """
    found = changeable_picture(request.user, pk)
    if found.restore():
        tell([pk])
        messages.success(request, _("The picture is back."))
    elif found.emptied_at:
        said = _("It was deleted for good on %(date)s, so it cannot be restored.")
        messages.warning(request, said % {"date": date_format(found.emptied_at, "DATE_FORMAT")})
    else:
        messages.info(request, _("The picture was back already."))
    return redirect(f"{found.get_absolute_url()}{walk}")


def changeable_picture(user: User, pk: int) -> GeneratedImage:
    """A picture, deleted or not. Raises Http404 if `user` may not see it, PermissionDenied if not change it."""
    found = visible(GeneratedImage.everything.select_related("task"), user, pk=pk)
    require_maker(user, found.task)
    return found


def tell(pictures: Sequence[int]) -> None:
    """Push the cards of their jobs to open pages: they have a picture less, or one more."""
    rows = GeneratedImage.everything.filter(pk__in=pictures).select_related("task")
    for task in {picture.task_id: picture.task for picture in rows}.values():
        if task.touch():
            publisher.changed(task)


def _sent(request: StudioRequest) -> list[int]:
    return whole_numbers(request.POST.getlist("picture"))[: wall.PAGE]


def _changeable(user: User, pks: Sequence[int]) -> list[GeneratedImage]:
    """Those of the pictures that `user` may change; the others are left as they are."""
    seen = GeneratedImage.everything.visible_to(user).filter(pk__in=pks).select_related("task")
    return [picture for picture in seen.order_by("-deleted_at", "-pk") if may_change(user, picture.task)]


def _not_now() -> str:
    row, _mark = identity.current()
    return " ".join([_("Nothing is deleted for good now."), identity.sentence(row.relation)])


def _deleted(number: int, used: Iterable[Sequence[str]]) -> str:
    kept = [sentence for sentences in used for sentence in sentences]
    said = ngettext("%(number)d picture is deleted for good.", "%(number)d pictures are deleted for good.", number)
    told = [said % {"number": number}]
    if kept:
        told.append(_("What is in use stays: %(uses)s.") % {"uses": ", ".join(kept[:3])})
    return " ".join(told)


def _back(request: StudioRequest) -> HttpResponse:
    address = reverse("generation:trash")
    return redirect(f"{address}?who=mine" if request.POST.get("who") == "mine" else address)
