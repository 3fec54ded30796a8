"""Jobs that take pictures over, and which picture came with which of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from generation.engines.models import Engine
from generation.pictures.models import GeneratedImage
from stylestudio.jobs.kinds import Job, JobQuerySet

MOST_PATH = 500  # characters of a file's path below the folder


class TakeOver(Job):
    """One folder, archive or history whose pictures are taken over."""

    kind: ClassVar[str] = "takeover"

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
    # Files looked at, and in total; what is stored is not stored again after a crash.
    done = models.PositiveIntegerField(default=0, editable=False)
    total = models.PositiveIntegerField(default=0, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    # {"taken": n, "known": n, "skipped": n, "unread": n, "refused": [[path, reason], …], "refused_count": n}
    report = models.JSONField(default=dict, editable=False)
    removed_at = models.DateTimeField(null=True, editable=False)  # its pictures were moved to the trash

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["TakeOver"].as_manager()

    class Meta(Job.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("take-over")
        verbose_name_plural = _("take-overs")
        indexes = [*Job.Meta.indexes, models.Index(fields=["project", "queued_at", "id"], name="takeover_list")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:takeover", args=[self.pk])

    @property
    def title(self) -> str:
        """What is taken over."""
        return gettext("Take over: %s") % (self.source_name or self.get_source_display())

    @property
    def look(self) -> str:
        """Its state on pages: waiting, running, done, partial, failed or cancelled."""
        names = {"queued": "waiting", "completed": "partial" if self.report.get("refused") else "done"}
        return names.get(self.status, str(self.status))

    @property
    def left_seconds(self) -> float | None:
        """About how many seconds until it ends; None before its speed is known."""
        if self.started_at is None or not self.done:
            return None
        passed: float = (timezone.now() - self.started_at).total_seconds()
        return passed / self.done * (self.total - self.done)

    @property
    def explanation(self) -> str:
        """Why it failed, and what to do, in the reader's language."""
        return str(_SENTENCES.get(self.error_kind, _SENTENCES["internal"]))

    @property
    def refused_count(self) -> int:
        """The number of files that could not be taken; the report names the first of them."""
        return int(self.report.get("refused_count", 0))

    @property
    def counts_text(self) -> str:
        """What became of the files, in one line."""
        report = self.report
        taken, known = report.get("taken", 0), report.get("known", 0)
        said = [ngettext("%(number)s picture taken over", "%(number)s pictures taken over", taken) % {"number": taken}]
        if known:
            said.append(
                ngettext("%(number)s was here already", "%(number)s were here already", known) % {"number": known}
            )
        if skipped := report.get("skipped", 0):
            text = ngettext("%(number)s other file left alone", "%(number)s other files left alone", skipped)
            said.append(text % {"number": skipped})
        if unread := report.get("unread", 0):
            said.append(
                ngettext("%(number)s without settings", "%(number)s without settings", unread) % {"number": unread}
            )
        return " · ".join(said)


_SENTENCES = {
    "bad_archive": _("This archive cannot be read. Pack it again as a zip file and send it once more."),
    "storage": _("A file could not be stored. Check whether the disk is full, then take it over once more."),
    "no_room": _("There is not enough room on the disk for these pictures. Make room, then take them over again."),
    "gone": _("The folder or file is not there any more, or the studio may not read it."),
    "outside": _("This folder is not in one of those that pictures may be taken over from."),
    "engine": _("The engine did not answer. Look at the engines on the Queue page, then try again."),
    "crashed": _("The worker was killed three times over this. Perhaps it needs more memory; the log says more."),
    "internal": _("Something went wrong inside the studio. The log says more."),
}  # fmt: skip


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
