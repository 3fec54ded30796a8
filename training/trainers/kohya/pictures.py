"""Lays the pictures of a training out as sd-scripts reads them: cut, on their background, each with its caption."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from stylestudio import grammar
from training.datasets import take
from training.trainers import TrainingPicture

FOLDER = "dataset"


def folder_name(repeats: int, trigger: str) -> str:
    """Such as dataset/10_gouachefield painting, which other programs around sd-scripts understand too."""
    words = " ".join(re.sub(r"[^\w -]+", " ", trigger).split())[:60].strip()
    return f"{FOLDER}/{repeats}_{words or 'style'}"


def lay_out(target: Path, pictures: Sequence[TrainingPicture], wanted: Callable[[int], None]) -> None:
    """Write every picture as PNG with its caption beside it; what is there already is kept.

    `wanted` is told before each how many are done, and may raise. Raises OSError for a picture that cannot be read.
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
    """Raises OSError for a picture that is too small for any bucket."""
    if not all(picture.bucket):
        raise OSError(f"Picture {picture.name} is {picture.width}x{picture.height} pixels: no bucket is that small.")


def cut(picture: TrainingPicture) -> bytes:
    """The part that is trained, in the size of its bucket, flat. sd-scripts has nothing to scale or cut then.

    Raises OSError for a picture that cannot be read, or is too small for any bucket.
    """
    check(picture)
    try:
        return take.trained(picture.open(), picture.background, picture.bucket, picture.crop)
    except take.BadPicture as error:
        raise OSError(f"{picture.name}: {error}") from error
