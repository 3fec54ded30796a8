"""The studio's lists of words: everybody reads them, curators write them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.lists.forms import WordsForm
from generation.lists.models import WordList
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, require_curator, visible


@require_GET
def words(request: StudioRequest) -> HttpResponse:
    """All lists of words."""
    return render(request, "generation/lists/words.html", {"words": WordList.objects.visible_to(request.user)})


@require_http_methods(["GET", "HEAD", "POST"])
@once
def new(request: StudioRequest) -> HttpResponse:
    """A new list of words."""
    require_curator(request.user)
    return _form(request, WordList())


@require_http_methods(["GET", "HEAD", "POST"])
@once
def edit(request: StudioRequest, pk: int) -> HttpResponse:
    """Change a list of words. What was chosen from it before stays."""
    require_curator(request.user)
    return _form(request, visible(WordList.objects.all(), request.user, pk=pk))


def _form(request: StudioRequest, row: WordList) -> HttpResponse:
    form = WordsForm(request.POST or None, instance=row, user=request.user)
    if request.method == "POST" and form.is_valid():
        row = form.save(commit=False)
        row.changed_by, row.changed_at = request.user, timezone.now()
        row.save()
        messages.success(request, _("__%(name)s__ is saved.") % {"name": row.name})
        return redirect("generation:word-lists")
    context = {"form": form, "row": row if row.pk else None}
    return render(request, "generation/lists/words_form.html", context, status=422 if form.is_bound else 200)


@require_POST
def delete(request: StudioRequest, pk: int) -> HttpResponse:
    """Delete a list of words. Prompts that name it are wrong from then on; what was chosen stays."""
    require_curator(request.user)
    row = visible(WordList.objects.all(), request.user, pk=pk)
    name = row.name
    row.delete()
    messages.success(request, _("__%(name)s__ is deleted.") % {"name": name})
    return redirect("generation:word-lists")


urlpatterns = [
    path("lists/words/", words, name="word-lists"),
    path("lists/words/new/", new, name="word-list-new"),
    path("lists/words/<int:pk>/", edit, name="word-list"),
    path("lists/words/<int:pk>/delete/", delete, name="word-list-delete"),
]
