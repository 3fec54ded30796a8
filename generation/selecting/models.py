"""Work on many pictures, slice by slice, with what was really changed; and how somebody names files in zips."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from generation.selecting import actions
from stylestudio.jobs.kinds import JobQuerySet, Status
from stylestudio.jobs.worker_job import FAULTS, WorkerJob

DOWNLOAD = "download"  # the work that changes nothing and ends in a link
ZIP_SLICES = 20  # of a zip, with 500 pictures each; more come in several


class PictureJob(WorkerJob):
    """One action on many pictures.

    The pictures are in its slices. Those of a filter are put there first: all that it shows, up to the picture with the
    key `upto`, so that what arrives meanwhile is not touched. `report` has the number of pictures that were changed,
    and of those that were left by reason: {"changed": 48, "left": {"others": 2}}.
    """

    kind: ClassVar[str] = "pictures"
    faults = FAULTS | {
        "gone": _("What it was for is not there any more."),
        "no_room": _("There is not enough room on the disk for these pictures. Make room, then do it once more."),
    }

    work = models.CharField(max_length=30)  # the name of an action, or DOWNLOAD
    parameters = models.JSONField(default=dict)
    filters = models.TextField(blank=True)  # a query string of the gallery
    upto = models.BigIntegerField(null=True)
    reached = models.CharField(max_length=80, blank=True)  # the key of the last picture that was put into a slice
    is_gathered = models.BooleanField(default=True)
    next_slice = models.PositiveIntegerField(default=0, editable=False)
    undo_of = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="undos", editable=False)

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["PictureJob"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("work on pictures")
        verbose_name_plural = _("work on pictures")
        constraints = [
            *WorkerJob.Meta.constraints,
            # One Undo; one that was cancelled or failed can be repeated.
            models.UniqueConstraint(
                fields=["undo_of"],
                condition=Q(undo_of__isnull=False, status__in=(Status.QUEUED, Status.RUNNING, Status.COMPLETED)),
                name="picturejob_one_undo",
            ),
        ]
        indexes = [*WorkerJob.Meta.indexes, models.Index(fields=["project", "queued_at", "id"], name="picturejob_list")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:bulk-job", args=[self.pk])

    @property
    def is_download(self) -> bool:
        """Whether it makes a link to a zip."""
        return self.work == DOWNLOAD

    @property
    def title(self) -> str:
        """What is done, and with how many pictures as far as that is known."""
        action = actions.find(self.work)
        if action is None:
            return str(_("Download pictures"))
        return str(_("Undo: %s") % action.title) if self.undo_of_id else str(action.title)

    @property
    def parts(self) -> range:
        """The numbers of the zips that the pictures of a download come in."""
        return range(1, max(1, -(-self.slices.count() // ZIP_SLICES)) + 1)

    @property
    def changed(self) -> int:
        """How many pictures were changed."""
        return int(self.report.get("changed", 0))

    @property
    def left(self) -> int:
        """How many pictures were left as they are."""
        return sum(self.report.get("left", {}).values())

    @property
    def said(self) -> str:
        """What was done, and what was left and why, in the reader's language."""
        action = actions.find(self.work)
        if action is None:
            return ""
        if self.undo_of_id:
            return action.undone(self.changed)
        return " ".join([action.done(self.changed), *action.reasons(self.report.get("left", {}))])

    @property
    def can_undo(self) -> bool:
        """Whether it changed something that can be taken back. Whether that was done is asked when it is pressed."""
        action = actions.find(self.work)
        return bool(action and action.undo and self.changed and not self.undo_of_id)

    @property
    def result_url(self) -> str:
        """The wall that shows what it made; "" if it made nothing new."""
        action = actions.find(self.work)
        has_result = bool(action and action.result and self.changed and not self.undo_of_id)
        return f"{reverse('generation:gallery')}{action.result}" if action and has_result else ""

    @property
    def is_all_ordered(self) -> bool:
        """Whether its action was applied to all of its pictures."""
        return self.is_gathered and not self.slices.filter(number__gte=self.next_slice).exists()

    @property
    def look(self) -> str:
        """Its state on pages. It is at work from its first picture on, also while it waits for engines."""
        if self.status == Status.QUEUED and self.started_at:
            return "running"
        return super().look

    @property
    def can_go_on(self) -> bool:
        """Whether it ended before its last picture, and can be ordered for the others."""
        is_cut = self.status in (Status.CANCELLED, Status.FAILED)
        return is_cut and not self.undo_of_id and not self.is_download and (self.done < self.total or not self.total)

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("generation:bulk-cancel", args=[self.pk])

    @property
    def outcome(self) -> str:
        """What was done, and what was left and why."""
        return self.said

    @property
    def is_counted(self) -> bool:
        """Whether all pictures of the filter are in slices."""
        return self.is_gathered

    @property
    def is_partial(self) -> bool:
        """Whether pictures were left as they are."""
        return bool(self.left)

    @property
    def left_seconds(self) -> float | None:
        """About how many seconds until it ends; None before its speed or the number of pictures is known."""
        return super().left_seconds if self.is_gathered else None


class Slice(models.Model):
    """Some pictures of a job, in order. `changed` is what Undo needs, as their action writes it; empty until then."""

    job = models.ForeignKey(PictureJob, on_delete=models.CASCADE, related_name="slices", db_index=False)
    number = models.PositiveIntegerField()
    pictures = models.JSONField()  # keys
    changed = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="slice_once")]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.number}"


class FileNaming(models.Model):
    """How a person last named the files of a zip."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    template = models.CharField(max_length=200)
    sidecars = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.template
