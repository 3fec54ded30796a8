"""Lists, their rows, what was ordered of each row, the jobs that order them, and the studio's lists of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from generation.pictures.models import GenerationTask, Reference
from generation.selecting import names
from stylestudio.jobs.kinds import JobQuerySet, Status
from stylestudio.jobs.worker_job import FAULTS, WorkerJob
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import OwnedQuerySet, PartQuerySet, Visibility, VisibleQuerySet

MOST_NAME = 80  # letters of a list's name
MOST_WORDS = 200_000  # characters of a list of words


class LiveLists(models.Manager["OrderList"]):
    """Lists that are not in the trash."""

    def get_queryset(self) -> OwnedQuerySet[OrderList]:
        return OwnedQuerySet["OrderList"](self.model, using=self._db).filter(deleted_at=None)


class OrderList(InProject):
    """A table of pictures to make.

    `table` has the rows as they were read, `{"rows": [[…]], "numbers": […]}`, and `columns` what each of their columns
    is; it is null until somebody said so. `choices` are what holds for rows that say nothing of it: {"recipe": …,
    "style": …}. `axes` are those of a grid: [["steps", ["4", "8"]], …], at most three.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="order_lists", db_index=False
    )
    visibility = models.CharField(
        _("who sees it"), max_length=10, choices=Visibility.choices, default=Visibility.TEAM, blank=False
    )
    name = models.CharField(_("name"), max_length=MOST_NAME)
    table = models.JSONField(default=dict, editable=False)
    columns = models.JSONField(null=True, editable=False)
    choices = models.JSONField(default=dict, editable=False)
    axes = models.JSONField(default=list, editable=False)
    remarks = models.JSONField(default=list, editable=False)  # of the reader, in the language of who brought it
    chooses_words = models.BooleanField(_("{a|b} and __words__ choose"), default=False)
    is_paused = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ordered_at = models.DateTimeField(null=True, editable=False)  # first; until then it is a draft
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveLists.from_queryset(OwnedQuerySet)()
    everything = OwnedQuerySet["OrderList"].as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        base_manager_name = "everything"
        verbose_name = _("list")
        verbose_name_plural = _("lists")
        indexes = [
            models.Index(fields=["project", "created_at", "id"], condition=Q(deleted_at=None), name="orderlist_list"),
            models.Index(fields=["owner"], name="orderlist_owner"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("generation:list", args=[self.pk])

    @property
    def is_private(self) -> bool:
        """Whether only its owner sees it."""
        return self.visibility == Visibility.PRIVATE

    @cached_property
    def held(self) -> ListHold | None:
        """What holds the form of all its pictures; None if nothing does."""
        return ListHold.objects.filter(order_list=self).select_related("source").first()

    @cached_property
    def run(self) -> ListRun | None:
        """Its newest job; None if nothing was ordered yet."""
        return self.runs.select_related("owner").order_by("-queued_at", "-pk").first()


class ListHold(models.Model):
    """What holds the form of all pictures of a list: the picture, and what the fields of the form said beside it."""

    order_list = models.OneToOneField(OrderList, on_delete=models.CASCADE, related_name="hold")
    source = models.ForeignKey(Reference, on_delete=models.PROTECT, related_name="+")
    fields = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.order_list_id}: {self.fields.get('control')}"


class RowQuerySet(PartQuerySet["ListRow"]):
    """Rows of lists."""

    part_of = "order_list"


class ListRow(models.Model):
    """A row: what its cells say, by column, as texts.

    `seed` is drawn when the row is read, and counts if its cells name none: what is chosen by it stays. Whoever changes
    a row raises `revision`, of which it is ordered once. `frozen` is what was chosen for that: {"prompt": …}.
    """

    order_list = models.ForeignKey(OrderList, on_delete=models.CASCADE, related_name="rows", db_index=False)
    position = models.PositiveIntegerField()
    number = models.PositiveIntegerField()  # in the spreadsheet
    cells = models.JSONField(default=dict)
    place = models.JSONField(default=list)  # in a grid: which value of each axis, from 0
    seed = models.BigIntegerField()
    pictures = models.PositiveSmallIntegerField(default=1)
    revision = models.PositiveIntegerField(default=1)
    frozen = models.JSONField(default=dict)
    is_left_out = models.BooleanField(default=False)

    objects = RowQuerySet.as_manager()

    class Meta:
        ordering = ["order_list", "position"]
        constraints = [models.UniqueConstraint(fields=["order_list", "position"], name="listrow_position_once")]

    def __str__(self) -> str:
        return f"{self.order_list_id}: {self.number}"


class RowTask(models.Model):
    """A job of a row. Each revision is ordered once; what its pictures lack is ordered by retries of that."""

    row = models.ForeignKey(ListRow, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    revision = models.PositiveIntegerField()
    task = models.OneToOneField(GenerationTask, on_delete=models.CASCADE, related_name="list_row")
    is_retry = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["row", "revision"], condition=Q(is_retry=False), name="rowtask_once_a_revision"
            )
        ]
        indexes = [models.Index(fields=["row", "task"], name="rowtask_row")]

    def __str__(self) -> str:
        return f"{self.row_id}: {self.task_id}"


