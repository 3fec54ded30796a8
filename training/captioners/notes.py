"""Captions from what comes with a picture: its prompt, notes inside its file, the words of the file's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from stylestudio import images as pictures
from training.captioners.base import Proposal
from training.datasets.operations import words_of
from training.models import MOST_CAPTION, DatasetImage

_DESCRIPTION = 270  # the EXIF tag ImageDescription
_TEXTS = ("caption", "description", "parameters", "comment")  # text chunks of PNG files that may hold words
_MOST_WORDS = 2000  # characters of a note that is still a caption and not a program


class FromNotes:
    """Needs no model and no engine."""

    name = "notes"

    @property
    def label(self) -> str:
        """What people choose."""
        return _("File names and notes")

    @property
    def needs(self) -> str:
        """What it works with."""
        return _("Takes the prompt of a picture of ours, a description inside the file, or the words of its name.")

    def trouble(self) -> str:
        """It always works."""
        return ""

    def propose(self, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
        """The first of the three that says something."""
        prefetch_related_objects(list(images), "picture__task")
        for image in images:
            prompt = image.picture.task.prompt if image.picture else ""
            yield Proposal((prompt or _inside(image) or words_of(image.source_name))[:MOST_CAPTION])


def _inside(image: DatasetImage) -> str:
    """What the file says of itself in words; "" where it says nothing, or cannot be read."""
    try:
        with image.file.open("rb") as handle, pictures.open_picture(handle, pictures.MORE_FORMATS) as picture:
            texts = {str(key).lower(): text for key, text in picture.info.items() if isinstance(text, str)}
            notes = [texts.get(key, "") for key in _TEXTS]
            notes.append(str(picture.getexif().get(_DESCRIPTION, "")))
    except pictures.BROKEN:
        return ""
    return next((words for note in notes if (words := _words(note))), "")


def _words(note: str) -> str:
    """A note as a caption: of settings that programs write only the prompt, and nothing of what machines read."""
    prompt = note.split("\nNegative prompt:")[0].split("\nSteps:")[0].replace("\0", "").strip()
    if not 3 <= len(prompt) <= _MOST_WORDS or prompt[0] in "{[<":
        return ""
    return " ".join(prompt.split())
