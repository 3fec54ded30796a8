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

from generation.gallery import query as wall
from generation.pictures.models import GeneratedImage, PictureQuerySet, TaskStyle
from generation.pictures.prompts import final_parts, final_prompt
from generation.pictures.shapes import shape_name
from styles.models import Style
from stylestudio.live import publisher
from stylestudio.people.access import StudioRequest, may_change, require_maker, visible
from stylestudio.templatetags.studio import likeness

A_DAY = 24 * 60 * 60  # seconds
TILE_ACTS = "generation/gallery/_tile_acts.html"


@require_GET
def gallery(request: StudioRequest) -> HttpResponse:
    """The wall, newest first. Without JavaScript "Load more" links to `?before=`."""
    filters = wall.Filters.read(request.GET)
    return render(request, "generation/gallery/gallery.html", wall_page(request, filters))


@require_GET
def gallery_page(request: StudioRequest) -> HttpResponse:
    """The next pictures of the wall, for the sentinel; with ?strip=1 only the newest few."""
    filters = wall.Filters.read(request.GET)
    if request.GET.get("strip"):
        newest = wall.page(wall.pictures(request.user, filters), size=wall.STRIP)
        pictures = [picture for day in newest.days for picture in day.pictures]
        style = Style.objects.visible_to(request.user).filter(slug=filters.style).first()
        return render(request, "generation/gallery/_strip.html", {"pictures": pictures, "style": style})
    return render(request, "generation/gallery/_wall_page.html", wall_page(request, filters))


@require_GET
def tile_acts(request: StudioRequest) -> HttpResponse:
    """What appears over every tile, the same on all pages of a language: their address has its digest."""
    response = render(request, TILE_ACTS)
    # What another version answers is not what this digest stands for.
    is_named = request.GET.get("like") == likeness(TILE_ACTS)
    patch_cache_control(response, private=True, max_age=A_DAY if is_named else 0)
    return response


def wall_page(request: StudioRequest, filters: wall.Filters) -> dict[str, Any]:
    """The template context of a wall: the page of ?before=, and the filters. A malformed key is a 404.

    A wall with other tiles, or at another URL, replaces `tile`, `wall_url` and `page_url`.
    """
    before = request.GET.get("before", "")
    try:
        page = wall.page(wall.pictures(request.user, filters), before)
    except (ValueError, OverflowError) as error:
        raise Http404(_("There is no such page.")) from error
    return {
        "page": page,
        "filters": filters,
        "styles": Style.objects.visible_to(request.user).in_picker_order(),
        "later": bool(before),
        "more_query": filters.query(before=page.more),
        "tile": "generation/gallery/_tile.html",
        "wall_url": reverse("generation:gallery"),
        "page_url": reverse("generation:gallery-page"),
    }


@require_GET
def picture(request: StudioRequest, pk: int) -> HttpResponse:
    """One picture, large, with everything that went into it."""
    found = visible(_with_story(), request.user, pk=pk)
    task = found.task
    mix = list(task.mix.select_related("version__style"))
    phrases = [phrase for row in mix for phrase in row.triggers]
    sent = final_parts(task.prompt, phrases, task.frame)
    film = wall.film(found, request.user)
    context = {
        "picture": found,
        "task": task,
        "mix": mix,
        "styles": _styles(request, mix),
        # An older release may have composed the prompt differently; then show it as it was sent.
        "final_parts": sent
        if final_prompt(task.prompt, phrases, task.frame) == task.final_prompt
        else [(task.final_prompt, False)],
        "film": film,
        "shape": shape_name(found.width, found.height),
        "seconds": _seconds(found),
        "download_name": _download_name(found),
        "can_change": may_change(request.user, task),
        "offers": wall.offers(request, found),
    }
    return render(request, "generation/gallery/picture.html", context)


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
    """Move a picture to the trash, with Undo in the toast."""
    found = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    require_maker(request.user, found.task)
    found.delete()
    _tell(found)
    undo = reverse("generation:picture-restore", args=[found.pk])
    messages.success(request, _("The picture is deleted."), extra_tags=undo)
    return redirect("generation:gallery")


@require_POST
def picture_restore(request: StudioRequest, pk: int) -> HttpResponse:
    """Undo a deletion."""
    found = visible(GeneratedImage.everything.select_related("task"), request.user, pk=pk)
    require_maker(request.user, found.task)
    found.restore()
    _tell(found)
    messages.success(request, _("The picture is back."))
    return redirect(found)


def _tell(picture: GeneratedImage) -> None:
    """Push the job's card to open pages: it has one picture less, or one more."""
    if picture.task.touch():
        publisher.changed(picture.task)
