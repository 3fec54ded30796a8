"""Captions from what comes with a picture: its prompt, notes inside its file, the words of the file's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _
from PIL import ExifTags, Image

from stylestudio.images import decoding as pictures
from stylestudio.text import grammar
from training.datasets.captions.captioners import embedded_prompts
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
# ComfyUI and nodes for it write "prompt:{...}" and "workflow:{...}" into these tags of WebP and JPEG files.
_TAGS = (ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.XPComment)
_LABELLED = re.compile(r"(prompt|workflow):\s*(?=\{)", re.IGNORECASE)
_CHARSETS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16-be", bytes(8): "utf-8"}  # of EXIF's UserComment


class FromNotes:
    """Needs no model and no engine."""

    name = "notes"

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

    def propose(self, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
        """Propose the first of the three that says something."""
        prefetch_related_objects(list(images), "picture__task", "dataset")
        for image in images:
            prompt = image.picture.task.prompt if image.picture else ""
            texts = {} if prompt else _texts(image)
            words = prompt or _words(embedded_prompts.of_texts(texts)) or words_of(image.source_name)
            text = grammar.without_front(words, image.dataset.trigger_words)[:MOST_CAPTION]
            told = any(texts.get(name) for name in embedded_prompts.NAMES)
            yield Proposal(text, silent="" if text else Silence.UNREAD if told else Silence.NOTHING)


def _texts(image: DatasetImage) -> dict[str, str]:
    """The file's texts by lower-case name; empty if the file cannot be read."""
    try:
        with image.file.open("rb") as handle, pictures.open_picture(handle, pictures.MORE_FORMATS) as picture:
            found = {str(key).lower(): text for key, text in picture.info.items() if isinstance(text, str)}
            packet = picture.info.get("xmp") or found.get("xml:com.adobe.xmp", "")
            comment = picture.info.get("comment")
            if isinstance(comment, bytes):
                found["comment"] = comment.decode("utf-8", "replace")
            packed = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet
            told = {**embedded_prompts.xmp(packed), **_exif(picture), **found}
            if picture.format == "PNG" and not told.keys() & embedded_prompts.NAMES:
                told |= _behind_pixels(handle)
            return told
    except pictures.BROKEN:
        return {}


def _behind_pixels(file: IO[bytes]) -> dict[str, str]:
    """The texts of a PNG, including those after its pixels, which Pillow only reads once it has decoded them."""
    file.seek(0)
    found = {key.lower(): text for key, text in pictures.read_png_metadata(file.read()).items()}
    return {**embedded_prompts.xmp(found.get("xml:com.adobe.xmp", "")), **found}


def _exif(picture: Image.Image) -> dict[str, str]:
    """The texts of EXIF, under the names PNG files use for them."""
    exif = picture.getexif()
    # Fooocus writes it among the tags of the picture, where it does not belong.
    inner, outer = exif.get_ifd(ExifTags.IFD.Exif), exif
    comment = _comment(inner.get(ExifTags.Base.UserComment) or outer.get(ExifTags.Base.UserComment))
    found = {"usercomment": comment} if comment else {}
    for tag in _TAGS:
        text = _plain(exif.get(tag))
        if labelled := _LABELLED.match(text):
            found[labelled[1].lower()] = text[labelled.end() :]
        elif text and tag in (ExifTags.Base.ImageDescription, ExifTags.Base.XPComment):
            found.setdefault("description", text)
    return found


def _plain(value: object) -> str:
    if isinstance(value, bytes):  # Windows writes these
        return value.decode("utf-16-le", "replace").strip("\0 ")
    return value.strip("\0 ") if isinstance(value, str) else ""


def _comment(value: object) -> str:
    """Decode EXIF's UserComment, which starts with the name of its character set."""
    if not isinstance(value, bytes):
        return _plain(value)
    charset, text = _CHARSETS.get(value[:8]), value[8:]
    if charset == "utf-16-be" and text[1::2].count(0) > text[::2].count(0):
        charset = "utf-16-le"  # some write it in their machine's byte order
    return (text if charset else value).decode(charset or "utf-8", "replace").strip("\0 ")


def _words(prompt: str) -> str:
    """A prompt or note as a caption on one line; "" if it is too short or too long for one."""
    one_line = " ".join(prompt.replace("\0", "").split())
    words = " ".join(_NETWORKS.sub(" ", one_line).split()).strip(" ,")
    return words if _LEAST_WORDS <= len(words) <= _MOST_WORDS and not _ADVERTISING.match(words) else ""
