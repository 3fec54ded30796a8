"""Sheets of pictures: which pictures, under which names, how they are laid out, and what came of it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation.atlases import words
from generation.derivations.sheets.wishes import Layout, Wish
from generation.pictures.models import GeneratedImage
from stylestudio.jobs.kinds import JobQuerySet, Status
from stylestudio.jobs.worker_job import FAULTS, WorkerJob
from stylestudio.people.visibility import PartQuerySet

MOST_NAME = 40


class AtlasJob(WorkerJob):
    """Makes a zip with one or more sheets and the files by which an engine finds the frames again.

    `frames` are [key of a picture, its name on the sheet], frozen when it is ordered, as are the `settings`, which
    `wish` reads. Its report: {"frames": 12, "sheets": 1, "empty": 0.08}, and "left", the pictures that were not there
    any more when it was ordered.
    """

    kind: ClassVar[str] = "atlas"
    faults = FAULTS | words.FAULTS

    name = models.CharField(max_length=MOST_NAME)
    frames = models.JSONField(default=list)
    settings = models.JSONField(default=dict)
    file = models.FileField(upload_to="outputs/atlases/%Y/%m", blank=True)
    picture = models.FileField(upload_to="outputs/atlases/%Y/%m", blank=True)  # of the first sheet, small
    size = models.BigIntegerField(default=0)  # of both files

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["AtlasJob"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("sheet")
        verbose_name_plural = _("sheets")
        indexes = [*WorkerJob.Meta.indexes, models.Index(fields=["project", "queued_at", "id"], name="atlasjob_list")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:atlas", args=[self.pk])

    def save_frames(self) -> None:
        """Store which pictures are on it, for their pages."""
        AtlasFrame.objects.bulk_create(
            [AtlasFrame(job=self, picture_id=key, name=name) for key, name in self.frames], batch_size=500
        )

    @property
    def title(self) -> str:
        """What it makes."""
        return str(_("Sheet: %(name)s") % {"name": self.name})

    @property
    def wish(self) -> Wish:
        """What kind of sheet it makes."""
        told = self.settings
        layout = Layout(
            most_side=told["most_side"], padding=told["padding"], border=told["border"],
            power_of_two=told["power_of_two"],
        )  # fmt: skip
        return Wish(self.name, told["engine"], trim=told["trim"], milliseconds=told["milliseconds"], layout=layout)

    @property
    def engine(self) -> str:
        """The game engine that it is for, in words."""
        return str(words.ENGINES[self.settings["engine"]])

    @property
    def outcome(self) -> str:
        """How many frames are on how many sheets."""
        if self.status != Status.COMPLETED:
            return ""
        frames, sheets = self.report["frames"], self.report["sheets"]
        of_frames = ngettext("%(number)s frame", "%(number)s frames", frames) % {"number": f"{frames:,}"}
        of_sheets = ngettext("%(number)s sheet", "%(number)s sheets", sheets) % {"number": f"{sheets:,}"}
        return f"{of_frames} · {of_sheets}"

    @property
    def empty_percent(self) -> int:
        """How much of its sheets is empty, in percent."""
        return round(100 * float(self.report.get("empty", 0)))

    @property
    def left_text(self) -> str:
        """That some of the selected pictures were left out."""
        left = int(self.report.get("left", 0))
        said = ngettext(
            "%(number)s selected picture was not there any more, and is left out.",
            "%(number)s selected pictures were not there any more, and are left out.",
            left,
        )
        return said % {"number": f"{left:,}"} if left else ""

    @property
    def can_retry(self) -> bool:
        """Whether it ended without a sheet."""
        return self.status in (Status.CANCELLED, Status.FAILED)

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("generation:atlas-cancel", args=[self.pk])


class FrameQuerySet(PartQuerySet["AtlasFrame"]):
    """Whoever sees a sheet sees what is on it."""

    part_of = "job"


class AtlasFrame(models.Model):
    """A picture on a sheet, and what it is called there."""

    job = models.ForeignKey(AtlasJob, on_delete=models.CASCADE, related_name="placed", db_index=False)
    picture = models.ForeignKey(GeneratedImage, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=200)

    objects = FrameQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "picture"], name="atlasframe_once")]
        indexes = [models.Index(fields=["picture", "job"], name="atlasframe_picture")]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.name}"
