"""The models of trainings: their checkpoints, sample pictures, losses and log."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from generation.pictures.models import GeneratedImage
from styles.models import StyleVersion
from stylestudio.jobs.kinds import Job, JobQuerySet, may_run
from stylestudio.people.visibility import PartQuerySet
from training.datasets.models import MOST_NAME, DatasetSnapshot
from training.runs import faults, remaining
from training.runs.phases import Doing


class TrainingJob(Job):
    """One training of a style on a frozen version of a dataset. The order never changes."""

    kind: ClassVar[str] = "training"

    class Stop(models.TextChoices):
        """How somebody wants it to stop while it runs."""

        NO = "", _("Goes on")
        KEEP = "keep", _("Stop and keep checkpoints")
        FORCE = "force", _("Force stop")

    name = models.CharField(_("name"), max_length=MOST_NAME)
    style = models.ForeignKey("styles.Style", on_delete=models.PROTECT, related_name="trainings")
    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.PROTECT, related_name="trainings")
    trainer = models.CharField(_("trainer"), max_length=40, default="comfyui")  # a name of known_trainers
    # Every parameter by name, see training.runs.parameters; the hash identifies equal configurations.
    config = models.JSONField()
    config_sha256 = models.CharField(max_length=64)
    seed = models.PositiveBigIntegerField()
    base = models.CharField(_("base checkpoint"), max_length=255)
    trigger_words = models.CharField(max_length=200, blank=True)
    probes = models.JSONField(default=list)  # [[prompt, seed], ...] of the sample pictures
    # Included pictures of the frozen version to skip, because no trainer could use them: see `unfit`.
    left_out = models.JSONField(default=list, blank=True, editable=False)
    step = models.PositiveIntegerField(default=0, editable=False)
    steps = models.PositiveIntegerField()
    epoch = models.PositiveIntegerField(default=0, editable=False)
    engine = models.ForeignKey(
        "engines.Engine", null=True, on_delete=models.PROTECT, related_name="trainings", editable=False
    )
    stop = models.CharField(max_length=5, choices=Stop.choices, blank=True, editable=False)
    # The checkpoint of another job that this one continues from.
    resumes = models.ForeignKey(
        "Checkpoint", null=True, on_delete=models.PROTECT, related_name="continued_by", editable=False
    )
    # What the trainer needs to find its work again after a crash: a prompt id, a process.
    state = models.JSONField(default=dict, editable=False)
    publish_best = models.BooleanField(default=False, editable=False)  # on completion, without asking anybody
    preparing = models.JSONField(default=list, blank=True, editable=False)  # see `doing`
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)  # since the last checkpoint
    not_before = models.DateTimeField(null=True, editable=False)  # after an engine was lost
    seconds = models.FloatField(default=0.0, editable=False)  # spent on `timed` steps, in all attempts
    timed = models.PositiveIntegerField(default=0, editable=False)
    paces = models.JSONField(default=dict, blank=True, editable=False)  # of everything but steps, see `remaining`
    ends_at = models.DateTimeField(null=True, editable=False)  # as last estimated; see `left_seconds`

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["TrainingJob"].as_manager()

    class Meta(Job.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("training")
        verbose_name_plural = _("trainings")
        indexes = [
            *Job.Meta.indexes,
            models.Index(fields=["project", "queued_at", "id"], name="trainingjob_list"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> Path:
        """Its private folder on the worker's machine; it may not exist yet.

        The primary key alone does not identify it: another database, put in this one's place, may have had a training
        of that number.
        """
        named = Path(settings.DATA) / "training" / f"{self.pk}-{self.request_id.hex[:12]}"
        # The name of folders in earlier releases; one older than the job belongs to another.
        early = named.with_name(str(self.pk))
        return early if early.is_dir() and early.stat().st_mtime >= self.queued_at.timestamp() else named

    def get_absolute_url(self) -> str:
        return reverse("training:run", args=[self.pk])

    @property
    def title(self) -> str:
        """Its name."""
        return self.name

    @property
    def doing(self) -> Doing | None:
        """What it does before its next step; None while it does steps."""
        return Doing.read(self.preparing)

    @property
    def is_held_back(self) -> bool:
        """Whether it waits because its owner already has the maximum number of running trainings."""
        return self.status == "queued" and not may_run(self)

    @property
    def look(self) -> str:
        """One of waiting, loading, running, done, stopped, failed or cancelled."""
        if self.status == "running":
            return "running" if self.step else "loading"
        if self.status == "cancelled":
            return "stopped" if self.step else "cancelled"
        return {"queued": "waiting", "completed": "done"}.get(self.status, str(self.status))

    @property
    def left_seconds(self) -> float | None:
        """About how many seconds until its end, including samples, waiting pictures and everything else besides steps;
        at least 1.

        While it runs, this decreases by itself between two estimates of its worker. If it waits, it is the time from
        its start. None while it cannot be known, and after its end.
        """
        if not self.is_active:
            return None
        if self.status == "running" and self.ends_at:
            return max(1.0, (self.ends_at - timezone.now()).total_seconds())
        return self.way.seconds(remaining.Now(self._kept_step), self.known_paces)

    @property
    def _kept_step(self) -> int:
        """The step it continues from. What was sent to an engine only counts as lost once that engine has
        been asked.
        """
        is_open = self.status == "running" or self.engine_id is None or self.state.get("prompt")
        return self.step if is_open or not self.step else self.resume_step

    @property
    def left_shown(self) -> float | None:
        """`left_seconds` with the precision people see: pages and scripts are notified when this changes, not every
        second.
        """
        return remaining.rounded(self.left_seconds)

    @property
    def way(self) -> remaining.Way:
        """The runs of its trainer that it consists of, for `remaining`."""
        return remaining.Way(self.first_step, self.steps, int(self.config.get("segments") or 1), len(self.probes))

    @property
    def known_paces(self) -> remaining.Paces:
        """The durations known so far."""
        return remaining.Paces(**{**self.paces, "step": self.seconds_per_step or self.paces.get("step")})

    @property
    def first_step(self) -> int:
        """The step it started with: 0, or that of the checkpoint it continues from."""
        return self.resumes.step if self.resumes else 0

    @property
    def timed_steps(self) -> int:
        """How many steps took `seconds`. In trainings from before this was counted, that is all of them."""
        return self.timed or max(0, self.step - self.first_step)

    @property
    def seconds_per_step(self) -> float | None:
        """The duration of a step so far; None before the first few."""
        return self.seconds / self.timed_steps if self.timed_steps and self.seconds else None

    @property
    def every(self) -> int:
        """Steps between two checkpoints."""
        return max(1, self.steps // int(self.config.get("segments") or self.config.get("save_count") or 1))

    @property
    def next_checkpoint(self) -> int:
        """The step of the next checkpoint."""
        return min(self.steps, (self.step // self.every + 1) * self.every)

    @property
    def next_checkpoint_seconds(self) -> float | None:
        """About how many seconds until then; None if unknown."""
        left, after = self.left_seconds, self.way.seconds(remaining.behind(self.next_checkpoint), self.known_paces)
        return None if left is None or after is None else max(1.0, left - after)

    @property
    def resume_step(self) -> int:
        """The step a new training would continue from."""
        last = self.checkpoints.filter(deleted_at=None).last() or self.resumes
        return last.step if last else 0

    @property
    def steps_at_risk(self) -> int:
        """Steps that are lost if it is stopped at once."""
        return max(0, self.step - self.resume_step)

    @property
    def last_loss(self) -> float | None:
        """The mean of the last 50 losses; None before the first."""
        block = self.losses.last()
        if block is None:
            return None
        values = array("f", bytes(block.values)[-200:])
        finite = [value for value in values if math.isfinite(value)]
        return sum(finite) / len(finite) if finite else None

    @cached_property
    def newest_pictures(self) -> list[GeneratedImage]:
        """The latest sample pictures, newest first. One query serves many trainings: see `runner.gather`."""
        return newest_pictures([self])[self.pk]

    @cached_property
    def became(self) -> list[StyleVersion]:
        """The versions of styles that its checkpoints have become. One query serves many trainings, as above."""
        return versions_made([self])[self.pk]

    @cached_property
    def lowest(self) -> Lowest | None:
        """Where its loss was lowest; None before the first checkpoint. One query serves many trainings, as above."""
        return lowest_losses([self]).get(self.pk)

    @property
    def disk_use(self) -> int:
        """The size of the files of all its checkpoints in bytes."""
        return self.checkpoints.aggregate(sum=models.Sum("version__size"))["sum"] or 0

    @property
    def saved_as(self) -> str:
        """The prefix of its files on an engine."""
        return f"stylestudio_training{self.pk}_"

    @property
    def left_on_engine(self) -> list[str]:
        """What it left in the folders of a real engine once it ended: ComfyUI deletes no files (0.3.64 to 0.33.0)."""
        state = self.state
        if self.is_active or self.engine is None or self.engine.is_preview or "folder" not in state:
            return []
        loras = [f"output/loras/{self.saved_as}*.safetensors"] if "file" in state else []
        return [f"input/{state['folder']}/", *loras]

    @property
    def explanation(self) -> str:
        """Why it failed, and what to do, in the reader's language.

        `error` is the name of the picture that caused it, or a sentence that follows the one of the kind.
        """
        if self.error_kind == "bad_pictures":
            return faults.explain(self.error_kind, picture=self.error)
        return f"{faults.explain(self.error_kind, self.error_detail)} {self.error}".strip()


class CheckpointQuerySet(PartQuerySet["Checkpoint"]):
    """Checkpoints of trainings."""

    part_of = "job"


class Checkpoint(models.Model):
    """The state of a training after some steps: a LoRA file that can be used, and continued from."""

    job = models.ForeignKey(TrainingJob, on_delete=models.PROTECT, related_name="checkpoints")
    step = models.PositiveIntegerField()
    epoch = models.PositiveIntegerField(default=0)
    loss = models.FloatField(null=True)  # mean of the steps since the previous checkpoint
    # Its file. The version has the number 0 until somebody uses it.
    version = models.OneToOneField("styles.StyleVersion", on_delete=models.PROTECT, related_name="of_training")
    state = models.CharField(max_length=500, blank=True)  # what a trainer needs to resume exactly, in its own folder
    starred = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)  # its file was deleted to make room

    objects = CheckpointQuerySet.as_manager()

    class Meta:
        ordering = ["step"]
        verbose_name = _("checkpoint of a training")
        verbose_name_plural = _("checkpoints of trainings")
        constraints = [models.UniqueConstraint(fields=["job", "step"], name="checkpoint_once_per_step")]

    def __str__(self) -> str:
        return f"{self.job}, {self.step}"


class Sample(models.Model):
    """A picture that shows a checkpoint's effect on a probe prompt; without a checkpoint, the base model's."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="samples")
    checkpoint = models.ForeignKey(Checkpoint, null=True, on_delete=models.CASCADE, related_name="samples")
    probe = models.PositiveSmallIntegerField()  # index in the probes of the job
    strength = models.FloatField()  # 0 without a checkpoint
    task = models.ForeignKey("pictures.GenerationTask", on_delete=models.CASCADE, related_name="samples")
    # What was measured of its picture, for the report: see training.runs.epoch_report.
    measures = models.JSONField(null=True)
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "probe", "strength"], name="sample_once", condition=Q(checkpoint__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["job", "probe"], name="sample_base_once", condition=Q(checkpoint__isnull=True)
            ),
        ]


