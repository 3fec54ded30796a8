"""What engines get of a picture, and what they send laid on the picture's own pixels.

Engines read pictures as RGB with 8 bits and without a profile. So they get the values as they are, with the colours of
what shows behind what is clear, and the studio puts transparency and profile back.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from generation.changing.wanting import FACTORS
from generation.derivations import rows, sources
from generation.derivations.finishing import Finished, written
from generation.derivations.models import Derivation
from generation.derivations.steps import ground
from generation.derivations.steps.limits import require
from generation.making.source_pictures import Stored
from generation.masks.models import SourceGone
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.images import decoding


@dataclass(frozen=True, slots=True)
class Sent:
    """What engines get of a picture, and the hash of its file."""

    reference: decoding.Reference
    sha256: str


def sent(recipe: Recipe, data: bytes) -> Sent:
    """What engines get for this. Raises BadPicture, and Unfit if the result would be too large."""
    image = sources.read(data).image
    factor = FACTORS.get(recipe.name, 1)
    require(image.width * factor, image.height * factor)
    file = BytesIO()
    ground.filled(image).save(file, "PNG", compress_level=1)
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    return Sent(decoding.Reference(file.getvalue(), *image.size, digest), hashlib.sha256(data).hexdigest())


def finished(task: GenerationTask, made: bytes) -> Stored | None:
    """The picture to store for what an engine made of another one; None if the task is no such change.

    Raises SourceGone, BadPicture if what the engine sent cannot be decoded, and OSError.
    """
    facts = task.derived
    if "change" not in facts:
        return None
    source = GeneratedImage.everything.filter(pk=facts["source"]).first()
    recipe = registry.of(task.snapshot)
    result = laid(recipe, file_of(source, facts["source_sha256"]), made, task.snapshot["files"])
    assert source  # it has a file
    return Stored(result.data, lambda picture: _keep(picture, source, recipe, result), source.name)


def file_of(source: GeneratedImage | None, sha256: str) -> bytes:
    """The file of a picture. Raises SourceGone if that is another one, or missing, and OSError."""
    if source is None or not source.file:
        raise SourceGone
    try:
        with source.file.open("rb") as handle:
            data = bytes(handle.read())
    except FileNotFoundError as error:
        raise SourceGone from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SourceGone
    return data


def laid(recipe: Recipe, data: bytes, made: bytes, files: dict[str, str]) -> Finished:
    """What an engine sent, `made`, laid on the picture whose file is `data`. Raises BadPicture."""
    begun = time.thread_time()
    source = sources.read(data)
    settings = _settings(recipe, files)
    if "mask" in recipe.outputs:
        image, remarks = _cut_out(source.image, _decoded(made, "L"))
    else:
        image, remarks = _enlarged(source.image, _decoded(made, "RGB"), FACTORS[recipe.name])
    return written(image, data, source, settings, measures={}, begun=begun, remarks=remarks)


def _settings(recipe: Recipe, files: dict[str, str]) -> dict[str, Any]:
    how = {"change": recipe.name, "recipe": recipe.facts, "files": files}
    return {"steps": [{"step": recipe.name}], "format": "png", "keep_hidden": False, **how}


def _decoded(data: bytes, mode: str) -> Image.Image:
    with decoding.open_picture(data) as image:
        try:
            return image.convert(mode)
        except decoding.BROKEN as error:
            raise decoding.broken() from error


def _cut_out(image: Image.Image, mask: Image.Image) -> tuple[Image.Image, list[str]]:
    mask = mask if mask.size == image.size else mask.resize(image.size, Image.Resampling.BICUBIC)
    made = ground.cut_out(image, mask)
    least, most = made.getchannel("A").getextrema()
    if not most:
        return made, ["all_cut"]
    return made, ["nothing_cut"] if (least, most) == (255, 255) else []


def _enlarged(image: Image.Image, made: Image.Image, factor: int) -> tuple[Image.Image, list[str]]:
    size = image.width * factor, image.height * factor
    if made.size == size:
        return ground.enlarged(image, made), []
    remark = "stretched" if made.width < size[0] else "reduced"
    return ground.enlarged(image, made.resize(size, Image.Resampling.LANCZOS)), [remark]


def _keep(picture: GeneratedImage, source: GeneratedImage, recipe: Recipe, result: Finished) -> None:
    """The row beside that of the stored picture, in its transaction."""
    change: Any = getattr(picture.task, "picture_change", None)
    key = change.key if change else None
    if key:  # one that was deleted for good, or whose job was made again, has it no more
        Derivation.objects.filter(key=key).update(key=None)
    settings = _settings(recipe, picture.task.snapshot["files"])
    made = rows.Made(source, str(picture.file.name), key, result)
    rows.derivation(picture, made, "", settings).save(force_insert=True)
