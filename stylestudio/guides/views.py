"""The pages of help."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import path, register_converter
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from stylestudio.guides import chapters
from stylestudio.people.access import StudioRequest


class ChapterConverter:
    """The name of a chapter in an address: one or two words."""

    regex = r"[a-z-]{1,40}(?:/[a-z-]{1,40})?"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


@require_safe
def contents(request: StudioRequest) -> HttpResponse:
    """The guides and their chapters."""
    return render(request, "guides/contents.html", {"guides": chapters.contents(request.user)})


@require_safe
def chapter(request: StudioRequest, name: str) -> HttpResponse:
    """One chapter, with the others beside it. 404 for one that is not for this person."""
    text = chapters.chapter(name, request.user)
    if text is None:
        raise Http404(_("There is no such page."))
    context = {"name": name, "text": text, "guides": chapters.contents(request.user)}
    return render(request, "guides/chapter.html", context)


register_converter(ChapterConverter, "chapter")
urlpatterns = [
    path("help/", contents, name="help"),
    path("help/<chapter:name>/", chapter, name="help-chapter"),
]
