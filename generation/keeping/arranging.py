"""Removing pictures from a board, putting them back, and changing their order."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from generation.keeping import boards
from generation.keeping.models import Board
from stylestudio.people.access import StudioRequest, visible, whole_numbers

LONGEST = 19  # digits of a position
FURTHEST = 2**62


@require_POST
def remove(request: StudioRequest, pk: int) -> HttpResponse:
    """Take the pictures in `picture` off a board, with Undo in the toast."""
    board = visible(Board.objects.all(), request.user, pk=pk)
    places = boards.remove(request.user, board, whole_numbers(request.POST.getlist("picture")))
    undo = ""
    if len(places) == 1:
        ((picture, position),) = places.items()
        undo = f"{reverse('generation:board-put-back', args=[board.pk])}?picture={picture}&position={position}"
    number = len(places)
    said = ngettext("%(number)d picture is off %(name)s.", "%(number)d pictures are off %(name)s.", number)
    messages.success(request, said % {"name": board.name, "number": number}, extra_tags=undo)
    return _answer(request, board)


@require_POST
def put_back(request: StudioRequest, pk: int) -> HttpResponse:
    """Undo it: ?picture= at ?position=."""
    board = visible(Board.objects.all(), request.user, pk=pk)
    pictures = whole_numbers([request.GET.get("picture", "")])
    position = request.GET.get("position", "")
    digits = position.removeprefix("-")
    if not pictures or not (
        digits.isascii() and digits.isdigit() and len(digits) <= LONGEST and int(digits) < FURTHEST
    ):
        raise Http404(_("There is no such place."))
    boards.put_back(request.user, board, {pictures[0]: int(position)})
    messages.success(request, _("The picture is back."))
    return redirect(board)


@require_POST
def arrange(request: StudioRequest, pk: int) -> HttpResponse:
    """Move a picture by its key: `earlier`, `later`, `first`, or `move` before the one in `place` or after `behind`.

    Or choose the `cover`.
    """
    board = visible(Board.objects.all(), request.user, pk=pk)
    boards.require_may_change(request.user, board)
    verb = next((name for name in ("earlier", "later", "first", "move", "cover") if name in request.POST), "")
    pictures = whole_numbers([request.POST.get(verb, "")])
    if not pictures:
        raise Http404(_("There is no such picture on this board."))
    try:
        _arrange(request, board, verb, pictures[0])
    except LookupError:
        if verb == "move":
            raise Http404(_("There is no such picture on this board.")) from None
        messages.warning(request, _("It stands there already."))
    return _answer(request, board, pictures[0])


def _arrange(request: StudioRequest, board: Board, verb: str, picture: int) -> None:
    """Do it. Raises LookupError if there is no such picture, or if it cannot go any further."""
    if verb == "cover":
        boards.place_of(request.user, board, picture)
        boards.set_cover(board, picture)
        messages.success(request, _("The board has a new cover."))
    else:
        boards.move(board, picture, _place(request, board, verb, picture))


def _place(request: StudioRequest, board: Board, verb: str, picture: int) -> int | None:
    """The picture before which it goes; None for the end."""
    user = request.user
    here = boards.place_of(user, board, picture)
    if verb in {"first", "earlier"}:
        first = boards.page(user, board, None, 1)[0]
        front = first if verb == "first" else boards.before(user, board, here)
        if front is None or front.picture_id == picture:
            raise LookupError(picture)
        return front.picture_id
    if verb == "later":
        following = boards.page(user, board, here, 1)
        if not following:
            raise LookupError(picture)
        return boards.behind(board, following[0].key, picture)
    for name in ("place", "behind"):
        for other in whole_numbers([request.POST.get(name, "")]):
            place = boards.place_of(user, board, other)
            return other if name == "place" else boards.behind(board, place, picture)
    raise LookupError(picture)


def _answer(request: StudioRequest, board: Board, picture: int | None = None) -> HttpResponse:
    """What is said, for a script that changed the page itself; else the page that was looked at."""
    if request.htmx:
        said = list(messages.get_messages(request))
        if not said:
            return HttpResponse(status=204)
        context = {"message": said[-1].message, "undo_url": said[-1].extra_tags, "oob": True}
        return render(request, "shell/_toast.html", context)
    query = "?arrange=1" if request.POST.get("arranged") else ""
    after = request.POST.get("after", "")
    if query and after:
        query += f"&after={after}"
    return redirect(f"{board.get_absolute_url()}{query}{f'#picture-{picture}' if picture else ''}")
