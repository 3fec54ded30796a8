"""The gallery and the page of one picture."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from generation.gallery import bar, counting, ways
from generation.gallery import query as wall
from generation.gallery.filters import Filters
from generation.gallery.forms import SearchForm, saved_menu
from generation.gallery.walking import Place
from generation.gallery.wanted import sentence
from generation.keeping import choosing, mark_views, marks
from generation.masks.models import Edit
from generation.pictures.models import GeneratedImage, GenerationTask, PictureQuerySet, TaskStyle
from generation.pictures.prompts import final_parts, final_prompt
from generation.pictures.shapes import shape_name
from generation.pictures.upkeep import facts
from generation.trash import schedule
from generation.trash import views as trash_views
from generation.trash import wall as trash
from styles.kinds.of_kind import Kind
from styles.models import Style
from stylestudio.host import rooms
from stylestudio.people.access import StudioRequest, is_curator, may_change, visible, whole_number
from stylestudio.templatetags.studio import likeness

A_DAY = 24 * 60 * 60  # seconds
# What the page of a picture says of each of its styles: where its version came from, if a training made it.
STORY_OF_A_STYLE = (
    "version__style",
    *(f"version__of_training__job__{row}" for row in ("snapshot__dataset", "snapshot")),
)
TILE_ACTS = "generation/gallery/_tile_acts.html"


@require_GET
def gallery(request: StudioRequest) -> HttpResponse:
    """The wall. Without JavaScript "Load more" links to `?before=`; `?at=` begins with the page that has a picture."""
    filters = Filters.read(request.GET)
    context = wall_page(request, filters) | {"trash": trash.amount(request.user, schedule.current())}
    if not filters.any:
        context["counts"] = counting.kept(request.user)
    context |= saved_menu(context["bar"].saved)
    return render(request, "generation/gallery/gallery.html", context)


@require_GET
def gallery_page(request: StudioRequest) -> HttpResponse:
    """The next pictures of the wall, for the sentinel; with ?strip=1 only the newest few."""
    filters = Filters.read(request.GET)
    if request.GET.get("strip"):
        newest = wall.page(wall.pictures(request.user, filters), size=wall.STRIP)
        pictures = [picture for day in newest.days for picture in day.pictures]
        marks.show_on(request.user, pictures)
        style = Style.objects.visible_to(request.user).filter(slug=filters.style).first()
        return render(request, "generation/gallery/_strip.html", {"pictures": pictures, "style": style})
    return render(request, "generation/gallery/_wall_page.html", wall_page(request, filters, with_bar=False))


@require_GET
def gallery_news(request: StudioRequest) -> HttpResponse:
    """How many pictures are newer than ?than=, the newest of an open wall; with ?show=1 its first page anew."""
    filters = wall.Filters.read(request.GET)
    if request.GET.get("show"):
        return render(request, "generation/gallery/_wall_anew.html", wall_page(request, filters, with_bar=False))
    than = whole_number(request.GET.get("than", "0"))
    context = {"than": than, "filters": filters, "number": wall.newer(request.user, filters, than), "most": wall.PAGE}
    return render(request, "generation/gallery/_news.html", context)


@require_GET
def tile_acts(request: StudioRequest) -> HttpResponse:
    """What appears over every tile, the same on all pages of a language: their address has its digest."""
    response = render(request, TILE_ACTS)
    # What another version answers is not what this digest stands for.
    is_named = request.GET.get("like") == likeness(TILE_ACTS)
    patch_cache_control(response, private=True, max_age=A_DAY if is_named else 0)
    return response


@require_GET
def gallery_counts(request: StudioRequest) -> HttpResponse:
    """How many pictures the wall has, and the choices of its filters with their numbers."""
    filters = Filters.read(request.GET)
    found = wall.pictures(request.user, filters)
    styles = Style.objects.visible_to(request.user).values_list("pk", flat=True)
    counts = counting.counted(found, list(styles))
    shown = bar.bar(request.user, filters, counts)
    return render(request, "generation/gallery/_counts.html", {"counts": counts, "bar": shown})


def wall_page(request: StudioRequest, filters: Filters, *, with_bar: bool = True) -> dict[str, Any]:
    """The template context of a wall: the page of ?before= or ?at=, and the filters. A malformed key is a 404.

    With ?select=1 each picture has a box, for browsers without JavaScript. A wall with other tiles, or at another URL,
    replaces `tile`, `wall_url` and `page_url`.
    """
    before, selecting = request.GET.get("before", ""), request.GET.get("select") == "1"
    found = wall.pictures(request.user, filters)
    start = _start(found, request.GET.get("at", ""))
    try:
        page = wall.page_after(found, start) if start else wall.page(found, before)
    except (ValueError, OverflowError) as error:
        raise Http404(_("There is no such page.")) from error
    since = facts.known_since() if filters.any and not filters.only_words else None
    marks.show_on(request.user, page.pictures)
    return {
        "page": page,
        "filters": filters,
        "bar": bar.bar(request.user, filters) if with_bar else None,
        "search": SearchForm(filters.words, has_faults=bool(found.wanted.faults)),
        "faults": [sentence(fault, text) for fault, text in found.wanted.faults],
        "known_since": since,
        "known_percent": facts.percent_done() if since else 100,
        "selecting": selecting,
        "later": bool(before or start),
        "more_query": filters.query(before=page.more, select="1" if selecting else ""),
        "walk": ways.walk_along(filters),
        "sizes": (("s", "S", _("Small")), ("", "M", _("Medium")), ("l", "L", _("Large"))),
        "tile": "generation/gallery/_choice.html" if selecting else "generation/gallery/_tile.html",
        "bars": [each(request) for each in rooms.contributed("wall_bars")] if selecting else (),
        "wall_url": reverse("generation:gallery"),
        "page_url": reverse("generation:gallery-page"),
    }


def _start(found: wall.Found, at: str) -> Place | None:
    """The place after which the page begins that has the picture of this number; None for the first page."""
    if not (at.isascii() and at.isdigit() and len(at) <= 18):
        return None
    picture = GeneratedImage.everything.visible_to(found.wanted.person).filter(pk=int(at)).first()
    return found.start_of_page_with(wall.place_of(found, picture), wall.PAGE) if picture else None


@require_GET
def picture(request: StudioRequest, pk: int) -> HttpResponse:
    """One picture, large, with everything that went into it. Its neighbours are those on the way that one came."""
    found = _with_story().visible_to(request.user).filter(pk=pk).first()
    if found is None:
        return trash_views.deleted_picture(request, pk)
    task = found.task
    mix = _mix(task)
    phrases = [phrase for row in mix for phrase in row.triggers]
    sent = final_parts(task.read, phrases, task.frame)
    way = ways.of(request)
    film = way.film(found)
    steps_back, first = wall.origin(request, found)
    context = {
        "picture": found,
        "task": task,
        "mix": mix,
        "story": mix if first == found else _with_styles_of(first, mix),
        "is_effect": bool(mix) and mix[0].version.style.kind == Kind.VFX,
        "styles": _styles(request, mix) if is_curator(request.user) else [],
        # An older release may have composed the prompt differently; then show it as it was sent.
        "final_parts": sent
        if final_prompt(task.read, phrases, task.frame) == task.final_prompt
        else [(task.final_prompt, False)],
        "film": film,
        "walk": way.walk,
        "back_url": way.back(pk),
        "back_title": way.title,
        "compare_with": _beside(found, film),
        "shape": shape_name(found.width, found.height),
        "edited": _edited(request, task),
        "seconds": _seconds(found),
        "download_name": _download_name(found),
        "can_change": may_change(request.user, task),
        "offers": wall.offers(request, found),
        "sections": wall.sections(request, found),
        "steps_back": steps_back,
        "first": first,
        **mark_views.panel(request, found),
        **choosing.panel(request, found),
    }
    return render(request, "generation/gallery/picture.html", context)


def _mix(task: GenerationTask) -> list[TaskStyle]:
    """The styles of a task, each with how it came about."""
    return list(task.mix.select_related(*STORY_OF_A_STYLE).defer(f"{STORY_OF_A_STYLE[-1]}__manifest"))


def _with_styles_of(first: GeneratedImage, mix: list[TaskStyle]) -> list[TaskStyle]:
    """Besides these styles those of the picture that everything began with, which may have been edited in others."""
    known = {row.version_id for row in mix}
    return [*mix, *(row for row in _mix(first.task) if row.version_id not in known)]


def _edited(request: StudioRequest, task: GenerationTask) -> Edit | None:
    """What the task edits; None if it edits nothing."""
    if task.mode != GenerationTask.Mode.IMAGE:
        return None
    rows = Edit.objects.visible_to(request.user).filter(task=task)
    return rows.select_related("source", "mask").first()


def _beside(picture: GeneratedImage, film: wall.Film) -> GeneratedImage | None:
    """The picture before this one in its job, or the one after the first; None if it is the only one."""
    place = next((number for number, other in enumerate(film.pictures) if other.pk == picture.pk), 0)
    others = film.pictures[place - 1 : place] if place else film.pictures[1:2]
    return others[0] if others else None


def _styles(request: StudioRequest, mix: list[TaskStyle]) -> list[Style]:
    """The styles that the picture can be a cover of."""
    if not mix:
        return list(Style.objects.visible_to(request.user).filter(is_base=True))
    return [row.version.style for row in mix if row.version.style.deleted_at is None]


def _with_story() -> PictureQuerySet:
    return GeneratedImage.with_previews.select_related("task__owner", "task__reference", "engine", "prompt").defer(
        "prompt__own_values"
    )


def _seconds(picture: GeneratedImage) -> float | None:
    """How many seconds the engine worked on it."""
    started, ended = picture.prompt.started_at, picture.prompt.ended_at
    return (ended - started) / timedelta(seconds=1) if started and ended else None


def _download_name(picture: GeneratedImage) -> str:
    """Words of the prompt and the seed; the media server adds the file's own extension."""
    words = slugify(picture.task.prompt[:60], allow_unicode=True) or "picture"
    return f"{words}-{picture.seed}"


