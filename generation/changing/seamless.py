"""Tiles that repeat: moved by half, so that the seams meet in the middle, mended there as an edit, and moved back.

No engine of ours draws round the edges, so this is how a picture is made seamless. How much its seam shows is measured
before and after.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import replace
from io import BytesIO
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image

from generation.changing.laying import file_of
from generation.derivations import rows, sources
from generation.derivations.finishing import Finished, written
from generation.derivations.steps import ground, seams
from generation.making.source_pictures import Stored
from generation.masks import geometry, models, pasting, pixels
from generation.masks.facts import EditFacts, of_snapshot
from generation.masks.models import Parts
from generation.ordering import orders, references
from generation.ordering.orders import Order
from generation.pictures import snapshots
from generation.pictures.models import GeneratedImage, GenerationTask, Reference
from generation.recipes import registry
from stylestudio.images import decoding

STEP = "mend_seam"
DENOISE = 0.75  # enough to forget the seam, and to keep what is around it


def make(picture: GeneratedImage, user: User, request_id: uuid.UUID | None) -> GenerationTask:
    """Order it, with the prompt and styles of the picture. Raises ValidationError with the reason if it cannot be."""
    try:
        with picture.file.open("rb") as file:
            data = bytes(file.read())
        moved = seams.offset(sources.read(data).image)
    except (FileNotFoundError, decoding.BadPicture) as error:
        raise ValidationError(_("The file of this picture is missing, or cannot be read.")) from error
    if max(moved.size) > geometry.MOST_CANVAS or min(moved.size) < geometry.LEAST:
        raise ValidationError(_("Pictures of 64 to 4096 pixels a side can be made seamless."))
    order = _order(picture, user, data, moved)
    facts = {"source": picture.pk, "source_sha256": hashlib.sha256(data).hexdigest(), "seamless": True}
    task = picture.task
    return orders.place(order, user, request_id=request_id, is_face=True, visibility=task.visibility, derived=facts)


def _order(picture: GeneratedImage, user: User, data: bytes, moved: Image.Image) -> Order:
    box, size = geometry.whole(moved.size)
    mask = seams.cross(*moved.size)
    drawn = models.keep(mask.tobytes(), *mask.size)
    sent = models.keep(pixels.sent(mask, box, size).tobytes(), *size)
    facts = EditFacts(
        source=picture.pk,
        source_sha256=hashlib.sha256(data).hexdigest(),
        mask=drawn.sha256,
        sent_mask=sent.sha256,
        margins=(0, 0, 0, 0),
        canvas=moved.size,
        box=box,
        detail=False,
        solid=False,
    )
    parts = Parts(facts, picture, drawn, sent)
    asked = orders.order_of(picture.task)
    own = snapshots.files_in(picture.task.first.snapshot)
    if "edit" not in asked.recipe.graphs:  # nothing of its settings means anything to another recipe
        usual = registry.default()
        given = replace(asked.given, asked={})
        asked, own = replace(asked, recipe=usual, given=given, **orders.told(usual.defaults)), {}
    return replace(
        asked,
        prompt=asked.prompt or str(asked.recipe.title),
        count=1,
        seed=None,
        width=size[0],
        height=size[1],
        denoise=DENOISE,
        reference=_reference(moved, size, picture, user),
        edit=parts,
        own_files=own,
    )


def _reference(moved: Image.Image, size: tuple[int, int], picture: GeneratedImage, user: User) -> Reference:
    flat = ground.filled(moved)
    file = BytesIO()
    (flat if flat.size == size else flat.resize(size, Image.Resampling.LANCZOS)).save(file, "PNG", compress_level=1)
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    kept = references.keep(decoding.Reference(file.getvalue(), *size, digest), user)
    Reference.objects.filter(pk=kept.pk).update(picture=picture)
    return kept


def finished(task: GenerationTask, made: bytes) -> Stored | None:
    """The picture to store: the source with the mended cross; None if the task is no such one.

    Raises SourceGone, BadPicture if what the engine sent cannot be decoded, and OSError.
    """
    told = task.derived
    if "seamless" not in told:
        return None
    source = GeneratedImage.everything.filter(pk=told["source"]).first()
    facts = of_snapshot(task.snapshot)
    assert facts  # it was ordered as an edit
    result = mended(file_of(source, told["source_sha256"]), made, models.read(task.edit.mask), facts, _settings(task))
    assert source  # it has a file
    row = rows.Made(source, "", None, result)

    def keep(picture: GeneratedImage) -> None:
        rows.derivation(picture, row, "", _settings(task)).save(force_insert=True)

    return Stored(result.data, keep, source.name)


def _settings(task: GenerationTask) -> dict[str, Any]:
    how = {"seamless": True, "recipe": task.made_by, "mask": task.snapshot["edit"]["mask"], "denoise": DENOISE}
    return {"steps": [{"step": STEP}], "format": "png", "keep_hidden": False, **how}


def mended(data: bytes, made: bytes, mask: bytes, facts: EditFacts, settings: dict[str, Any]) -> Finished:
    """The picture whose file is `data`, moved, with what an engine made laid through the mask, and moved back.

    Raises BadPicture.
    """
    begun = time.thread_time()
    source = sources.read(data)
    moved = BytesIO()
    seams.offset(source.image).save(moved, "PNG", compress_level=1)
    with Image.open(BytesIO(pasting.pasted(moved.getvalue(), made, mask, facts))) as laid:
        image = seams.offset_back(laid.convert("RGBA"))
    before, after = round(seams.seam(source.image), 2), round(seams.seam(image), 2)
    measures = {"seam": after, "seam_before": before}
    remarks = [] if after < before else ["not_better"]
    return written(image, data, source, settings, measures=measures, begun=begun, remarks=remarks)
