"""What somebody ordered: one press of Generate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from generation.engines.models import Engine, brief
from generation.pictures import estimates, faults, snapshots
from generation.pictures.models import patterns
from generation.pictures.models.engine_prompts import EnginePrompt
from generation.pictures.models.generated_images import GeneratedImage
from generation.pictures.models.patterns import Pattern
from generation.pictures.models.references import Reference
from generation.pictures.models.task_styles import TaskStyle
from generation.pictures.prompts import Frame
from generation.pictures.shapes import Shape, shape_name, size_text, smaller
from generation.recipes import registry
from generation.recipes.recipe import OWN, Recipe
from styles.models import StyleVersion
from stylestudio.database.prepared import OftenUsed, Prepared
from stylestudio.jobs.kinds import Job, JobQuerySet, Status
from stylestudio.picture_settings.settings import PictureSettings

LEAST_SIDE, MOST_SIDE = 64, 2048
MOST_PICTURES = 16
MOST_STYLES = 5
MOST_PROMPT = 4000  # characters, also of its English and of a text that a recipe asks for
# The seeds of all pictures of a task fit a signed 64-bit column; engines take up to 2**64 - 1.
MOST_SEED = 2**63 - 1 - MOST_PICTURES


class TaskQuerySet(JobQuerySet["GenerationTask"]):
    """Questions about tasks."""


class WantedTasks(models.Manager["GenerationTask"]):
    """What people asked for, without the previews of styles and the samples of trainings."""

    def get_queryset(self) -> TaskQuerySet:
        return TaskQuerySet(self.model, using=self._db).filter(is_face=False)


Tasks = WantedTasks.from_queryset(TaskQuerySet)


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one picture in a card: done, making, wait or gone."""

    number: int
    state: str
    picture: GeneratedImage | None


