"""Saving the filters of a wall under a name, renaming and deleting them: each person's own."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generation.gallery.filters import Filters
from generation.gallery.models import LONGEST_NAME, LONGEST_QUERY, MOST_SAVED, SavedFilter
from stylestudio.people import projects
from stylestudio.people.access import StudioRequest, visible


@require_POST
def save_filter(request: StudioRequest) -> HttpResponse:
    """Save the filters in ?query= under a name; one of that name changes."""
    query = Filters.read(QueryDict(request.POST.get("query", ""))).query()
    name = _name(request)
    mine = SavedFilter.objects.visible_to(request.user)
    if not query:
        messages.warning(request, _("Set a filter first."))
    elif not name:
        messages.warning(request, _("Give the filters a name first."))
    elif len(query) > LONGEST_QUERY:
        messages.warning(request, _("These filters are too long to be saved."))
    elif not mine.filter(name=name).exists() and mine.count() >= MOST_SAVED:
        messages.warning(request, _("%d filters are saved, which is the most. Delete one first.") % MOST_SAVED)
    else:
        SavedFilter.objects.update_or_create(
            owner=request.user, project_id=projects.of(request.user), name=name, defaults={"query": query}
        )
        messages.success(request, _("The filters are saved as “%s”.") % name)
    return _back(query)


@require_POST
def rename_filter(request: StudioRequest, pk: int) -> HttpResponse:
    """Give saved filters another name."""
    saved = visible(SavedFilter.objects.all(), request.user, pk=pk)
    name = _name(request)
    if not name:
        messages.warning(request, _("Give the filters a name first."))
        return _back(saved.query)
    try:
        with transaction.atomic():
            SavedFilter.objects.visible_to(request.user).filter(pk=saved.pk).update(name=name)
    except IntegrityError:
        messages.warning(request, _("Other filters are saved as “%s” already.") % name)
    return _back(saved.query)


@require_POST
def delete_filter(request: StudioRequest, pk: int) -> HttpResponse:
    """Forget saved filters. The wall stays as it is."""
    saved = visible(SavedFilter.objects.all(), request.user, pk=pk)
    saved.delete()
    messages.success(request, _("“%s” is no longer saved.") % saved.name)
    return _back(saved.query)


def _name(request: StudioRequest) -> str:
    return request.POST.get("name", "").replace("\0", "").strip()[:LONGEST_NAME]


def _back(query: str) -> HttpResponse:
    address = reverse("generation:gallery")
    return redirect(f"{address}?{query}" if query else address)
