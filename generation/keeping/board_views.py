"""Boards: the list, one with its pictures, its form and its trash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.keeping import arranging, boards, choosing, marks
from generation.keeping.forms import BoardForm
from generation.keeping.models import Board
from generation.pictures.models import GeneratedImage
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, visible

SHELF = 24  # boards in the list
PAGE = 60  # pictures of a board
MOST_ON_CARD, MOST_ON_PAGE = 100, 1_000  # how far the pictures of a board are counted


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures in a row, as the gallery's wall shows those of a day; the heading is empty."""

    pictures: list[GeneratedImage]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some pictures of a board, as the gallery's wall shows them. `more`: the key of the next ones, "" at the end."""

    days: list[Row]
    more: str


@require_GET
def shelf(request: StudioRequest) -> HttpResponse:
    """The boards, most recently changed first, filtered by ?q=; with ?deleted=1 those in the trash."""
    words, deleted = request.GET.get("q", "").strip()[:200], request.GET.get("deleted") == "1"
    if deleted:
        found = Board.everything.visible_to(request.user).filter(deleted_at__isnull=False).order_by("-deleted_at")
        if not request.user.is_superuser:
            found = found.filter(owner=request.user)
    else:
        found = Board.objects.visible_to(request.user)
    for word in words.split():
        # One condition more for each word. Queries that are joined by OR would double with each.
        found = found.filter(Q(name__icontains=word) | Q(description__icontains=word))
    page = Paginator(found.select_related("owner"), SHELF).get_page(request.GET.get("page", "1"))
    shown = Board.everything.visible_to(request.user).filter(pk__in=[board.pk for board in page])
    covered = {
        board.pk: board for board in boards.with_covers(request.user, boards.counted(request.user, shown, MOST_ON_CARD))
    }
    context = {
        "boards": [covered[board.pk] for board in page if board.pk in covered],
        "page": page,
        "words": words,
        "deleted": deleted,
        "most": MOST_ON_CARD,
    }
    return render(request, "generation/keeping/boards.html", context)


@require_GET
def board(request: StudioRequest, pk: int) -> HttpResponse:
    """The pictures of a board in its order; further ones behind the key ?after=; with ?arrange=1 to be moved."""
    shown = Board.objects.visible_to(request.user).select_related("owner")
    found = get_object_or_404(boards.counted(request.user, shown, MOST_ON_PAGE), pk=pk)
    after = _read_key(request.GET.get("after", ""))
    can_change = boards.may_change(request.user, found)
    places = boards.page(request.user, found, after, PAGE + 1)
    pictures = [place.picture for place in places[:PAGE]]
    marks.show_on(request.user, pictures)
    last = places[PAGE - 1] if len(places) > PAGE else None
    more = boards.key_of(last) if last else ""
    is_arranged = request.GET.get("arrange") == "1" and can_change
    address = found.get_absolute_url()
    context: dict[str, Any] = {
        "board": found,
        "page": Page([Row(pictures)] if pictures else [], more),
        "pictures": pictures,
        "later": after is not None,
        "after": request.GET.get("after", ""),
        "more": more,
        "more_query": f"after={more}",
        "most": MOST_ON_PAGE,
        "tile": "generation/gallery/_tile.html",
        "walk": boards.walk(found),
        "wall_url": address,
        "page_url": address,
        "can_change_board": can_change,
    }
    if is_arranged:
        return render(request, "generation/keeping/arrange.html", context)
    template = "generation/gallery/_wall_page.html" if request.htmx else "generation/keeping/board.html"
    return render(request, template, context)


def _read_key(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    position, _sep, picture = text.partition("~")
    digits = position.removeprefix("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (digits, picture)):
        raise Http404(_("There is no such page."))
    return int(position), int(picture)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def new(request: StudioRequest) -> HttpResponse:
    """Make a board."""
    return _form_page(request, Board(owner=request.user), _("%(name)s is here. Put pictures on it from the gallery."))


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StudioRequest, pk: int) -> HttpResponse:
    """Change a board's name, description and who sees it."""
    return _form_page(request, _mine(request, pk), _("%(name)s is saved."))


def _form_page(request: StudioRequest, found: Board, said: str) -> HttpResponse:
    name = found.name
    form = BoardForm(request.POST or None, instance=found)
    if form.is_bound and form.is_valid():
        saved = form.save()
        saved.touch()
        messages.success(request, said % {"name": saved.name})
        return redirect(saved)
    context = {"form": form, "board": found if found.pk else None, "name": name}
    return render(request, "generation/keeping/board_form.html", context, status=422 if form.is_bound else 200)


@require_POST
def delete(request: StudioRequest, pk: int) -> HttpResponse:
    """Move a board to the trash, with Undo in the toast; its pictures stay in the gallery."""
    found = _mine(request, pk)
    found.delete()
    undo = reverse("generation:board-restore", args=[found.pk])
    messages.success(request, _("%(name)s is deleted.") % {"name": found.name}, extra_tags=undo)
    return redirect("generation:boards")


@require_POST
def restore(request: StudioRequest, pk: int) -> HttpResponse:
    """Undo a deletion."""
    found = visible(Board.everything.all(), request.user, pk=pk)
    boards.require_may_change(request.user, found)
    found.restore()
    messages.success(request, _("%(name)s is back.") % {"name": found.name})
    return redirect(found)


def _mine(request: StudioRequest, pk: int) -> Board:
    """The board, if this person may change it."""
    found = visible(Board.objects.all(), request.user, pk=pk)
    boards.require_may_change(request.user, found)
    return found


urlpatterns = [
    path("boards/", shelf, name="boards"),
    path("boards/new/", new, name="board-new"),
    path("boards/choose/", choosing.choose, name="board-choose"),
    path("boards/<int:pk>/", board, name="board"),
    path("boards/<int:pk>/edit/", edit, name="board-edit"),
    path("boards/<int:pk>/delete/", delete, name="board-delete"),
    path("boards/<int:pk>/restore/", restore, name="board-restore"),
    path("boards/<int:pk>/remove/", arranging.remove, name="board-remove"),
    path("boards/<int:pk>/put-back/", arranging.put_back, name="board-put-back"),
    path("boards/<int:pk>/arrange/", arranging.arrange, name="board-arrange"),
]