NEWEST = 4  # pictures on the card of a training


def newest_pictures(jobs: Sequence[TrainingJob]) -> dict[int, list[GeneratedImage]]:
    """The latest sample pictures of each training by primary key, newest first, at most NEWEST."""
    place = Window(RowNumber(), partition_by=[F("job")], order_by=F("task__pictures__pk").desc())
    made = Sample.objects.filter(job__in=jobs, task__pictures__isnull=False, task__pictures__deleted_at=None)
    rows = list(
        made.annotate(place=place)
        .filter(place__lte=NEWEST)
        .order_by("job", "place")
        .values_list("job", "task__pictures__pk")
    )
    pictures = GeneratedImage.with_previews.in_bulk([picture for _job, picture in rows])
    found: dict[int, list[GeneratedImage]] = {job.pk: [] for job in jobs}
    for job, picture in rows:
        if picture in pictures:
            found[job].append(pictures[picture])
    return found


def versions_made(jobs: Sequence[TrainingJob]) -> dict[int, list[StyleVersion]]:
    """The versions of styles that checkpoints of each training have become, by the training's primary key."""
    used = Checkpoint.objects.filter(job__in=jobs, version__number__gt=0, version__style__deleted_at=None)
    found: dict[int, list[StyleVersion]] = {job.pk: [] for job in jobs}
    for checkpoint in used.select_related("version__style").order_by("version__number"):
        found[checkpoint.job_id].append(checkpoint.version)
    return found


class Lowest(NamedTuple):
    """The checkpoint with the lowest loss of a training: its step, and that loss."""

    step: int
    loss: float


def lowest_losses(jobs: Sequence[TrainingJob]) -> dict[int, Lowest]:
    """Where the loss of each training was lowest, by the training's primary key. Those without checkpoints lack."""
    losses = Checkpoint.objects.filter(job__in=jobs).order_by("-loss").values_list("job", "step", "loss")
    return {job: Lowest(step, loss) for job, step, loss in losses if loss is not None}


class LossBlock(models.Model):
    """Raw losses of consecutive steps. `values`: 32-bit floats, little-endian."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="losses", db_index=False)
    first_step = models.PositiveIntegerField()  # of the first value, from 1
    values = models.BinaryField()

    class Meta:
        ordering = ["first_step"]
        constraints = [models.UniqueConstraint(fields=["job", "first_step"], name="lossblock_once")]


class LogBlock(models.Model):
    """Lines logged by a trainer."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="log")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
