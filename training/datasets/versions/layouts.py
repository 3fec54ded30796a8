"""A dataset in the layouts trainers read: folders of pictures with captions beside them, or with one table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from django.utils.text import slugify

from stylestudio.edge.downloads import FilesMissing
from stylestudio.images import png_texts
from stylestudio.media import lost_files
from training.datasets import picture_files
from training.datasets.crops.plan import frame
from training.datasets.models import Dataset, DatasetImage
from training.datasets.versions.snapshots import Frozen, Manifest

KOHYA, TABLE = "kohya", "jsonl"
LAYOUTS = (KOHYA, TABLE)
# The formats every trainer reads; sd-scripts silently ignores all others.
_READ_BY_ALL = {"PNG", "JPEG", "WEBP", "BMP"}
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]+')
_NUMBER = re.compile(r"\d{4}-")
MOST_FOLDER = 240  # bytes of a folder's name: file systems allow 255

File = tuple[str, bytes]  # path in the layout, content


def files(dataset: Dataset, manifest: Manifest, layout: str = KOHYA) -> Iterator[File]:
    """Yield all files of a dataset as in `manifest`; pictures that are left out of training are not included.

    kohya: `N_trigger/0001-name.png` and `N_trigger/0001-name.txt`, where N is the repeats and the text is the caption
    in the template, on one line. jsonl: `images/0001-name.png`, and `metadata.jsonl` with file_name, text (the same)
    and caption (without the template). Pictures are the files that were sent, except that formats that trainers ignore,
    refuse or misread the size of become PNG, transparent parts are flattened onto the picture's background or the
    dataset's ground, and a picture whose crop was moved is scaled and cropped to its bucket, so that no trainer can
    crop it elsewhere. Raises FilesMissing at once if a file is missing, and OSError and BadPicture while files are
    read.
    """
    # Queried here and not while files are read: that may happen in a thread without a connection of its own.
    found = DatasetImage.everything.filter(dataset=dataset).defer("measures", "descriptor").in_bulk()
    _expect(found[frozen.image] for frozen in manifest.included)
    return _files(dataset, manifest, layout, found)


def _expect(images: Iterable[DatasetImage]) -> None:
    """Raise FilesMissing for missing files: once a zip is being sent, errors can no longer be reported."""
    names = {str(image.file.name): image.source_name for image in images}
    if gone := lost_files.missing(names):
        raise FilesMissing([f"{names[name]} ({name})" for name in gone])


def _files(dataset: Dataset, manifest: Manifest, layout: str, found: dict[int, DatasetImage]) -> Iterator[File]:
    settings = Dataset(**manifest.settings)
    folder = _folder(dataset, settings) if layout == KOHYA else "images"
    rows = []
    for number, frozen in enumerate(manifest.included, 1):
        image = found[frozen.image]
        name = f"{number:04}-{_stem(image.source_name)}"
        ending, data = picture(image, frozen, settings, layout)
        text = " ".join(settings.compose(frozen.caption).split())
        yield f"{folder}/{name}{ending}", data
        if layout == TABLE:
            rows.append({"file_name": f"{folder}/{name}{ending}", "text": text, "caption": frozen.caption})
        elif text:
            yield f"{folder}/{name}.txt", text.encode()
    if layout == TABLE:
        yield "metadata.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _folder(dataset: Dataset, settings: Dataset) -> str:
    trigger = _UNSAFE.sub(" ", settings.trigger_words).strip(" .")
    name = f"{settings.repeats}_{trigger or dataset.slug}"
    return name.encode()[:MOST_FOLDER].decode(errors="ignore").strip()


def _stem(source_name: str) -> str:
    """The part of a name to use: words that every file system accepts, without the number of an earlier export."""
    stem = _NUMBER.sub("", PurePosixPath(source_name).stem, count=1)
    return slugify(stem, allow_unicode=True)[:60].strip("-") or "picture"


def picture(image: DatasetImage, frozen: Frozen, settings: Dataset, layout: str = KOHYA) -> tuple[str, bytes]:
    """A picture's file as a trainer gets it: its extension and its bytes."""
    with image.file.open("rb") as file:
        data = file.read()
    size = image.width, image.height
    cut = frame(size, settings.resolution, frozen.crop)
    moved = cut.usable and cut.offset != frame(size, settings.resolution).offset
    misread = (layout == KOHYA and _is_misread(data)) or png_texts.stops_others(BytesIO(data))
    if image.format in _READ_BY_ALL and not image.has_alpha and not moved and not misread:
        return picture_files.ENDINGS[image.format], data
    where = (cut.bucket, cut.box) if moved else ()
    return ".png", picture_files.trained(data, frozen.background or settings.ground, *where)


def _is_misread(data: bytes) -> bool:
    """Whether sd-scripts would misread the picture's size, and put it into another bucket.

    It uses imagesize 1.4.1, which reads both sides of a WebP with a profile, EXIF or XMP (VP8X) one pixel short.
    """
    return data.startswith(b"RIFF") and data[12:16] == b"VP8X"


def write(found: Iterable[File], folder: Path) -> int:
    """Write files below a folder. Returns how many. Raises OSError."""
    count = 0
    for name, data in found:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        count += 1
    return count
