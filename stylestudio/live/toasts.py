"""A sentence in the corner of the page, as the answer to a press of a button."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from stylestudio.people.access import StudioRequest


def toast(request: StudioRequest, words: str, about: str = "") -> HttpResponse:
    """Answer with the sentence as a fragment, with a link to the address that it is about; a plain form gets it on that
    page, or on the queue page.
    """
    if request.htmx:
        return render(request, "shell/_toast.html", {"message": words, "about": about})
    messages.info(request, words)
    return redirect(about or "queue")
