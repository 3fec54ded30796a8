"""Jobs that take pictures over, and which picture came with which of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from generation.engines.models import Engine
from generation.pictures.models import GeneratedImage
from stylestudio.jobs.kinds import JobQuerySet, Status
from stylestudio.jobs.worker_job import FAULTS, WorkerJob
from stylestudio.templatetags.studio import thousands

MOST_PATH = 500  # characters of a file's path below the folder


class TakeOver(WorkerJob):
    """One folder, archive or history whose pictures are taken over. It counts the files that were looked at.

    Its report: {"taken": n, "known": n, "skipped": n, "unread": n, "refused": [[path, reason], …], "refused_count": n}
    """

    kind: ClassVar[str] = "takeover"
    faults = FAULTS | {
        "bad_archive": _("This archive cannot be read. Pack it again as a zip file and send it once more."),
        "no_room": _("There is not enough room on the disk for these pictures. Make room, then take them over again."),
        "gone": _("The folder or file is not there any more, or the studio may not read it."),
        "outside": _("This folder is not in one of those that pictures may be taken over from."),
        "engine": _("The engine did not answer. Look at the engines on the Queue page, then try again."),
    }

    class Source(models.TextChoices):
        """Where the files are."""

        FOLDER = "folder", _("Folder")
        ARCHIVE = "archive", _("Archive")
        HISTORY = "history", _("History of an engine")

    source = models.CharField(max_length=10, choices=Source.choices)
    folder = models.CharField(max_length=1000, blank=True)  # on the studio's machine
    file = models.FileField(upload_to="uploads/takeovers/%Y/%m", blank=True)  # an archive, until it is taken over
    engine = models.ForeignKey(Engine, null=True, on_delete=models.PROTECT, related_name="+")
    source_name = models.CharField(max_length=200, blank=True)
    removed_at = models.DateTimeField(null=True, editable=False)  # its pictures were moved to the trash

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["TakeOver"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("take-over")
        verbose_name_plural = _("take-overs")
        indexes = [*WorkerJob.Meta.indexes, models.Index(fields=["project", "queued_at", "id"], name="takeover_list")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:takeover", args=[self.pk])

    @property
    def title(self) -> str:
        """What is taken over."""
        return gettext("Take over: %s") % (self.source_name or self.get_source_display())

    @property
    def can_go_on(self) -> bool:
        """Whether it ended before its last file, and its files are still where they were: what is here is left out."""
        return self.source == self.Source.FOLDER and self.status in (Status.CANCELLED, Status.FAILED)

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("generation:takeover-cancel", args=[self.pk])

    @property
    def counts_text(self) -> str:
        """What became of the files, in one line."""
        counted = (
            (ngettext_lazy("%(number)s picture taken over", "%(number)s pictures taken over", "count"), "taken"),
            (ngettext_lazy("%(number)s was here already", "%(number)s were here already", "count"), "known"),
            (
                ngettext_lazy("%(number)s other file left alone", "%(number)s other files left alone", "count"),
                "skipped",
            ),
            (ngettext_lazy("%(number)s without settings", "%(number)s without settings", "count"), "unread"),
        )
        return " · ".join(
            words % {"count": number, "number": thousands(number)}
            for words, name in counted
            if (number := self.report.get(name, 0)) or name == "taken"
        )


class TakenPicture(models.Model):
    """Where a picture of the gallery came from. `path` is that of its file in the source."""

    picture = models.OneToOneField(GeneratedImage, primary_key=True, on_delete=models.CASCADE, related_name="origin")
    takeover = models.ForeignKey(TakeOver, on_delete=models.PROTECT, related_name="pictures", db_index=False)
    path = models.CharField(max_length=MOST_PATH)

    class Meta:
        indexes = [models.Index(fields=["takeover", "picture"], name="takenpicture_takeover")]
        constraints = [models.CheckConstraint(condition=~Q(path=""), name="takenpicture_has_a_path")]

    def __str__(self) -> str:
        return self.path