class GenerationTask(OftenUsed, Job):
    """One press of Generate: 1 to 16 pictures from one frozen snapshot of the whole order."""

    kind: ClassVar[str] = "generation"

    class Mode(models.TextChoices):
        """What the pictures start from."""

        TEXT = "text", _("Text to image")
        IMAGE = "image", _("Image to image")

    mode = models.CharField(max_length=5, choices=Mode.choices, default=Mode.TEXT)
    prompt = models.TextField(max_length=MOST_PROMPT)
    final_prompt = models.TextField()
    negative = models.TextField(blank=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    count = models.PositiveSmallIntegerField(default=1)
    seeds = models.JSONField()  # one per picture
    steps = models.PositiveSmallIntegerField(default=4)
    cfg = models.FloatField(default=1.0)
    sampler = models.CharField(max_length=40, default="euler")
    scheduler = models.CharField(max_length=40, default="sgm_uniform")
    denoise = models.FloatField(default=1.0)
    reference = models.ForeignKey(Reference, null=True, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    checkpoint = models.CharField(max_length=255)  # the first file of its recipe, the model
    lightning = models.CharField(max_length=255)  # the accelerator of its recipe; "" without one
    recipe = models.CharField(max_length=64, default=registry.DEFAULT, db_default=registry.DEFAULT)
    # What `snapshot` is made of: what it has in common with others, and its own values; or the whole of it. No other
    # column is part of it, for those may change.
    pattern = models.ForeignKey(Pattern, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    own_values = models.JSONField(db_column="snapshot")
    snapshot_sha256 = models.CharField(max_length=64)
    styles = models.ManyToManyField(StyleVersion, through="TaskStyle", related_name="tasks")
    # What the running card shows: step `step` of `steps` of picture `making` (from 0).
    step = models.PositiveSmallIntegerField(default=0, editable=False)
    making = models.PositiveSmallIntegerField(null=True, editable=False)
    # While a file is sent to an engine: {"style": title, "engine": key, "percent": number}.
    installing = models.JSONField(null=True, editable=False)
    # The next attempt waits until then, after an engine was lost.
    not_before = models.DateTimeField(null=True, editable=False)
    # Its number among its owner's tasks on engines, if STYLESTUDIO_MAX_RUNNING limits these. It keeps the number until
    # another task needs it, so a task without live prompts may have one.
    seat = models.SmallIntegerField(null=True, editable=False)
    # The form field that the engine's explanation is about, if it is about one.
    error_field = models.CharField(max_length=20, blank=True, editable=False)
    # Reopened only to fetch what engines have made of it: no picture of it is started.
    fetching = models.BooleanField(default=False, editable=False)
    # Shows what a style looks like (see `Face`): in the queue like any other, but not in the gallery or the
    # live column. `objects` leaves these out.
    is_face = models.BooleanField(_("preview of a style"), default=False, editable=False)

    objects: ClassVar[Any] = Tasks()  # type: ignore[assignment]  # leaves out what the base has
    everything: ClassVar[Any] = TaskQuerySet.as_manager()

    class Meta(Job.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("generation")
        verbose_name_plural = _("generations")
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=Q(count__gte=1, count__lte=MOST_PICTURES), name="generationtask_count_range"
            ),
            models.CheckConstraint(
                condition=Q(width__gte=LEAST_SIDE, width__lte=MOST_SIDE, height__gte=LEAST_SIDE, height__lte=MOST_SIDE),
                name="generationtask_size_range",
            ),
            models.CheckConstraint(
                condition=Q(mode="text", reference=None) | Q(mode="image", reference__isnull=False),
                name="generationtask_image_mode_has_reference",
            ),
            # However many workers claim at once, nobody has more tasks on engines than there are numbers.
            models.UniqueConstraint(
                fields=["owner", "is_face", "seat"], condition=Q(seat__isnull=False), name="generationtask_seat_once"
            ),
        ]
        indexes = [
            *Job.Meta.indexes,
            # Whose turn it is: the first open task of each person.
            models.Index(
                fields=["owner", "is_face", "-priority", "queued_at", "id"],
                condition=Q(ended_at__isnull=True),
                name="generationtask_turns",
            ),
            # Versions share pictures with equal snapshots.
            models.Index(fields=["snapshot_sha256"], condition=Q(is_face=True), name="generationtask_face"),
            models.Index(fields=["id"], condition=Q(pattern__isnull=True), name="generationtask_whole"),
            # The live column: everybody's newest jobs, and one's own, without those that were cleared.
            models.Index(
                fields=["project", "queued_at", "id"],
                condition=Q(cleared_at=None, is_face=False),
                name="generationtask_column",
            ),
            models.Index(
                fields=["project", "owner", "queued_at", "id"],
                condition=Q(cleared_at=None, is_face=False),
                name="generationtask_own_column",
            ),
        ]

    def __str__(self) -> str:
        return self.prompt[:80]

    def get_absolute_url(self) -> str:
        return reverse("generation:job", args=[self.pk])

    @cached_property
    def _snapshot(self) -> Any:
        if self.pattern_id is None:
            return self.own_values
        return patterns.find(self.pattern_id, {}, self.own_values)

    @property
    def snapshot(self) -> Any:
        """Everything that was asked for, frozen. Raises ValueError if parts of it are gone."""
        return self._snapshot

    @snapshot.setter
    def snapshot(self, document: Any) -> None:
        self.pattern_id, self.own_values = None, document
        self.__dict__.pop("_snapshot", None)

    def share(self, stored: set[int] | None = None) -> None:
        """Set the columns that `snapshot` is made of to what it has in common with others, and its own values. For
        `stored` see `patterns.keep`.
        """
        if self.pattern_id is None:
            self.pattern_id, self.own_values = patterns.keep(self.own_values, {}, patterns.in_snapshot, stored)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; the snapshot of a new one shares its pattern."""
        if self._state.adding:
            self.share()
        super().save(*args, **kwargs)

    @property
    def seed(self) -> int:
        """The first picture's seed."""
        return int(self.seeds[0])

    @property
    def frame(self) -> Frame:
        """The words that a preset put around the prompt."""
        return Frame.read(self.snapshot)

    @property
    def english(self) -> str:
        """What its model reads in the place of the prompt; "" if that is the prompt itself."""
        return str(self.snapshot.get("english", ""))

    @property
    def read(self) -> str:
        """The words that its model reads, without those of styles and presets."""
        return self.english or self.prompt

    @property
    def recipe_title(self) -> str:
        """The recipe in words, with the version if it is the studio's own; its name if it is not known any more, and ""
        if the picture was made elsewhere.
        """
        if self.taken_over is not None:
            return ""
        known = registry.every().get(self.recipe) or self._own_recipe
        if known is None:
            return self.recipe
        words = gettext("%(name)s, version %(number)d") if known.is_own else "%(name)s"
        return words % {"name": known.title, "number": known.version}

    @cached_property
    def _own_recipe(self) -> Recipe | None:
        """The version of a recipe of the studio's own that its pictures are made by."""
        try:
            return registry.of(self.snapshot) if self.recipe.startswith(OWN) else None
        except registry.RecipeGone:
            return None

    @property
    def _known_recipe(self) -> Recipe:
        """What tells of its settings; the default recipe if its own is not known any more."""
        return self._own_recipe or registry.every().get(self.recipe) or registry.named(self.recipe)

    @property
    def made_by(self) -> Mapping[str, Any]:
        """Name and hash of what its pictures are made by: a version of a recipe, or an earlier studio's workflow."""
        facts: Mapping[str, Any] = self.snapshot.get("recipe") or self.snapshot.get("workflow", {})
        return facts

    @property
    def setting_names(self) -> Collection[str]:
        """The settings that its recipe has: the columns of others say nothing about its pictures."""
        return self._known_recipe.fields.keys()

    @property
    def more_fields(self) -> list[tuple[str, Any]]:
        """The settings that only some recipes have, with their labels."""
        known = self._known_recipe.fields
        return [
            (str(known[name].label) if name in known else name, value)
            for name, value in snapshots.fields_in(self.snapshot).items()
        ]

    @property
    def more_files(self) -> list[str]:
        """The files of its recipe beside the model and the accelerator, such as text encoder and VAE."""
        named = snapshots.files_in(self.snapshot).values()
        return [name for name in named if name and name not in (self.checkpoint, self.lightning)]

    @cached_property
    def taken_over(self) -> PictureSettings | None:
        """What its picture was made with elsewhere; None if it was made here."""
        facts = self.snapshot.get("taken_over")
        return None if facts is None else PictureSettings.of_facts(facts)

    @property
    def derived(self) -> Mapping[str, Any]:
        """What its picture was made of on the studio's own processor, and how; empty if an engine made it."""
        facts: Mapping[str, Any] = self.snapshot.get("derived") or {}
        return facts

    @property
    def first(self) -> GenerationTask:
        """The task whose picture this one's was made of, step by step, as far as those are there; itself if of none."""
        task = self
        while source := task.derived.get("source"):
            found = GeneratedImage.everything.filter(pk=source).select_related("task").first()
            if found is None:
                break
            task = found.task
        return task

    def complete_if_whole(self) -> bool:
        """Complete the task if its last picture is stored. Of several callers exactly one gets True."""
        if len(_pictures.rows(self.pk)) < self.count:
            return False
        # Only a running task can complete, and another worker may have put it back into the queue between two pictures.
        return self.complete() or (self.start(self.worker) and self.complete())

    @cached_property
    def mix_rows(self) -> list[TaskStyle]:
        """The styles of the mix, in order."""
        return list(self.mix.select_related("version__style"))

    @cached_property
    def stored(self) -> dict[int, GeneratedImage]:
        """Pictures by index, including those in the trash: a deleted picture is not a missing one."""
        return {picture.index: picture for picture in self.pictures(manager="everything").all()}

    @property
    def saved(self) -> int:
        """The number of stored pictures."""
        return len(self.stored)

    @property
    def look(self) -> str:
        """The card's state: waiting, loading, running, done, partial, failed or cancelled."""
        if self.status == Status.QUEUED:
            return "waiting"
        if self.status == Status.RUNNING:
            return "loading" if self.making is None and not self.stored else "running"
        if self.status == Status.FAILED:
            return "partial" if self.stored else "failed"
        return "done" if self.status == Status.COMPLETED else "cancelled"

    @property
    def title(self) -> str:
        """The prompt, in the person's own words; without one, what its recipe does."""
        return self.prompt or self.recipe_title

    @property
    def mix_text(self) -> str:
        """Such as "Ink & mist v3 0.80 + Paper lantern v1 0.35"."""
        parts = [f"{row.version} {row.weight:.2f}" for row in self.mix_rows]
        return " + ".join(parts) or gettext("Base style")

    @property
    def shape_name(self) -> str:
        """Such as 3:2, or the size if it is none of the eight shapes."""
        return shape_name(self.width, self.height)

    @property
    def slots(self) -> list[Slot]:
        """One slot per picture, in order. Pictures in the trash are left out."""
        slots = []
        for index in range(self.count):
            picture = self.stored.get(index)
            if picture and picture.deleted_at:
                continue
            if picture:
                state = "done"
            elif not self.is_active:
                state = "gone"
            else:
                state = "making" if index == self.making and self.status == Status.RUNNING else "wait"
            slots.append(Slot(index + 1, state, picture))
        return slots

    @property
    def gone_text(self) -> str:
        """A sentence about pictures that were deleted: how many are in the trash, how many are gone for good, and
        when; "" if there are none.
        """
        gone = [picture.emptied_at for picture in self.stored.values() if picture.emptied_at]
        in_trash = sum(picture.deleted_at is not None for picture in self.stored.values()) - len(gone)
        told = []
        if in_trash:
            words = ngettext("%(number)d picture is in the trash.", "%(number)d pictures are in the trash.", in_trash)
            told.append(words % {"number": in_trash})
        if gone:
            words = ngettext(
                "%(number)d picture was deleted for good on %(date)s.",
                "%(number)d pictures were deleted for good, the last one on %(date)s.",
                len(gone),
            )
            told.append(words % {"number": len(gone), "date": date_format(max(gone), "DATE_FORMAT")})
        return " ".join(told)

    @property
    def room(self) -> str:
        """CSS classes for a card's layout: many pictures are small, and one is large while they are made."""
        if self.count <= 3:
            return ""
        return "roomy hero" if self.look == "running" else "roomy"

    @property
    def odd_pictures(self) -> list[GeneratedImage]:
        """Stored pictures of another size than ordered, in order. They are stored as the engine sent them."""
        shown = [picture for _index, picture in sorted(self.stored.items()) if picture.deleted_at is None]
        return [picture for picture in shown if picture.size_text != self.size_text and not self.derived]

    @property
    def size_text(self) -> str:
        """The size that its pictures are to have, such as 1024 × 1024."""
        if self.mode == self.Mode.IMAGE:
            return size_text(*snapshots.size_in(self.snapshot))
        return size_text(self.width, self.height)

    @property
    def odd_sizes_text(self) -> str:
        """A sentence about pictures of another size than ordered; "" if there are none."""
        odd = self.odd_pictures
        if not odd:
            return ""
        words = ngettext(
            "%(number)d picture came as %(sizes)s and not as %(asked)s, as asked for.",
            "%(number)d pictures came as %(sizes)s and not as %(asked)s, as asked for.",
            len(odd),
        )
        sizes = ", ".join(dict.fromkeys(picture.size_text for picture in odd))
        return words % {"number": len(odd), "sizes": sizes, "asked": self.size_text}

    @property
    def picture_number(self) -> int:
        """The number of the picture being made, from 1."""
        return (self.making or 0) + 1

    @property
    def seconds(self) -> float | None:
        """How many seconds it has run; waiting does not count. None before it starts."""
        if not self.started_at:
            return None
        return ((self.ended_at or timezone.now()) - self.started_at) / timedelta(seconds=1)

    @property
    def explanation(self) -> str:
        """Why it failed, in the reader's language."""
        return str(faults.fault(self.error_kind, self.error_detail).sentence)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return str(faults.fault(self.error_kind, self.error_detail).remedy)

    @property
    def installing_text(self) -> str:
        """The current installation, such as "Installing Ink & mist v3 on Big box, 42 %"; "" if there is none."""
        if not self.installing:
            return ""
        engine = Engine.objects.filter(pk=self.installing["engine"]).first()
        return gettext("Installing %(style)s on %(engine)s, %(percent)d %%") % {
            "style": self.installing["style"],
            "engine": gettext("Preview engine") if engine is None or engine.is_preview else engine,
            "percent": self.installing["percent"],
        }

    @property
    def refused_by(self) -> Engine | None:
        """The engine that failed it first; None if none did."""
        prompt = self.prompts.filter(state=EnginePrompt.State.FAILED).select_related("engine").order_by("ended_at")
        return next((each.engine for each in prompt[:1]), None)

    @property
    def smaller(self) -> Shape | None:
        """The size to retry with after out of memory; None if there is no smaller one."""
        return smaller(self.width, self.height)

    @cached_property
    def fetchable(self) -> bool:
        """Whether an engine may still have pictures of this ended job, so that they can be fetched again."""
        return not self.is_active and self.prompts.filter(state=EnginePrompt.State.UNFETCHED).exists()

    @cached_property
    def asked_again(self) -> bool:
        """Whether an engine had an error when it was asked for a picture of this job, and will soon be asked again."""
        return self.is_active and self.prompts.live().filter(misses__gt=0).exists()

    @cached_property
    def forecast(self) -> estimates.Forecast:
        """The forecast from the current queue and engines; many jobs can share one (see `job_cards.gather`)."""
        return estimates.forecast_now()

    @cached_property
    def ahead(self) -> int:
        """The number of pictures that start before this task's first one."""
        return self.forecast.ahead(self) if self.is_active else 0

    @cached_property
    def wait_seconds(self) -> float | None:
        """About how many seconds until it starts; None without enough history."""
        return self.forecast.wait_seconds(self) if self.is_active else None

    @cached_property
    def left_seconds(self) -> float | None:
        """About how many seconds until its last picture; None without enough history, and once it has ended."""
        return self.forecast.left_seconds(self) if self.is_active else None

    @cached_property
    def last_engine(self) -> Engine | None:
        """The engine of the newest attempt; None before the first."""
        return next((brief(pk) for [pk] in _newest_engine.rows(self.pk)), None)


_newest_engine = Prepared(lambda task: EnginePrompt.objects.filter(task=task).order_by("-pk").values_list("engine")[:1])
_pictures = Prepared(lambda task: GeneratedImage.everything.filter(task=task).order_by().values_list("pk"))
