"""How a picture came about: the pictures that it was made of, back to the one that an engine made of words."""

from __future__ import annotations

from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from generation.derivations import words
from generation.derivations.models import Derivation
from generation.masks.models import Edit
from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.people.access import StudioRequest

LONGEST = 50  # steps that are followed
_STORY = ("source__task__owner", "source__engine")


@dataclass(frozen=True, slots=True)
class Link:
    """One picture of a chain. It has no address if the person may not see it, or if there is nothing left to see."""

    number: int
    address: str
    title: str
    steps: str  # what was done with it
    picture: GeneratedImage | None
    edit: Edit | None = None  # with which a part of it was made anew


def origin(request: StudioRequest, picture: GeneratedImage) -> tuple[str, GeneratedImage] | None:
    """The rows of a picture's chain, and the picture at its beginning; None for one that an engine made of words."""
    found = links(request, picture)
    if not found:
        return None
    first = found[-1].picture or picture
    return render_to_string("generation/derivations/_chain.html", {"links": found}, request), first


def links(request: StudioRequest, picture: GeneratedImage) -> list[Link]:
    """The pictures that it was made of, the last step first."""
    found: list[Link] = []
    at: GeneratedImage | None = picture
    while at and len(found) < LONGEST and (made := _derivation(at) or _edit(at)):
        at = made.source
        found.append(_link(request, made))
    return found


def _link(request: StudioRequest, made: Derivation | Edit) -> Link:
    source = made.source
    seen = source and GeneratedImage.everything.visible_to(request.user).filter(pk=source.pk).exists()
    address, shown = (source.get_absolute_url(), source) if source and seen else ("", None)
    if isinstance(made, Edit):
        facts = made.task.snapshot["edit"]
        is_seen = GenerationTask.everything.visible_to(request.user).filter(pk=made.task_id).exists()
        return Link(facts["source"], address, _("Edited with a mask"), "", shown, made if is_seen else None)
    said = "" if made.change else words.sentence(made.settings["steps"])
    return Link(made.source_number, address, made.title, said, shown)


def _derivation(picture: GeneratedImage) -> Derivation | None:
    if not picture.task.derived:
        return None
    return Derivation.objects.select_related(*_STORY).filter(picture=picture.pk).first()


def _edit(picture: GeneratedImage) -> Edit | None:
    if picture.task.derived or picture.task.mode != GenerationTask.Mode.IMAGE:
        return None
    return Edit.objects.select_related(*_STORY, "task", "mask").filter(task=picture.task_id).first()
