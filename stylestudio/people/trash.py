"""Styles, datasets and whatever else stays in the trash until somebody restores it: lists, and the page of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise

from stylestudio.people.access import StudioRequest

MOST_LISTED = 100  # of a kind


@dataclass(frozen=True, slots=True)
class InTrash:
    """Something in the trash; `restore` is the address that a form is sent to, "" for who may not."""

    kind: str | Promise
    name: str
    deleted_at: datetime | None
    restore: str


def page_of_deleted(request: StudioRequest, found: InTrash) -> HttpResponse:
    """The page of something that is in the trash: it says so, and offers to restore it."""
    return render(request, "shell/in_trash.html", {"found": found}, status=410)
