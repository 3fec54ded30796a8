"""Putting pictures on boards from anywhere: a dialog that is also a page."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from generation.keeping import boards
from generation.keeping.forms import NewBoardForm
from generation.keeping.models import Board, BoardPicture
from generation.pictures.models import GeneratedImage
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, whole_numbers

MOST_OFFERED = 50  # boards in the dialog; the search finds the others
MOST_CHOSEN = 60  # pictures at a time
MOST_SHOWN = 12  # boards on the page of a picture


@require_http_methods(["GET", "HEAD", "POST"])
@once
def choose(request: StudioRequest) -> HttpResponse:
    """The boards that ?picture= can be put on, those with all of ?q= in their names; on POST, put them there.

    A form says which boards it showed as ticked (`was`), so that what others did meanwhile stays as it is.
    """
    asked = request.POST if request.method == "POST" else request.GET
    wanted = whole_numbers(asked.getlist("picture")[:MOST_CHOSEN])
    pictures = list(GeneratedImage.with_previews.visible_to(request.user).filter(pk__in=wanted).select_related("task"))
    if not pictures:
        raise Http404(_("There is no such picture."))
    form = NewBoardForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return _put(request, pictures, form.cleaned_data["name"])
    words = request.GET.get("q", "").strip()[:200]
    context = {
        "pictures": pictures,
        "offered": _offered(request, pictures, words),
        "words": words,
        "form": form,
    }
    status = 422 if form.is_bound else 200
    if request.htmx and request.htmx.target == "board-options":
        return render(request, "generation/keeping/_board_options.html", context)
    template = "generation/keeping/_choose.html" if request.htmx else "generation/keeping/choose.html"
    return render(request, template, context, status=status)


def _offered(request: StudioRequest, pictures: list[GeneratedImage], words: str) -> list[Board]:
    """Boards, the last changed first; `was` if all of the pictures are there, `ticked` if they are to be.

    A search begins with what is ticked already.
    """
    visible_boards: QuerySet[Board] = Board.objects.visible_to(request.user)
    found = visible_boards
    for word in words.split():
        found = found.filter(name__icontains=word)
    ticked, was = (set(whole_numbers(request.GET.getlist(each)[:MOST_OFFERED])) for each in ("board", "was"))
    kept = list(visible_boards.filter(pk__in=ticked | was)) if words or ticked or was else []
    shown = [*kept, *(board for board in found[:MOST_OFFERED] if board not in kept)]
    there = BoardPicture.objects.filter(picture__in=pictures, board__in=shown).order_by().values_list("board")
    numbers = dict(there.annotate(number=Count("pk")))
    is_again = "again" in request.GET
    for board in shown:
        is_there = numbers.get(board.pk, 0) == len(pictures)
        vars(board)["was"] = is_there
        vars(board)["ticked"] = board.pk in ticked if is_again and board in kept else is_there
    return shown


def _put(request: StudioRequest, pictures: list[GeneratedImage], name: str) -> HttpResponse:
    keys = [picture.pk for picture in pictures]
    was, chosen = (set(whole_numbers(request.POST.getlist(each))) for each in ("was", "board"))
    found = Board.objects.visible_to(request.user).in_bulk(was ^ chosen)
    onto = [found[pk] for pk in sorted(chosen - was) if pk in found]
    if name:
        onto.append(Board.objects.create(name=name, owner=request.user))
    off = [found[pk] for pk in sorted(was - chosen) if pk in found]
    for board in onto:
        boards.add(request.user, board, keys)
    for board in off:
        boards.remove(request.user, board, keys)
    said = _said(len(keys), [board.name for board in onto], [board.name for board in off])
    if request.htmx:
        context = {"message": said, "undo_url": "", "oob": True}
        answer = HttpResponse(render_to_string("shell/_toast.html", context, request))
        path = (request.htmx.current_url_abs_path or "").split("?")[0]  # behind it stands the wall that one came from
        if path == pictures[0].get_absolute_url():
            listed = {**panel(request, pictures[0]), "oob": True}
            answer.write(render_to_string("generation/keeping/_picture_boards.html", listed, request))
        answer["HX-Trigger"] = "boards-chosen"
        return answer
    messages.success(request, said)
    return redirect(pictures[0]) if len(pictures) == 1 else redirect("generation:gallery")


def _said(number: int, onto: list[str], off: list[str]) -> str:
    facts = []
    if onto:
        words = ngettext("The picture is on %(names)s now.", "The pictures are on %(names)s now.", number)
        facts.append(words % {"names": ", ".join(onto)})
    if off:
        words = ngettext("The picture is off %(names)s.", "The pictures are off %(names)s.", number)
        facts.append(words % {"names": ", ".join(off)})
    return " ".join(facts) or _("Nothing changed.")


def panel(request: StudioRequest, picture: GeneratedImage) -> dict[str, object]:
    """The template context of `_picture_boards.html`: the boards that a picture is on."""
    found = boards.of_picture(request.user, picture)
    return {"picture": picture, "boards": found[:MOST_SHOWN], "more_boards": len(found) > MOST_SHOWN}
