"""What folder names mean: kohya's repeats and trigger words, or numbers that mean something else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from training.datasets.collecting.sources import Contents, kohya

_NUMBERED = re.compile(r"([0-9]{1,4})_(.*)")
# reg, reg_woman, 1_reg: optionally with kohya's repeats before and the class after.
_REGULARISATION = re.compile(
    r"(?:[0-9]{1,4}_)?(?:regs?(?:[_-].+|[ ]?(?:images?|imgs?|pics|pictures|data|dir|set))?"
    r"|regulari[sz]ations?(?:[ _-].*)?|class[ _-]?(?:images?|imgs?|pics|pictures|data)"
    r"|正则(?:化|图|集|图片|化图片|化图像)?|正則化.*)",
    re.IGNORECASE,
)
# Cameras number folders from 100 and append five characters (DCF), which makers choose.
_CAMERA = re.compile(r"[1-9][0-9]{2}_[0-9A-Z]{4}")
_MAKERS = re.compile(
    r"_(?:PANA|FUJI|OLYM|CANO|NIKO|SONY|PENT|RICO|LEIC|KODA|CASI|SAMS|GOPR|DJI.|APPL|SIGM|HASS|MSDC|[0-9]{4})"
)
_CAMERA_FILE = re.compile(
    r"(?:DSC|DSCN|DSCF|_DSC|IMG_|_MG_|IMGP|PICT|SAM_|MVI_|GOPR|GX|DJI_|PXL_|CIMG|HPIM|SDC)_?\d+.*|[PRLSF]\d{6,8}",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,4}(?:[ _.-]\d{1,4})*")
# Folder names that say nothing about the content.
_DULL = {"data", "dataset", "image", "images", "img", "imgs", "pics", "pictures", "photos", "train", "training"}


class Why(StrEnum):
    """How numbered folders were interpreted."""

    KOHYA = "kohya"  # repeats and trigger words
    SEVERAL = "several"  # several concepts, of which a dataset can have one
    NUMBERING = "numbering"  # 01_Characters: an order, not repeats
    CAMERA = "camera"
    MAYBE_CAMERA = "maybe_camera"


@dataclass(frozen=True, slots=True)
class Concept:
    """A folder `N_words` and its number of pictures. `trigger` is "" if the words say nothing."""

    folder: str
    repeats: int
    trigger: str
    pictures: int


@dataclass(frozen=True, slots=True)
class Folders:
    """The concepts found, the folder with most pictures first. `choice`: the one that counts; None:
    none, or unknown.
    """

    concepts: tuple[Concept, ...]
    why: Why
    choice: int | None

    @property
    def is_asked(self) -> bool:
        """Whether only a person can decide."""
        return self.choice is None and self.why in {Why.SEVERAL, Why.MAYBE_CAMERA}


def read(names: Iterable[str]) -> Folders | None:
    """Interpret the folders of these pictures; None if none is called `N_words`."""
    paths = [PurePosixPath(name) for name in names]
    counted = Counter(path.parent.name for path in paths)
    concepts = [found for name, count in counted.most_common() if (found := _concept(name, count))]
    if not concepts:
        return None
    why = _why(concepts, paths)
    return Folders(tuple(concepts), why, 0 if why is Why.KOHYA else None)


def _concept(folder: str, pictures: int) -> Concept | None:
    found = kohya([folder])
    if found is None:
        return None
    repeats, words = found
    return Concept(folder, repeats, "" if words.casefold() in _DULL else words[:200], pictures)


def _why(concepts: Sequence[Concept], paths: Sequence[PurePosixPath]) -> Why:
    if any(concept.folder.startswith("0") or _DATE.fullmatch(concept.trigger) for concept in concepts):
        # A camera's folder may have four digits after its number.
        return Why.CAMERA if all(_CAMERA.fullmatch(concept.folder) for concept in concepts) else Why.NUMBERING
    if all(_CAMERA.fullmatch(concept.folder) for concept in concepts):
        return Why.CAMERA if _is_camera(concepts, paths) else Why.MAYBE_CAMERA
    return Why.KOHYA if len({concept.trigger.casefold() for concept in concepts}) == 1 else Why.SEVERAL


def _is_camera(concepts: Sequence[Concept], paths: Sequence[PurePosixPath]) -> bool:
    """Whether the evidence is for a camera: its maker's letters, its folder DCIM, or the names of the pictures."""
    if all(_MAKERS.search(concept.folder) for concept in concepts):
        return True
    if any("DCIM" in path.parts for path in paths):
        return True
    return sum(bool(_CAMERA_FILE.fullmatch(path.stem)) for path in paths) > len(paths) / 2


# --- Regularisation


def leave_out(contents: Contents, others: Iterable[str] = ()) -> list[str]:
    """Remove regularisation pictures and their captions from a source. Returns their names.

    They show what the style is *not*. If a source has nothing else, they are wanted, unless their folder belongs to a
    larger one from which `others`, the dataset's names of pictures, came before.
    """
    prefixes = {prefix for member in contents.pictures if (prefix := _regularisation(member.name))}
    if not prefixes:
        return []
    out = [member.name for member in contents.pictures if _regularisation(member.name)]
    if len(out) == len(contents.pictures) and not _are_beside(prefixes, others):
        return []
    for shelf in (contents.pictures, contents.captions, contents.tables):
        shelf[:] = [member for member in shelf if not _regularisation(member.name)]
    return out


def is_left_out(name: str, others: Iterable[str]) -> bool:
    """Whether a picture added alone is a regularisation picture of what came before."""
    prefix = _regularisation(name)
    return bool(prefix) and _are_beside({prefix}, others)


def _are_beside(prefixes: set[str], others: Iterable[str]) -> bool:
    """Whether folders of regularisation pictures belong to a larger one whose other pictures are in the dataset."""
    roots = {PurePosixPath(prefix).parts[0] for prefix in prefixes if "/" in prefix}
    return any(PurePosixPath(name).parts[0] in roots and not _regularisation(name) for name in others)


def _regularisation(name: str) -> str:
    """The path of the folder of regularisation pictures that a file is in; "" for other files."""
    parts = PurePosixPath(name).parts[:-1]
    place = next((place for place, part in enumerate(parts) if _REGULARISATION.fullmatch(part.strip())), None)
    return "" if place is None else "/".join(parts[: place + 1])
