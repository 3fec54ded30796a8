"""Pictures as a zip that is made while it leaves: neither the disk nor the memory holds more than a few of them.

A file that is missing is named in a text file at the end of the zip. Any other trouble ends the connection, so that
nobody takes half of the pictures for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import PurePosixPath

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext

from generation.pictures.models import GeneratedImage, TaskStyle
from generation.selecting import sidecars
from generation.selecting.actions import SLICE
from generation.selecting.models import ZIP_SLICES, PictureJob
from generation.selecting.names import DEFAULT, Names, fill
from generation.selecting.selection import visible_of

VALID = timedelta(days=1)  # how long a link can be used
MISSING = "missing-files.txt"
CHUNK = 100  # pictures that are looked up together

Made = tuple[GeneratedImage, Sequence[TaskStyle]]


def is_valid(job: PictureJob) -> bool:
    """Whether its links can still be used."""
    return bool(job.ended_at and job.ended_at > timezone.now() - VALID)


def name(job: PictureJob, part: int, total: int) -> str:
    """The name of a zip."""
    day = f"{timezone.localtime(job.queued_at):%Y-%m-%d}"
    return f"pictures-{day}-{part}.zip" if total > 1 else f"pictures-{day}.zip"


def files(job: PictureJob, part: int) -> Iterator[tuple[str, bytes]]:
    """The files of one zip, from 1, with their names. May be iterated in any thread.

    Pictures that the job's owner may no longer see are left out, and so are those in the trash. Raises OSError.
    """
    template, has_sidecars = job.parameters.get("template", DEFAULT), bool(job.parameters.get("sidecars"))
    begin = (part - 1) * ZIP_SLICES
    names, missing, language = Names(), [], translation.get_language()
    names.take(PurePosixPath(MISSING).stem, ".txt")
    for number in range(begin, begin + ZIP_SLICES):
        keys = _keys(job, number)
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            for place, (picture, mix) in enumerate(look_up(job.owner, chunk), number * SLICE + start + 1):
                ending = PurePosixPath(str(picture.file.name)).suffix
                facts = sidecars.name_facts(picture, mix, place, job.total)
                stem = names.take(fill(template, facts), ending, *([".json"] if has_sidecars else []))
                try:
                    with picture.file.open("rb") as file:
                        data = file.read()
                except FileNotFoundError:
                    missing.append(f"{stem}{ending} (#{picture.pk}, {picture.file.name})")
                else:
                    yield stem + ending, data
                if has_sidecars:
                    yield f"{stem}.json", sidecars.as_json(sidecars.settings(picture, mix))
    if missing:
        with translation.override(language):
            yield MISSING, _told(missing).encode()


def _told(missing: Sequence[str]) -> str:
    said = ngettext(
        "The file of %(number)d picture is missing in the studio:",
        "The files of %(number)d pictures are missing in the studio:",
        len(missing),
    ) % {"number": len(missing)}
    remedy = gettext("Whoever looks after the studio can put them back from a backup.")
    return "\n".join([said, *missing, remedy, ""])


def _keys(job: PictureJob, number: int) -> list[int]:
    try:
        found = job.slices.filter(number=number).values_list("pictures", flat=True).first()
    finally:
        _leave()
    return list(found or ())


def look_up(user: User, keys: Sequence[int]) -> list[Made]:
    """The pictures that the person may see, in this order, with what is told of them."""
    try:
        rows = visible_of(user, keys).select_related("task__owner").defer("prompt")
        found = {picture.pk: picture for picture in rows}
        mixes: defaultdict[int, list[TaskStyle]] = defaultdict(list)
        tasks = {picture.task_id for picture in found.values()}
        for row in TaskStyle.objects.filter(task__in=tasks).select_related("version__style").order_by("position"):
            mixes[row.task_id].append(row)
        made: list[Made] = [(found[key], mixes[found[key].task_id]) for key in keys if key in found]
        for picture, _mix in made:
            _preset = picture.task.frame  # read now: the files come without a connection
        return made
    finally:
        _leave()


def _leave() -> None:
    """Keep no connection while the client takes its time: threads that send files are many."""
    if not connection.in_atomic_block:
        connection.close()
