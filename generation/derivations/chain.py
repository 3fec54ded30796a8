"""How a finished picture came about: the pictures that it was made of, back to the one that an engine made."""

from __future__ import annotations

from dataclasses import dataclass

from django.template.loader import render_to_string

from generation.derivations import words
from generation.derivations.models import Derivation
from generation.pictures.models import GeneratedImage
from stylestudio.people.access import StudioRequest

LONGEST = 50  # steps that are followed


@dataclass(frozen=True, slots=True)
class Link:
    """One picture of a chain. It has no address if the person may not see it, or if there is nothing left to see."""

    number: int
    address: str
    preset: str
    steps: str  # what was done with it
    picture: GeneratedImage | None


def origin(request: StudioRequest, picture: GeneratedImage) -> tuple[str, GeneratedImage] | None:
    """The rows of a picture's chain, and the picture at its beginning; None for one that an engine made."""
    found = links(request, picture)
    if not found:
        return None
    first = found[-1].picture or picture
    return render_to_string("generation/derivations/_chain.html", {"links": found}, request), first


def links(request: StudioRequest, picture: GeneratedImage) -> list[Link]:
    """The pictures that it was made of, the last step first."""
    found: list[Link] = []
    made = _of(picture.pk) if picture.task.derived else None
    while made and len(found) < LONGEST:
        source = made.source
        seen = source and GeneratedImage.everything.visible_to(request.user).filter(pk=source.pk).exists()
        address = source.get_absolute_url() if source and seen else ""
        said = "" if made.change else words.sentence(made.settings["steps"])
        found.append(Link(made.source_number, address, made.title, said, source if seen else None))
        made = _of(source.pk) if source else None
    return found


def _of(picture: int) -> Derivation | None:
    related = Derivation.objects.select_related("source__task__owner", "source__engine")
    return related.filter(picture=picture).first()
