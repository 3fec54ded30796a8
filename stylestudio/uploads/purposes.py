"""Large files: what may be uploaded, and handing complete files to the apps.

A room names its `Purpose`s in `upload_purposes`. `stylestudio.uploads.views` talks to the page,
`stylestudio.uploads.parts` stores the bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction
from django.db.models import F, Sum
from django.http import Http404, HttpResponse, JsonResponse
from django.http.response import HttpResponseRedirectBase
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.host import rooms
from stylestudio.models import Upload
from stylestudio.people.access import StudioRequest
from stylestudio.uploads import parts
from stylestudio.uploads.parts import Elsewhere, Refused

__all__ = ["Elsewhere", "Purpose", "Refused", "Upload", "finish", "start", "store"]

MOST_UNFINISHED = 40  # per person
MOST_PENDING = 16 * 2**30  # bytes of one person's unfinished uploads, each counted at its full size
RESERVE = 2**30  # bytes that uploads leave free on the disk
RESTING = timedelta(hours=1)  # an upload untouched for this long makes way for a new one of the same person
NAME_LENGTH = 200


def anybody(request: StudioRequest) -> None:
    """Allow everybody who is signed in."""


def examine_nothing(upload: Upload) -> None:
    """Examine nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a kind of large file is for.

    `may` raises PermissionDenied or Http404 if the person may not upload it. `request.POST` holds the form's other
    fields, at the start and at the end; at the start purpose, name, size and fingerprint describe the file. `examine`
    checks the complete file and may take its time. `finished` receives what `examine` returned, and returns a fragment
    or the address to go to. It runs inside the transaction that marks the upload as finished, so exactly once, and must
    be quick; it takes the file with `store` or moves `Upload.path`, and anything it leaves there is deleted. Both raise
    `Refused` for a file that is not accepted.
    """

    name: str
    most_bytes: int
    suffixes: tuple[str, ...]  # in lower case, with their dots
    finished: Callable[[StudioRequest, Upload, Any], HttpResponse | str]
    examine: Callable[[Upload], Any] = examine_nothing
    may: Callable[[StudioRequest], None] = anybody


@cache
def known() -> dict[str, Purpose]:
    """The purposes that rooms contribute, by name."""
    return {purpose.name: purpose for purpose in rooms.contributed("upload_purposes")}


def find(name: str) -> Purpose:
    """The purpose of this name. Raises Http404."""
    if name not in known():
        raise Http404(_("There is no such thing."))
    return known()[name]


def clean_name(name: str) -> str:
    """A file name from a browser, without folders and invisible characters, at most 200 characters long."""
    last = PurePosixPath(name.replace("\\", "/")).name
    visible = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C").strip()
    if not visible.strip("."):
        return ""
    suffix = PurePosixPath(visible).suffix[-20:]
    return visible[: NAME_LENGTH - len(suffix)].removesuffix(suffix) + suffix


# The rest is called by stylestudio.uploads.views.


def start(owner: User, purpose: Purpose, name: str, size: int, fingerprint: str) -> Upload:
    """Return the person's unfinished upload of this same file, or a new one. Raises Refused."""
    _check(purpose, name, size)
    same = hashlib.sha256(f"{size}\0{name}\0{fingerprint}".encode()).hexdigest()
    with transaction.atomic():
        # One start at a time per person: two at once would both find room.
        User.objects.select_for_update().get(pk=owner.pk)
        facts = {"owner": owner, "purpose": purpose.name, "fingerprint": same}
        begun = Upload.objects.filter(**facts, finished_at=None).first()
        if begun and not parts.is_here(begun):
            parts.cancel(begun)  # what another machine has of it is of no use here
            begun = None
        if begun:
            begun.updated_at = timezone.now()
            begun.save(update_fields=["updated_at"])
            return begun
        _make_room(owner, size)
        upload = Upload.objects.create(**facts, name=name, size=size, updated_at=timezone.now())
        parts.begin(upload)
        return upload