class ListRun(WorkerJob):
    """Orders the rows of a list, a few at a time, until all have ended. It counts pictures.

    Its report: {"begun": n, "made": n, "failed": n, "wrong": {key of a row: [number, reason], …}}, where `begun`
    pictures were there before it.
    """

    kind: ClassVar[str] = "list"
    faults: ClassVar[Mapping[str, object]] = FAULTS | {"gone": _("The list is not there any more.")}

    order_list = models.ForeignKey(OrderList, on_delete=models.CASCADE, related_name="runs", db_index=False)
    makes_again = models.BooleanField(default=False)  # what ended without all pictures before it

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["ListRun"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("order of a list")
        verbose_name_plural = _("orders of lists")
        constraints = [
            *WorkerJob.Meta.constraints,
            models.UniqueConstraint(
                fields=["order_list"], condition=Q(ended_at__isnull=True), name="listrun_one_at_a_time"
            ),
        ]
        indexes = [
            *WorkerJob.Meta.indexes,
            models.Index(fields=["project", "queued_at", "id"], name="listrun_project"),
            models.Index(fields=["order_list", "queued_at", "id"], name="listrun_list"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:list", args=[self.order_list_id])

    @property
    def title(self) -> str:
        """The name of the list."""
        return self.order_list.name

    @property
    def look(self) -> str:
        """Its state on pages. It is at work from its first row on, also while no worker has it in hand."""
        if self.status == Status.QUEUED and self.started_at:
            return "running"
        return super().look

    @property
    def is_partial(self) -> bool:
        """Whether it has ended without some of its pictures."""
        return bool(self.report.get("failed"))

    @property
    def wrong_rows(self) -> list[list[Any]]:
        """The first rows that could not be ordered: number and reason."""
        return list(self.report.get("wrong", {}).values())[:10]

    @property
    def outcome(self) -> str:
        """What came of it, if that is not all."""
        if not self.is_partial:
            return ""
        return str(_("%(made)d of %(total)d pictures")) % {"made": self.report.get("made", 0), "total": self.total}

    @property
    def left_seconds(self) -> float | None:
        """About how many seconds until it ends, as fast as it was so far; None before its first picture."""
        new = self.done - int(self.report.get("begun", 0))
        if self.started_at is None or new <= 0:
            return None
        passed: float = (timezone.now() - self.started_at).total_seconds()
        return passed / new * max(self.total - self.done, 0)

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("generation:list-cancel", args=[self.order_list_id])

    @property
    def arrives(self) -> str:
        """What the page of its list asks for anew."""
        return f"list-{self.order_list_id}"


class ContactSheet(WorkerJob):
    """Draws all pictures of a list as one, with their names, or of a grid with the values of its axes."""

    kind: ClassVar[str] = "contactsheet"
    faults: ClassVar[Mapping[str, object]] = FAULTS | {
        "none": _("There is no picture yet."),
        "no_room": _("There is not enough room on the disk for this picture. Make room, then try again."),
    }

    order_list = models.ForeignKey(OrderList, on_delete=models.CASCADE, related_name="sheets", db_index=False)
    file = models.FileField(upload_to="outputs/lists/%Y/%m", blank=True)
    size = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["ContactSheet"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("picture of a list")
        verbose_name_plural = _("pictures of lists")
        constraints = [
            *WorkerJob.Meta.constraints,
            models.UniqueConstraint(
                fields=["order_list"], condition=Q(ended_at__isnull=True), name="contactsheet_one_at_a_time"
            ),
        ]
        indexes = [
            *WorkerJob.Meta.indexes,
            models.Index(fields=["project", "queued_at", "id"], name="contactsheet_project"),
            models.Index(fields=["order_list", "queued_at", "id"], name="contactsheet_list"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:list-drawn", args=[self.pk])

    @property
    def title(self) -> str:
        """What it makes."""
        return str(_("One picture of %(name)s") % {"name": self.order_list.name})

    @property
    def file_name(self) -> str:
        """What its file is called when it is downloaded."""
        return f"{names.clean(self.order_list.name)}.png"

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("generation:list-drawn-cancel", args=[self.pk])


class WordList(InProject):
    """Words from which a prompt with `__name__` takes one, one a line. Curators write them."""

    name = models.CharField(
        _("name"),
        max_length=40,
        validators=[
            RegexValidator(r"^[^\W_]+(?:[_-][^\W_]+)*\Z", _("Use letters and digits, with single - or _ between."))
        ],
    )
    words = models.TextField(_("words, one a line"), max_length=MOST_WORDS)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet["WordList"].as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("list of words")
        verbose_name_plural = _("lists of words")
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="wordlist_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def lines(self) -> list[str]:
        """Its words; empty lines and those that begin with # are none."""
        stripped = (line.strip() for line in self.words.splitlines())
        return [line for line in stripped if line and not line.startswith("#")]
