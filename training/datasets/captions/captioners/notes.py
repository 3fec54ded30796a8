"""Captions from what comes with a picture: its prompt, notes inside its file, the words of the file's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from stylestudio.images import decoding as pictures
from stylestudio.picture_settings import containers, reading
from stylestudio.text import grammar
from training.datasets.captions.captioners.base import Proposal, Silence
from training.datasets.captions.operations import words_of
from training.datasets.models import MOST_CAPTION, DatasetImage

_MOST_WORDS = 2000  # characters up to which a note counts as a caption and not as a program
_LEAST_WORDS = 3
# What cameras and programs write into descriptions by themselves.
_ADVERTISING = re.compile(
    r"(created|made|edited|processed|generated) (with|by|using) |olympus digital camera|sony dsc|samsung|dav$|"
    r"screenshot$|lead technologies|file (source|written)|digital camera|minolta|exif_|cof$|sdr$|ycbcr|\W*$",
    re.IGNORECASE,
)
# What A1111 and SwarmUI read as a command, and SwarmUI's prompts for a part of the picture only.
_NETWORKS = re.compile(r"<(?:lora|lyco|hypernet|lbw|embed):[^<>]*>|<(?:segment|object|region|refiner|video|extend)\b.*")


class FromNotes:
    """Needs no model and no engine."""

    name = "notes"
    question = ""

    @property
    def label(self) -> str:
        """Its label."""
        return _("File names and notes")

    @property
    def needs(self) -> str:
        """What it works with."""
        return _(
            "Takes the prompt that a picture was made with, by this studio, ComfyUI, A1111 and others, a description "
            "inside the file, or the words of its name."
        )

    def trouble(self) -> str:
        """Always "": it needs nothing."""
        return ""

    def is_waiting(self) -> bool:
        """Never: it needs no engine."""
        return False

    def propose(self, images: Sequence[DatasetImage], question: str, check: Callable[[], None]) -> Iterator[Proposal]:
        """Propose the first of the three that says something."""
        prefetch_related_objects(list(images), "picture__task", "dataset")
        for image in images:
            prompt = image.picture.task.read if image.picture else ""
            texts = containers.Texts() if prompt else _texts(image)
            words = prompt or _words(reading.caption_of(texts)) or words_of(image.source_name)
            text = grammar.without_front(words, image.dataset.trigger_words)[:MOST_CAPTION]
            told = bool(texts.by_name.keys() & reading.NAMES)
            yield Proposal(text, silent="" if text else Silence.UNREAD if told else Silence.NOTHING)


def _texts(image: DatasetImage) -> containers.Texts:
    """The texts of the file; none if it cannot be read."""
    try:
        with image.file.open("rb") as handle:
            found = containers.texts_of(handle.read())
            if not found.by_name:  # TIFF, HEIC and others that only Pillow reads
                with pictures.open_picture(handle, pictures.MORE_FORMATS) as picture:
                    found = containers.texts_in(picture)
            return found
    except (*pictures.BROKEN, pictures.BadPicture):
        return containers.Texts()


def _words(prompt: str) -> str:
    """A prompt or note as a caption on one line; "" if it is too short or too long for one."""
    one_line = " ".join(prompt.replace("\0", "").split())
    words = " ".join(_NETWORKS.sub(" ", one_line).split()).strip(" ,")
    return words if _LEAST_WORDS <= len(words) <= _MOST_WORDS and not _ADVERTISING.match(words) else ""
