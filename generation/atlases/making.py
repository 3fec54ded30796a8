"""Making a sheet: its pictures are read some at a time, and its files put in place at once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.utils import timezone

from generation.atlases import words
from generation.atlases.models import AtlasJob
from generation.derivations import sources
from generation.derivations.making import THREADS
from generation.derivations.sheets.making import Sheet, make
from generation.derivations.sheets.pieces import Frame, NoSheet
from generation.pictures.models import GeneratedImage
from generation.selecting.selection import visible_of
from stylestudio.images import decoding
from stylestudio.images.decoding import BadPicture
from stylestudio.media import identity
from stylestudio.media.storage import all_or_nothing
from stylestudio.processes import worker_jobs
from stylestudio.processes.worker_jobs import Failed, Run, require_room

CHUNK = 500  # pictures that are looked up together
SHOWN_SIDE = 1024  # of the small picture
_MOMENT = (1980, 1, 1, 0, 0, 0)  # in every zip, so that the same files make the same bytes


def run(run: Run[AtlasJob]) -> None:
    """Make the sheet of a job and put it in place, unless an earlier worker did."""
    job = run.job
    if job.file:
        return  # a worker died between this and the end
    pictures = _pictures(job)
    require_room(sum(each.size for each in pictures.values()))
    total = len(job.frames)
    try:
        sheet = make(_frames(job, run, pictures), job.wish, drawn=lambda: run.step(total, total, now=True))
    except NoSheet as error:
        raise Failed(error.reason, words.listed(error.names)) from error
    _put(job, sheet)


def _pictures(job: AtlasJob) -> dict[int, GeneratedImage]:
    """Its pictures by key. Raises Failed if one is not there any more."""
    keys = [key for key, _name in job.frames]
    starts = range(0, len(keys), CHUNK)
    found = {row.pk: row for start in starts for row in visible_of(job.owner, keys[start : start + CHUNK])}
    if gone := [name for key, name in job.frames if key not in found]:
        raise Failed("gone", words.listed(gone))
    return found


def _frames(job: AtlasJob, run: Run[AtlasJob], pictures: dict[int, GeneratedImage]) -> Iterator[Frame]:
    """The frames in their order, no more of them in the memory than there are threads."""
    total = len(job.frames)
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, total, THREADS):
            run.step(start, total)
            some = job.frames[start : start + THREADS]
            yield from pool.map(lambda each: _frame(pictures[each[0]], each[1]), some)
    run.step(total, total)


def _frame(picture: GeneratedImage, name: str) -> Frame:
    try:
        with picture.file.open("rb") as file:
            data = file.read()
        return Frame(name, sources.read(data).image)
    except FileNotFoundError as error:
        raise Failed("missing", name) from error
    except BadPicture as error:
        raise Failed("broken", name) from error


def _put(job: AtlasJob, sheet: Sheet) -> None:
    """Store the files, and name them in the row. Raises Stopped if the job no longer runs."""
    data, picture = _zipped(sheet), decoding.thumbnail(next(iter(sheet.files.values())), SHOWN_SIDE)
    folder, name = f"outputs/atlases/{timezone.now():%Y/%m}", identity.new_names()
    report = {**job.report, "frames": sheet.frames, "sheets": sheet.pages, "empty": round(sheet.empty, 4)}
    stored: dict[str, Any] = {"size": len(data) + len(picture)}
    with all_or_nothing() as noted:
        for column, suffix, content in (("file", ".zip", data), ("picture", ".webp", picture)):
            stored[column] = noted(f"{folder}/{name(suffix)}")
            identity.storage().put(stored[column], content)
        worker_jobs.advance(job, is_further=True, report=report, **stored)


def _zipped(sheet: Sheet) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sheet.files.items():
            is_picture = name.endswith(".png")
            how = zipfile.ZIP_STORED if is_picture else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), data, how)
    return out.getvalue()
