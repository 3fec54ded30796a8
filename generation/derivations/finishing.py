"""From the file of a picture to the file of a finished one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from PIL import Image

from generation.derivations import sources
from generation.derivations.steps import catalogue, digests, files, palettes, seams
from generation.derivations.steps.canonical import of_settings

Plan = Mapping[str, Any]  # see `catalogue.read_plan`
_REPEATS = {"seamless", "offset"}  # steps of tiles, whose seam is measured
MADE_BY = "StyleStudio"


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished picture with all that is known of it."""

    data: bytes
    width: int
    height: int
    has_alpha: bool
    sha256: str
    pixels: str
    source_sha256: str
    source_pixels: str
    remarks: tuple[str, ...]
    measures: Mapping[str, Any]
    seconds: float


def finish(data: bytes, plan: Plan) -> Finished:
    """Carry out a plan. May be called in any thread. Raises BadPicture and Unfit."""
    begun = time.thread_time()
    checked = catalogue.read_plan(plan)
    source = sources.read(data)
    image = catalogue.apply(source.image, checked["steps"])
    names = {each["step"] for each in checked["steps"]}
    measures: dict[str, Any] = {"colours": palettes.colours_in(image)} if "palette" in names else {}
    if names & _REPEATS:
        measures["seam"] = round(seams.seam(image), 2)
    return written(image, data, source, checked, measures=measures, begun=begun)


def written(
    image: Image.Image,
    data: bytes,
    source: sources.Source,
    settings: Plan,
    *,
    measures: Mapping[str, Any],
    begun: float,
    remarks: Sequence[str] = (),
) -> Finished:
    """An RGBA picture as a file that says what it was made of: `source`, whose file is `data`, with these settings.

    `begun`: the thread's processor time when the work began, in seconds.
    """
    source_sha256, source_pixels = digests.of_file(data), digests.of_pixels(source.image)
    facts = {
        "made_by": MADE_BY,
        "source_sha256": source_sha256,
        "source_pixels": source_pixels,
        "settings": settings,
        "libraries": digests.libraries(),
    }
    made = files.write(
        image,
        format=settings["format"],
        keep_hidden=settings["keep_hidden"],
        profile=source.profile,
        facts=facts,
    )
    return Finished(
        data=made,
        width=image.width,
        height=image.height,
        has_alpha=image.getchannel("A").getextrema() != (255, 255),
        sha256=digests.of_file(made),
        pixels=digests.of_pixels(image),
        source_sha256=source_sha256,
        source_pixels=source_pixels,
        remarks=(*source.remarks, *remarks),
        measures=measures,
        seconds=time.thread_time() - begun,
    )


def key_of(source: int, person: int, plan: Plan) -> UUID:
    """What a person has one picture of."""
    named = {
        "source": source,
        "person": person,
        "settings": catalogue.read_plan(plan),
        "libraries": digests.libraries(),
    }
    return UUID(of_settings(named)[:32])
