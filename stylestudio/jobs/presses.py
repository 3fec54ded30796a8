"""One press of a button makes one thing, however often the browser sends it.

A form that makes something carries a request id (`{% press %}`). The first request with this id and these contents
does the work; a repeat, at once or later, gets the same answer. If any field differs, it counts as another press.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from stylestudio.models import Press
from stylestudio.people.access import StudioRequest

FIELD = "request_id"
SECONDS_BETWEEN_ANSWER_LOOKS = 0.1  # seconds between checks whether the first request has finished
LONGEST_REQUEST = timedelta(seconds=60)  # a request that takes longer was cut off when its process died
KEPT = timedelta(days=2)  # submitting a page that was open for longer counts as a new press
_TOLD = ("Location", "Content-Type", "HX-Redirect", "HX-Refresh", "HX-Retarget", "HX-Reswap", "HX-Trigger")

_MADE = (200, 302)  # status codes of an answer to a request that made something

View = Callable[..., HttpResponseBase]
Make = Callable[[], HttpResponseBase]


def once(view: View) -> View:
    """Make a view act once per press. Requests without a request id are passed through.

    An answer that made nothing (a rejected form, a page that only shows something, an error) is not remembered, so the
    next press tries again.
    """

    @wraps(view)
    def answer(request: StudioRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _answer(request, partial(view, request, *args, **kwargs), made_by_pages=bool(request.htmx))

    return answer


def once_with_page(view: View) -> View:
    """Like `once`, for a view that answers with a whole page after making something."""

    @wraps(view)
    def answer(request: StudioRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _answer(request, partial(view, request, *args, **kwargs), made_by_pages=True)

    return answer


def _answer(request: StudioRequest, make: Make, *, made_by_pages: bool) -> HttpResponseBase:
    number = number_of(request)
    return make() if number is None else _first_answer(request.user, number, make, made_by_pages)


def number_of(request: StudioRequest) -> uuid.UUID | None:
    """Identify this press: the form's request id combined with everything that was filled in. None without an id."""
    if request.method != "POST":
        return None
    try:
        form = uuid.UUID(request.POST.get(FIELD, ""))
    except ValueError:
        return None
    return uuid.uuid5(form, _contents(request))


def _contents(request: StudioRequest) -> str:
    """Digest of the address, the fields, and the names and sizes of the files."""
    found = hashlib.sha256(repr(request.get_full_path()).encode())
    for name, values in sorted(request.POST.lists()):
        if name != "csrfmiddlewaretoken":
            found.update(repr((name, values)).encode())
    for name, files in sorted(request.FILES.lists()):
        found.update(repr((name, [_label(file) for file in files])).encode())
    return found.hexdigest()


def _label(file: Any) -> tuple[str | None, int | None]:
    assert isinstance(file, UploadedFile)
    return file.name, file.size


def _first_answer(user: User, number: uuid.UUID, make: Make, made_by_pages: bool) -> HttpResponseBase:
    """Do the work if nobody has; otherwise wait for the request that does and repeat its answer."""
    while True:
        press, is_first = _begin(user, number)
        if is_first:
            return _make(press, make, made_by_pages)
        if press.answer:
            return _said_again(press.answer)
        time.sleep(SECONDS_BETWEEN_ANSWER_LOOKS)


def _begin(user: User, number: uuid.UUID) -> tuple[Press, bool]:
    """Return the row of this press, and whether the caller is the one to do the work."""
    try:
        with transaction.atomic():
            return Press.objects.create(owner=user, number=number), True
    except IntegrityError:
        pass
    press = Press.objects.filter(owner=user, number=number).first()
    if press is None:  # the first request made nothing and its row was deleted
        return _begin(user, number)
    now = timezone.now()
    is_left = not press.answer and press.at < now - LONGEST_REQUEST
    return press, is_left and bool(Press.objects.filter(pk=press.pk, at=press.at, answer={}).update(at=now))


def _make(press: Press, make: Make, made_by_pages: bool) -> HttpResponseBase:
    row = Press.objects.filter(pk=press.pk)
    try:
        response = make()
    except BaseException:
        row.delete()
        raise
    if isinstance(response, HttpResponse) and response.status_code in (_MADE if made_by_pages else _MADE[1:]):
        headers = {name: response.headers[name] for name in _TOLD if name in response.headers}
        text = response.content.decode(response.charset or "utf-8")
        row.update(answer={"status": response.status_code, "headers": headers, "text": text})
    else:
        row.delete()
    return response


def _said_again(answer: dict[str, Any]) -> HttpResponse:
    return HttpResponse(answer["text"], status=answer["status"], headers=answer["headers"])


def delete_old_presses() -> None:
    """Delete old presses; called by the sweep every minute."""
    Press.objects.filter(at__lt=timezone.now() - KEPT).delete()
