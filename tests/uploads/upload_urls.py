"""The site with a page more, whose form sends large files. They are kept in the folder "kept" of the data folder."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path
from django.utils.html import format_html

from stylestudio import urls
from stylestudio.models import Upload
from stylestudio.people.access import StudioRequest
from stylestudio.uploads import purposes
from stylestudio.uploads.purposes import Purpose, Refused

PAGE = """{% extends "base.html" %}{% block heading %}Uploads{% endblock %}{% block main %}
<form class="panel stack" data-upload="{{ purpose }}" data-upload-target="#kept" data-upload-swap="beforeend"
      method="post" enctype="multipart/form-data">
  {% csrf_token %}<input type="hidden" name="name" value="shelf 7">
  {% include "shell/_upload.html" with label=label hint=".bin, up to 2 GB" accept=".bin" multiple=True %}
</form>
<ul id="kept"></ul>{% endblock %}"""


def page(request: HttpRequest, purpose: str) -> HttpResponse:
    context = {"purpose": purpose, "label": "Drop files, or choose some"}
    return HttpResponse(engines["django"].from_string(PAGE).render(context, request))


def examine(upload: Upload) -> None:
    with upload.path.open("rb") as file:
        if file.read(4) == b"evil":
            raise Refused(f"{upload.name} is not what it says.")


def keep(request: StudioRequest, upload: Upload, found: Any) -> HttpResponse:
    kept = settings.DATA / "kept"
    kept.mkdir(exist_ok=True)
    upload.path.replace(kept / upload.name)
    return HttpResponse(format_html("<li>{} on {}</li>", upload.name, request.POST["name"]))


def keep_and_leave(request: StudioRequest, upload: Upload, found: Any) -> str:
    keep(request, upload, found)
    return "/queue/"


for _name, _finished in (("keep", keep), ("leave", keep_and_leave)):
    purposes.known()[_name] = Purpose(
        name=_name, most_bytes=2 * 2**30, suffixes=(".bin",), examine=examine, finished=_finished
    )

urlpatterns = [path("try/<purpose>/", page), *urls.urlpatterns]
