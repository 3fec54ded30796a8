"""The pictures and captions of a training as files on an engine.

An engine caches a folder by its name alone, so a folder is named after its content, and never changed once it is
complete. No engine has a way to delete one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stylestudio.comfy.client import ComfyClient
from stylestudio.media.storage import StoreUnreachable
from stylestudio.text import grammar
from training.datasets import picture_files
from training.datasets.picture_files import Box, Size
from training.runs.trainer import TrainingPicture

RECIPE = 2  # raise it if the same picture would be encoded differently
ROOT = "train"


class Unreadable(Exception):
    """A picture of the dataset cannot be read. The text is its name and the reason."""


class Occupied(Exception):
    """The engine already has another file of this name in the folder."""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture as it is sent to the engine."""

    picture: TrainingPicture
    size: Size
    caption: str


def items(pictures: Sequence[TrainingPicture], *, mixed: bool, stand_in: str) -> tuple[list[Item], int, int]:
    """What to send, how many pictures are resized, and how many get `stand_in` as caption.

    Unless `mixed`, all get the most frequent size, and a caption: such an engine accepts nothing else.
    """
    if mixed:
        return [Item(picture, picture.bucket, _caption(picture)) for picture in pictures], 0, 0
    size = Counter(picture.bucket for picture in pictures).most_common(1)[0][0]
    every = [Item(picture, size, _caption(picture) or grammar.for_comfyui(stand_in)) for picture in pictures]
    resized = sum(picture.bucket != size for picture in pictures)
    return every, resized, sum(not picture.caption.strip() for picture in pictures)


def _caption(picture: TrainingPicture) -> str:
    """The engine reads captions as it reads prompts, so literal parentheses need backslashes."""
    return grammar.for_comfyui(picture.caption.strip())


def folder_name(every: Sequence[Item]) -> str:
    """The folder of these items on an engine: the same items always have the same one."""
    facts = [
        [
            item.picture.name,
            item.picture.storage_name,
            item.picture.crop,
            item.picture.background,
            item.size,
            item.caption,
        ]
        for item in every
    ]
    digest = hashlib.sha256(json.dumps([RECIPE, facts]).encode()).hexdigest()
    return f"{ROOT}/stylestudio_{digest[:20]}"


def encoded(item: Item) -> bytes:
    """The picture cropped, flattened onto its background and resized, as a PNG. Raises Unreadable."""
    picture = item.picture
    if not min(item.size):
        raise Unreadable(f"{picture.name}: {picture.width} × {picture.height} pixels are too few")
    try:
        return picture_files.trained(picture.open(), picture.background, item.size, _fitted(picture.crop, item.size))
    except StoreUnreachable:  # not the picture's fault
        raise
    except (OSError, picture_files.BadPicture) as error:
        raise Unreadable(f"{picture.name}: {error}") from error


def _fitted(crop: Box, size: Size) -> Box:
    """The largest box of this shape in the centre of the crop."""
    left, top, right, bottom = crop
    width, height = right - left, bottom - top
    scale = min(width / size[0], height / size[1])
    across, down = (width - scale * size[0]) / 2, (height - scale * size[1]) / 2
    return left + across, top + down, right - across, bottom - down


async def send(client: ComfyClient, folder: str, item: Item, png: bytes) -> None:
    """Upload one picture and its caption into the folder. Raises Occupied, or what `ComfyClient.upload_image` does.

    If the engine already has the same bytes there, nothing changes.
    """
    await _put(client, folder, f"{item.picture.name}.png", png)
    if item.caption:
        await _put(client, folder, f"{item.picture.name}.txt", item.caption.encode())


async def _put(client: ComfyClient, folder: str, name: str, data: bytes) -> None:
    stored = await client.upload_image(data, name, subfolder=folder)
    if stored.filename != name:
        raise Occupied(f"{folder}/{name}")
