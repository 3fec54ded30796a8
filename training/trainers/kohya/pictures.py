"""Lays the pictures of a training out as sd-scripts reads them: cut, on their background, each with its caption."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from stylestudio.media.storage import StoreUnreachable
from stylestudio.text import grammar
from training.datasets import picture_files
from training.runs.trainer import TrainingPicture

FOLDER = "dataset"


class Unusable(OSError):
    """A picture that cannot be trained on."""

    def __init__(self, picture: TrainingPicture, words: str) -> None:
        super().__init__(words)
        self.picture = picture


def folder_name(repeats: int, trigger: str) -> str:
    """Such as dataset/10_gouachefield painting, which other programs around sd-scripts understand too."""
    words = " ".join(re.sub(r"[^\w -]+", " ", trigger).split())[:60].strip()
    return f"{FOLDER}/{repeats}_{words or 'style'}"


def lay_out(target: Path, pictures: Sequence[TrainingPicture], wanted: Callable[[int], None]) -> None:
    """Write every picture as PNG with its caption beside it; what is there already is kept.

    `wanted` is told before each how many are done, and may raise. Raises Unusable for a picture that cannot be read or
    cut, and OSError where one cannot be written.
    """
    target.mkdir(parents=True, exist_ok=True)
    for done, picture in enumerate(pictures):
        wanted(done)
        (target / f"{picture.name}.txt").write_bytes(caption(picture))
        file = target / f"{picture.name}.png"
        if not file.exists():
            aside = file.with_suffix(".part")
            aside.write_bytes(cut(picture))
            aside.replace(file)


def caption(picture: TrainingPicture) -> bytes:
    """The file of its caption, which is read up to the first line break; an empty file would be refused.

    sd-scripts reads letter by letter, so weights and backslashes before parentheses stay out of it.
    """
    return f"{' '.join(grammar.for_sd_scripts(picture.caption).split())}\n".encode()


def check(picture: TrainingPicture) -> None:
    """Raises Unusable for a picture that is too small for any bucket."""
    if not all(picture.bucket):
        size = f"{picture.width}x{picture.height} pixels"
        raise Unusable(picture, f"Picture {picture.name} is {size}: no bucket is that small.")


def cut(picture: TrainingPicture) -> bytes:
    """The part that is trained, in the size of its bucket, flat. sd-scripts has nothing to scale or cut then.

    Raises Unusable for a picture that cannot be read, or is too small for any bucket.
    """
    check(picture)
    try:
        return picture_files.trained(picture.open(), picture.background, picture.bucket, picture.crop)
    except StoreUnreachable:  # no fault of the picture
        raise
    except (OSError, picture_files.BadPicture) as error:
        raise Unusable(picture, f"{picture.name}: {error}") from error


_COMPLAINT = re.compile(r"error|cannot|could not|truncated", re.I)
_FILE = re.compile(r"(\d+)(?:_\w+)?\.(?:png|npz)")  # latents are kept in NUMBER_SIZE_sdxl.npz


def blamed(lines: Sequence[str], pictures: Sequence[TrainingPicture]) -> str:
    """The dataset's name for the picture whose file the last complaint of sd-scripts names; "" if none does."""
    sources = {picture.name: picture.source for picture in pictures}
    found = [name for line in lines if _COMPLAINT.search(line) for name in _FILE.findall(line) if name in sources]
    return sources[found[-1]] if found else ""
