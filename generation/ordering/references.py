"""Pictures to start from: cleaned, and stored once; and the job of the first picture that another was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any

from django.contrib.auth.models import User
from django.core.signing import BadSignature, Signer
from django.db.models import Value
from django.utils.translation import gettext as _

from generation.controls import models as controls
from generation.masks import models as masks
from generation.pictures.models import GeneratedImage, GenerationTask, Reference
from stylestudio.images import decoding
from stylestudio.media.stored_once import stored_once

# A gallery picture of 2048 × 2048 may be larger than the limit for uploads.
MOST_OF_OURS = 64 * 2**20


def add_reference(file: IO[bytes], user: User) -> Reference:
    """Check, clean and store an uploaded picture; equal pixels are stored once. Raises BadPicture."""
    return keep(decoding.read_reference(file), user)


def reference_from(picture: GeneratedImage, user: User) -> Reference:
    """A gallery picture as a reference. Raises BadPicture if its file is missing."""
    try:
        with picture.file.open("rb") as handle:
            reference = keep(decoding.read_reference(handle, most_bytes=MOST_OF_OURS), user)
    except FileNotFoundError:
        raise decoding.BadPicture(
            _("The file of this picture is missing, so it cannot be used as a reference.")
        ) from None
    Reference.objects.filter(pk=reference.pk).update(picture=picture)
    return reference


def ticket(reference: int, user: User) -> str:
    """What forms of this person call a reference by its key: equal pixels are stored once, whoever may see them, and
    a key alone would show anybody what somebody else started from.
    """
    return _signer(user).sign(str(reference))


def of_ticket(text: object, user: User) -> Reference | None:
    """The reference; None if the text is no ticket of this person, or the reference is gone."""
    try:
        key = _signer(user).unsign(str(text))
    except BadSignature:
        return None
    return Reference.objects.filter(pk=key).first()


def _signer(user: User) -> Signer:
    return Signer(salt=f"reference of {user.pk}")


def sent_at_once(address: Any, name: str, place: str) -> dict[str, Any]:
    """Attributes of the input of a file that is sent as soon as it is chosen, so that mistakes show before Generate:
    the answer takes the place with this id.
    """
    return {
        "hx-post": address,
        "hx-trigger": "change consume",
        "hx-sync": "this:replace",
        "hx-encoding": "multipart/form-data",
        "hx-params": name,
        "hx-target": f"#{place}",
        "hx-swap": "outerHTML",
    }


def shown(reference: Reference | None, user: User) -> dict[str, Any]:
    """The template context of `_reference.html`."""
    return {"reference": reference, "ticket": ticket(reference.pk, user) if reference else ""}


def uses(pictures: Sequence[int], _person: User | None = None) -> Iterator[tuple[int, str]]:
    """What waiting or running jobs do with these pictures, with a sentence for each. One question for all."""
    active = GenerationTask.everything.active().filter(reference__picture__in=pictures).order_by()
    asked = {
        _("Reference of a job that is not finished"): active.values_list("reference__picture"),
        _("Holds the form of a job that is not finished"): controls.sources_in_use(pictures),
        _("Given to a job that is not finished"): controls.asked_in_use(pictures),
        _("Is edited by a job that is not finished"): masks.sources_in_use(pictures),
    }
    first, *others = (rows.annotate(does=Value(number)) for number, rows in enumerate(asked.values()))
    sentences = list(asked)
    for picture, number in sorted(first.union(*others)):
        yield picture, sentences[number]


def keep(clean: decoding.Reference, user: User) -> Reference:
    """Store a cleaned picture; equal ones are stored once."""
    return stored_once(Reference, clean.sha256, clean.png, ".png", owner=user)