@require_GET
def picture_download(request: StudioRequest, pk: int) -> HttpResponse:
    """The file of a picture, to be saved: tiles have no room for its address."""
    found = visible(GeneratedImage.with_previews.all(), request.user, pk=pk)
    return redirect(f"{found.file.url}?download=")


@require_POST
def picture_delete(request: StudioRequest, pk: int) -> HttpResponse:
    """Move a picture to the trash, with Undo in the toast, and go on to the next one, of the wall or of the jobs."""
    found = trash_views.changeable_picture(request.user, pk)
    way = ways.of(request)
    if found.deleted_at:
        messages.info(request, _("The picture was in the trash already."))
        return redirect(way.back(pk))
    film, back = way.film(found), way.back(pk)
    moved, _by_model = found.delete()
    if moved:
        trash_views.tell([pk])
        undo = reverse("generation:picture-restore", args=[pk]) + way.walk
        messages.success(request, _("The picture is deleted."), extra_tags=undo)
    else:
        messages.info(request, _("The picture was in the trash already."))
    other = film.next or film.previous
    return redirect(f"{other.get_absolute_url()}{way.walk}" if other else back)


@require_POST
def picture_restore(request: StudioRequest, pk: int) -> HttpResponse:
    """Undo a deletion."""
    return trash_views.restore_one(request, pk, ways.of(request).walk)
