"""A picture file that somebody drops, pastes or chooses on any page: what it was made with, and what to do with it.

The settings wait in the session until the form is filled with them, so that its address stays short and nobody else can
make one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.core.signing import BadSignature, Signer
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generation.ordering import honouring
from generation.ordering.references import add_reference
from stylestudio.images.decoding import MOST_BYTES, BadPicture
from stylestudio.people.access import StudioRequest
from stylestudio.picture_settings import reading
from stylestudio.picture_settings.settings import PictureSettings

_KEPT = "picture_settings"  # of the session: {"key": …, "facts": …}, of the last file only


@require_safe
def dropped(request: StudioRequest) -> HttpResponse:
    """What is in the dialog that opens for a file."""
    return render(request, "generation/ordering/_dropped.html")


@require_http_methods(["GET", "HEAD", "POST"])
def read_picture(request: StudioRequest) -> HttpResponse:
    """What a file was made with. htmx gets what is in the dialog; without scripts this is a page."""
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        file = request.FILES.get("picture")
        if file is None or not file.size:
            context, status = {"trouble": _("Choose a picture file.")}, 422
        else:
            # Texts stand in front of the pixels, and the page sends no more of a large file.
            found = reading.read(file.read(MOST_BYTES))
            context = _told(request, found) | {"name": str(file.name)}
    template = "_picture_file" if request.htmx else "picture_file"
    return render(request, f"generation/ordering/{template}.html", context, status=status)


def _told(request: StudioRequest, found: PictureSettings) -> dict[str, Any]:
    if not found.found:
        return {"trouble": honouring.why_nothing(found)}
    facts = found.facts()
    facts.pop("raw", None)  # nobody needs it from here on
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    request.session[_KEPT] = {"key": key, "facts": facts}
    said = honouring.honour(found, request.user).said
    return {"found": found, "said": said, "use_url": f"{reverse('generation:studio')}?settings={key}"}


def kept(request: StudioRequest, key: str) -> PictureSettings | None:
    """The settings that were read from this person's last file, by the key in the address; None if it was another."""
    found = request.session.get(_KEPT) or {}
    return PictureSettings.of_facts(found["facts"]) if found.get("key") == key else None


@require_POST
def start_from(request: StudioRequest) -> HttpResponse:
    """Store a file as the picture to start from, and go to the form with it."""
    file = request.FILES.get("picture")
    try:
        if file is None:
            raise BadPicture(_("Choose a picture file."))
        reference = add_reference(file, request.user)
    except BadPicture as error:
        context = {"trouble": str(error), "name": str(file.name) if file else ""}
        return render(request, "generation/ordering/picture_file.html", context, status=422)
    return redirect(f"{reverse('generation:studio')}?start={_signer().sign(str(reference.pk))}")


def started_from(text: str) -> int | None:
    """The key of the reference that `start_from` put into the address; None if nobody did."""
    try:
        return int(_signer().unsign(text))
    except (BadSignature, ValueError):
        return None


def _signer() -> Signer:
    return Signer(salt="generation.ordering.picture_files")
