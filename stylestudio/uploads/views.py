"""The JSON API for uploads: start, send parts, query the progress, cancel, finish."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from stylestudio.edge import failures
from stylestudio.models import Upload
from stylestudio.people.access import StudioRequest, whole_number
from stylestudio.uploads import parts, purposes
from stylestudio.uploads.purposes import Elsewhere, Refused

View = Callable[..., HttpResponse]


def in_json(view: View) -> View:
    """Answer refusals with {"error": sentence}, and a wrong offset with 409 and the number of bytes received."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Elsewhere as elsewhere:
            return JsonResponse({"received": elsewhere.received}, status=HTTPStatus.CONFLICT)
        except Refused as refusal:
            return purposes.refusal_answer(refusal)
        except PermissionDenied as refusal:
            return JsonResponse({"error": str(refusal)}, status=HTTPStatus.FORBIDDEN)
        except Http404 as refusal:
            return JsonResponse({"error": str(refusal)}, status=HTTPStatus.NOT_FOUND)
        except (DatabaseError, OSError) as error:
            failure = failures.of(error)
            if failure is None:
                raise
            failures.note(f"{request.method} {request.path}", failure)
            return _later(failure)

    return answered


def _later(failure: failures.Failure) -> HttpResponse:
    """The page retries failures that pass by themselves; for any other it shows the sentence."""
    status = failure.status if failure.passes else HTTPStatus.INSUFFICIENT_STORAGE
    response = JsonResponse({"error": failure.sentence()}, status=status, headers=failure.headers)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


class StartForm(forms.Form):
    """What is known of a file before its first byte. `fingerprint` is any text that is the same for the same file."""

    name = forms.CharField(max_length=1000)
    size = forms.IntegerField()
    fingerprint = forms.CharField(max_length=1000, required=False)


@require_POST
@in_json
def start(request: StudioRequest) -> HttpResponse:
    """Start an upload or find it again. Returns its id, the bytes received, and where to send the rest."""
    purpose = purposes.find(request.POST.get("purpose", ""))
    purpose.may(request)
    form = StartForm(request.POST)
    if not form.is_valid():
        raise Refused(_("The studio needs the name and the size of the file."))
    name = purposes.clean_name(form.cleaned_data["name"])
    upload = purposes.start(request.user, purpose, name, form.cleaned_data["size"], form.cleaned_data["fingerprint"])
    return JsonResponse(_facts(upload))


def _facts(upload: Upload) -> dict[str, Any]:
    return {
        "id": str(upload.pk),
        "received": parts.stored_bytes(upload),
        "size": upload.size,
        "part_size": parts.PART_SIZE,
        "finished": upload.finished_at is not None,
        "parts": reverse("upload-parts", args=[upload.pk]),
        "finish": reverse("upload-finish", args=[upload.pk]),
    }


def _own(request: StudioRequest, pk: UUID) -> Upload:
    upload = Upload.objects.filter(pk=pk, owner=request.user).first()
    if upload is None:
        raise Http404(_("There is no such upload: it was cancelled, or nobody went on with it for two days."))
    return upload


@require_http_methods(["GET", "PUT", "DELETE"])
@in_json
def part(request: StudioRequest, pk: UUID) -> HttpResponse:
    """GET the progress of an upload, PUT its next part, or DELETE it before it is complete."""
    upload = _own(request, pk)
    if request.method == "PUT":
        return JsonResponse({"received": _receive(request, upload)})
    if request.method == "DELETE":
        parts.cancel(upload)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return JsonResponse(_facts(upload))


def _receive(request: StudioRequest, upload: Upload) -> int:
    if request.content_type != "application/octet-stream":
        raise Refused(_("Parts are sent as application/octet-stream."), HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    announced = request.headers.get("Content-Length", "")
    try:
        offset = whole_number(request.GET.get("offset", ""))
        return parts.receive(upload, offset, request, int(announced) if announced.isdigit() else None)
    except UnreadablePostError as error:
        raise Refused(_("This part did not arrive whole."), HTTPStatus.BAD_REQUEST) from error


@require_POST
@in_json
def finish(request: StudioRequest, pk: UUID) -> HttpResponse:
    """Finish a complete upload. The answer comes from the purpose: a fragment, or {"location": address}."""
    return purposes.finish(request, _own(request, pk))


urlpatterns = [
    path("uploads/start", start, name="upload-start"),
    path("uploads/parts/<uuid:pk>", part, name="upload-parts"),
    path("uploads/finish/<uuid:pk>", finish, name="upload-finish"),
]
