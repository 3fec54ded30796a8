"""Writes the pictures of a training in the form sd-scripts reads: cropped, flattened, each with its caption."""

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
    """A picture that cannot be used for training."""

    def __init__(self, picture: TrainingPicture, words: str) -> None:
        super().__init__(words)
        self.picture = picture


def folder_name(repeats: int, trigger: str) -> str:
    """Such as dataset/10_gouachefield painting, which other programs around sd-scripts understand too."""
    words = " ".join(re.sub(r"[^\w -]+", " ", trigger).split())[:60].strip()
    return f"{FOLDER}/{repeats}_{words or 'style'}"


def lay_out(target: Path, pictures: Sequence[TrainingPicture], wanted: Callable[[int], None]) -> None:
    """Write every picture as PNG with its caption beside it; existing pictures are not written again.

    `wanted` is called before each with the number done, and may raise. Raises Unusable for a picture that cannot be
    read or cropped, and OSError if one cannot be written.
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
    """The content of its caption file, which is read up to the first line break; an empty file would be refused.

    sd-scripts takes captions literally, so weights and backslashes before parentheses are removed.
    """
    return f"{' '.join(grammar.for_sd_scripts(picture.caption).split())}\n".encode()


def check(picture: TrainingPicture) -> None:
    """Raise Unusable for a picture that is too small for any bucket."""
    if not all(picture.bucket):
        size = f"{picture.width}x{picture.height} pixels"
        raise Unusable(picture, f"Picture {picture.name} is {size}: no bucket is that small.")


def cut(picture: TrainingPicture) -> bytes:
    """The trained part, in the size of its bucket and flattened, so that sd-scripts need not scale or crop it.

    Raises Unusable for a picture that cannot be read, or is too small for any bucket.
    """
    check(picture)
    try:
        return picture_files.trained(picture.open(), picture.background, picture.bucket, picture.crop)
    except StoreUnreachable:  # not the picture's fault
        raise
    except (OSError, picture_files.BadPicture) as error:
        raise Unusable(picture, f"{picture.name}: {error}") from error


_COMPLAINT = re.compile(r"error|cannot|could not|truncated", re.I)
_FILE = re.compile(r"(\d+)(?:_\w+)?\.(?:png|npz)")  # latents are cached in NUMBER_SIZE_sdxl.npz


def blamed(lines: Sequence[str], pictures: Sequence[TrainingPicture]) -> str:
    """The dataset's name of the picture whose file the last complaint of sd-scripts names; "" if none does."""
    sources = {picture.name: picture.source for picture in pictures}
    found = [name for line in lines if _COMPLAINT.search(line) for name in _FILE.findall(line) if name in sources]
    return sources[found[-1]] if found else ""