def _check(purpose: Purpose, name: str, size: int) -> None:
    if not name.lower().endswith(purpose.suffixes):
        endings = ", ".join(purpose.suffixes)
        raise Refused(_("Only files that end in %(endings)s can be used here.") % {"endings": endings})
    if size <= 0:
        raise Refused(_("This file is empty."))
    if size > purpose.most_bytes:
        sentence = _("This file is too large: at most %(most)s go through.")
        raise Refused(sentence % {"most": filesizeformat(purpose.most_bytes)}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _make_room(owner: User, size: int) -> None:
    """Raise Refused unless both the person's quota and the disk have room for `size` more bytes."""
    mine = Upload.objects.filter(owner=owner, finished_at=None)
    if not _fits(list(mine.values_list("size", flat=True)), size):
        for resting in mine.filter(updated_at__lt=timezone.now() - RESTING):
            parts.cancel(resting)
    if not _fits(list(mine.values_list("size", flat=True)), size):
        sentence = _("Too many of your uploads are on their way. Wait until some are complete, or cancel some.")
        raise Refused(sentence, HTTPStatus.TOO_MANY_REQUESTS)
    coming = Upload.objects.filter(finished_at=None).aggregate(sum=Sum(F("size") - F("received")))["sum"] or 0
    if shutil.disk_usage(parts.folder()).free < coming + size + RESERVE:
        raise parts.no_room()


def _fits(sizes: list[int], size: int) -> bool:
    return len(sizes) < MOST_UNFINISHED and sum(sizes) + size <= MOST_PENDING


def finish(request: StudioRequest, upload: Upload) -> HttpResponse:
    """Hand the complete file to its purpose, once; repeated calls get the same answer. Raises Elsewhere."""
    purpose = find(upload.purpose)
    purpose.may(request)
    with parts.locked(upload, patience=60):
        if upload.finished_at is None:
            if (received := parts.gather(upload)) != upload.size:
                raise Elsewhere(received)
            _hand_over(request, upload, purpose)
    parts.remove_files(upload)
    kept: dict[str, Any] = upload.answer
    return HttpResponse(kept["body"], status=kept["status"], headers=kept["headers"])


def _hand_over(request: StudioRequest, upload: Upload, purpose: Purpose) -> None:
    try:
        found = purpose.examine(upload)
        with _back_where_it_was(upload), transaction.atomic():
            _mark(upload, purpose.finished(request, upload, found))
    except Refused as refusal:
        _mark(upload, refusal_answer(refusal))


@contextmanager
def _back_where_it_was(upload: Upload) -> Iterator[None]:
    """Move back what `store` moved if the purpose fails afterwards, so that finishing is retried without new bytes."""
    try:
        yield
    except BaseException:
        if upload.moved_to:
            with suppress(OSError):
                Path(default_storage.path(upload.moved_to)).replace(upload.path)
        raise


def refusal_answer(refusal: Refused) -> HttpResponse:
    """The refusal as JSON for the page."""
    return JsonResponse({"error": str(refusal)}, status=refusal.status)


def _mark(upload: Upload, answer: HttpResponse | str) -> None:
    if isinstance(answer, HttpResponseRedirectBase):
        answer = answer.url
    if isinstance(answer, str):
        answer = JsonResponse({"location": answer})
    kept = {"status": answer.status_code, "headers": dict(answer.items()), "body": answer.text}
    now = timezone.now()
    unfinished = Upload.objects.filter(pk=upload.pk, finished_at=None)
    if not unfinished.update(finished_at=now, updated_at=now, answer=kept):
        raise Http404(_("This upload was cancelled."))
    upload.refresh_from_db()


def store(upload: Upload, name: str) -> str:
    """Move the file into the media storage as `name` and return the value for a FileField. Never use a name from
    outside.

    On the same disk nothing is copied. Raises OSError.
    """
    if isinstance(default_storage, FileSystemStorage):
        target = Path(default_storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            upload.path.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            target.chmod(settings.FILE_UPLOAD_PERMISSIONS or 0o600)
            upload.moved_to = name
            os.utime(target)  # its last part may have come long ago, and old files without a row are swept
            return name
    with upload.path.open("rb") as file:
        return default_storage.save(name, File(file, name=Path(name).name))
