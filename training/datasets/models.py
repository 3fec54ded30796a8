"""The models of datasets: captioned pictures that styles are trained on, changes to them, and frozen versions."""

from __future__ import annotations

import re
import uuid
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator, StepValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from stylestudio.images.lightness import is_light
from stylestudio.jobs.kinds import JobQuerySet
from stylestudio.jobs.worker_job import FAULTS, WorkerJob
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import OwnedQuerySet, PartQuerySet, Visibility
from stylestudio.text import grammar
from training.datasets.reading_models import ForeignText, Reading  # noqa: F401  Django looks for models here

RESERVED_SLUGS = {"new", "jobs", "pictures", "readings"}  # these are URLs
MOST_PICTURES = 2000  # of one dataset
MOST_CAPTION = 4000  # characters
MOST_QUESTION = 2000  # characters of what a captioner is asked
MOST_NAME = 80
COLOUR = re.compile(r"#[0-9a-f]{6}\Z")
TEMPLATE = "{trigger}, {caption}"


class DatasetQuerySet(OwnedQuerySet["Dataset"]):
    """Queries of datasets."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Move all of them to the trash."""
        count = self.update(deleted_at=timezone.now())
        return count, {"datasets.Dataset": count}


class LiveDatasets(models.Manager["Dataset"]):
    """Datasets that are not in the trash."""

    def get_queryset(self) -> DatasetQuerySet:
        return DatasetQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Dataset(InProject):
    """Pictures with captions that a style is trained on."""

    name = models.CharField(_("name"), max_length=MOST_NAME)
    slug = models.SlugField(_("short name"), max_length=90, unique=True, allow_unicode=True, blank=True)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    trigger_words = models.CharField(
        _("trigger words"),
        max_length=200,
        blank=True,
        help_text=_("Words that switch the style on, for example gouachefield painting"),
    )
    # Captions never contain the trigger: it is added when they are passed to a trainer.
    template = models.CharField(
        _("caption template"),
        max_length=200,
        default=TEMPLATE,
        validators=[RegexValidator(r"\{caption\}", _("The template needs {caption}."))],
        help_text=_("How a caption is given to the trainer: {trigger} and {caption} are filled in"),
    )
    style = models.ForeignKey(
        "styles.Style",
        verbose_name=_("style"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="datasets",
        help_text=_("The style that this dataset is meant for"),
    )
    licence = models.CharField(_("licence or source"), max_length=200, blank=True)
    resolution = models.PositiveSmallIntegerField(
        _("resolution"),
        default=1024,
        validators=[MinValueValidator(256), MaxValueValidator(2048), StepValueValidator(64)],
        help_text=_("Training size in pixels: a square of this side, or the same area"),
    )
    repeats = models.PositiveSmallIntegerField(
        _("repeats"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("How often every picture is shown in one epoch"),
    )
    # What captioners ask their models about its pictures; empty: what each of them usually asks.
    caption_question = models.TextField(max_length=MOST_QUESTION, blank=True, default="", db_default="", editable=False)
    # #rrggbb, the background of its transparent pictures in training; empty: what datasets.crops.backgrounds proposes.
    ground = models.CharField(
        _("ground"), max_length=7, blank=True, editable=False, validators=[RegexValidator(COLOUR)]
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="datasets", editable=False
    )
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.TEAM, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveDatasets.from_queryset(DatasetQuerySet)()
    everything = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-pk"]
        verbose_name = _("dataset")
        verbose_name_plural = _("datasets")
        base_manager_name = "everything"
        indexes = [
            models.Index(fields=["project", "updated_at", "id"], condition=Q(deleted_at=None), name="dataset_list"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Choose a free slug if there is none."""
        if not self.slug:
            self.slug = self._free_slug()
        super().save(*args, **kwargs)

    def _free_slug(self) -> str:
        stem = slugify(self.name, allow_unicode=True)[:MOST_NAME] or "dataset"
        taken = {*Dataset.everything.filter(slug__startswith=stem).values_list("slug", flat=True), *RESERVED_SLUGS}
        tries = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
        return next((slug for slug in tries if slug not in taken), f"dataset-{uuid.uuid4().hex}")

    def get_absolute_url(self) -> str:
        return reverse("training:dataset", args=[self.slug])

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Move to the trash."""
        return Dataset.objects.filter(pk=self.pk).delete()

    def restore(self) -> None:
        """Take out of the trash."""
        Dataset.everything.filter(pk=self.pk).update(deleted_at=None)

    def lock(self) -> None:
        """Prevent others from changing its pictures until the transaction ends. Lock it before any picture's row."""
        list(Dataset.everything.select_for_update(no_key=True).filter(pk=self.pk).values_list("pk"))

    def touch(self) -> None:
        """Update the time of its last change."""
        Dataset.everything.filter(pk=self.pk).update(updated_at=timezone.now())

    def compose(self, caption: str) -> str:
        """The text a trainer reads for `caption`: the template with trigger and caption, without empty parts."""
        return grammar.compose(self.template, self.trigger_words, caption)


class ImageQuerySet(PartQuerySet["DatasetImage"]):
    """Queries of pictures of datasets."""

    part_of = "dataset"

    def delete(self) -> tuple[int, dict[str, int]]:
        """Hide all of them; those that no frozen version needs are deleted for good after a while."""
        count = self.update(deleted_at=timezone.now())
        return count, {"datasets.DatasetImage": count}

    def included(self) -> Self:
        """Those included in training."""
        return self.filter(included=True)


class LiveImages(models.Manager["DatasetImage"]):
    """Pictures that were not removed."""

    def get_queryset(self) -> ImageQuerySet:
        return ImageQuerySet(self.model, using=self._db).filter(deleted_at=None)


class DatasetImage(models.Model):
    """One picture of a dataset with its caption, and how it is cropped for training."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="images", db_index=False)
    file = models.FileField(upload_to="uploads/datasets/%Y/%m")
    thumbnail = models.FileField(upload_to="uploads/datasets/thumbnails/%Y/%m")
    width = models.PositiveIntegerField()  # pixels, of `file` as stored, upright
    height = models.PositiveIntegerField()
    byte_size = models.PositiveBigIntegerField()
    format = models.CharField(max_length=10)  # Pillow's name: PNG, JPEG, WEBP, AVIF, GIF, TIFF, BMP
    has_alpha = models.BooleanField(_("transparent"), default=False)
    # #rrggbb, the background of this one's transparent parts; empty: the ground of its dataset
    background = models.CharField(max_length=7, blank=True)
    # The visible colours of a transparent picture, see stylestudio.images.grounds; None if not computed yet.
    colours = models.JSONField(null=True, editable=False)
    # Of the file as it was sent, so that adding it again finds it.
    sha256 = models.CharField(max_length=64)
    # 64-bit perceptual hash in hex, equal or nearly so for pictures that look the same.
    perceptual_hash = models.CharField(max_length=16)
    caption = models.TextField(_("caption"), max_length=MOST_CAPTION, blank=True)
    # Incremented by every change of the caption, so that an older page cannot overwrite a newer text.
    caption_version = models.PositiveIntegerField(default=1, editable=False)
    # A captioner's proposal, until somebody accepts or dismisses it.
    proposal = models.TextField(max_length=MOST_CAPTION, blank=True, editable=False)
    proposed_by = models.CharField(max_length=40, blank=True, editable=False)
    included = models.BooleanField(_("included in training"), default=True)
    position = models.PositiveIntegerField()
    source_name = models.CharField(_("source name"), max_length=200)
    rating = models.PositiveSmallIntegerField(_("rating"), null=True, blank=True)  # 1 to 5
    # The crop's position in the room that the bucket leaves: 0 is left or top, 1 is right or bottom.
    crop_x = models.FloatField(default=0.5)
    crop_y = models.FloatField(default=0.5)
    # What the health check measured; None until the worker has done so (see datasets.health.measures).
    measures = models.JSONField(null=True, editable=False)
    descriptor = models.BinaryField(null=True, editable=False)
    picture = models.ForeignKey(
        "pictures.GeneratedImage", null=True, on_delete=models.PROTECT, related_name="dataset_images", editable=False
    )
    # Of a cut-out: the picture whose place it took, which is hidden, and kept as long as this one.
    original = models.ForeignKey("self", null=True, on_delete=models.RESTRICT, related_name="cut_outs", editable=False)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False, db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveImages.from_queryset(ImageQuerySet)()
    everything = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("picture of a dataset")
        verbose_name_plural = _("pictures of datasets")
        base_manager_name = "everything"
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "sha256"], condition=Q(deleted_at=None), name="datasetimage_once_per_dataset"
            ),
            models.CheckConstraint(
                condition=Q(crop_x__gte=0, crop_x__lte=1, crop_y__gte=0, crop_y__lte=1), name="datasetimage_crop_range"
            ),
            models.CheckConstraint(
                condition=Q(rating=None) | Q(rating__gte=1, rating__lte=5), name="datasetimage_rating_range"
            ),
        ]
        indexes = [models.Index(fields=["dataset", "position"], name="datasetimage_in_order")]

    def __str__(self) -> str:
        return self.source_name

    def get_absolute_url(self) -> str:
        return reverse("training:image", args=[self.pk])

    def restore(self) -> bool:
        """Bring a removed picture back. False if its file was added again meanwhile: that one stays."""
        with transaction.atomic():
            self.dataset.lock()
            if self.dataset.images.filter(sha256=self.sha256).exists():
                return False
            return bool(DatasetImage.everything.filter(pk=self.pk).update(deleted_at=None))

    @property
    def url(self) -> str:
        """The URL of the stored file."""
        return self.file.url

    @property
    def shown_url(self) -> str:
        """The URL of the picture for browsers: the file, or a converted one if they do not show its format."""
        return reverse("training:shown", args=[self.pk]) if self.format == "TIFF" else self.file.url

    @property
    def thumbnail_url(self) -> str:
        """The URL of the thumbnail."""
        return self.thumbnail.url

    @property
    def behind(self) -> str:
        """CSS classes of the background shown behind it, dark if it is light; "" if it is opaque."""
        if not self.has_alpha:
            return ""
        if not self.colours:
            return "clear"
        return "clear dark" if is_light(self.colours) else "clear light"


class WaitingCaption(models.Model):
    """A caption whose picture has not arrived yet: files arrive in any order."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="waiting_captions")
    key = models.CharField(max_length=200)  # the path of its picture, without the extension if that does not matter
    text = models.TextField(max_length=MOST_CAPTION)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "key"], name="waitingcaption_once")]

    def __str__(self) -> str:
        return self.key


class OperationQuerySet(PartQuerySet["CaptionOperation"]):
    """Changes of many captions."""

    part_of = "dataset"


class CaptionOperation(models.Model):
    """One bulk change of captions, which can be undone as a whole."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="operations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    operation = models.CharField(max_length=20)  # a name of training.datasets.captions.operations
    parameters = models.JSONField(default=dict)
    changed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]


class ChangeQuerySet(PartQuerySet["CaptionChange"]):
    """Changes of one caption each."""

    part_of = "image"


class CaptionChange(models.Model):
    """What a caption was before and after somebody changed it."""

    image = models.ForeignKey(DatasetImage, on_delete=models.CASCADE, related_name="changes")
    operation = models.ForeignKey(CaptionOperation, null=True, on_delete=models.CASCADE, related_name="changes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    before = models.TextField()
    after = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]


class SnapshotQuerySet(PartQuerySet["DatasetSnapshot"]):
    """Frozen versions of datasets."""

    part_of = "dataset"


class DatasetSnapshot(models.Model):
    """A dataset as it was at one moment, for ever. Trainings refer to it."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="snapshots")
    number = models.PositiveIntegerField()
    note = models.CharField(_("note"), max_length=200, blank=True)
    manifest = models.TextField()  # canonical JSON, see training.datasets.versions.snapshots
    sha256 = models.CharField(max_length=64)  # of the manifest
    picture_count = models.PositiveIntegerField()  # included ones
    images = models.ManyToManyField(DatasetImage, through="SnapshotImage", related_name="snapshots")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        verbose_name = _("version of a dataset")
        verbose_name_plural = _("versions of datasets")
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="datasetsnapshot_number")]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"

    def get_absolute_url(self) -> str:
        return reverse("training:snapshot", args=[self.dataset.slug, self.number])


class SnapshotImage(models.Model):
    """Protects the pictures that a snapshot needs."""

    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(DatasetImage, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "image"], name="snapshotimage_once")]


class DatasetJob(WorkerJob):
    """Work on a dataset that takes a while: importing an archive, measuring pictures, proposing captions.

    Its report: {"added": n, "known": n, "refused": [[name, reason], ...], ...}
    """

    kind: ClassVar[str] = "dataset"
    faults = FAULTS | {
        "bad_archive": _("This archive cannot be read. Pack it again as a zip file and drop it once more."),
        "gone": _("The file of this import is not there any more. Drop it once more."),
        "engine": _("The engine could not do this. Look at the engines on the Queue page, then try again."),
    }

    class Work(models.TextChoices):
        """What is done."""

        IMPORT = "import", _("Import")
        CHECK = "check", _("Health check")
        CAPTION = "caption", _("Captions")
        CUT_OUT = "cut_out", _("Cut-outs")

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="jobs")
    work = models.CharField(max_length=10, choices=Work.choices)
    file = models.FileField(upload_to="uploads/archives/%Y/%m", blank=True)  # an archive, until it is imported
    source_name = models.CharField(max_length=200, blank=True)
    parameters = models.JSONField(default=dict)

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["DatasetJob"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("work on a dataset")
        verbose_name_plural = _("work on datasets")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return self.dataset.get_absolute_url()

    @property
    def title(self) -> str:
        """What is done, and with what."""
        return f"{self.get_work_display()}: {self.source_name or self.dataset.name}"

    @property
    def own_page(self) -> str:
        """A dataset shows more."""
        return reverse("training:job", args=[self.pk])

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("training:job-cancel", args=[self.pk])

    @property
    def can_undo(self) -> bool:
        """Whether it cut pictures out whose originals have not been put back."""
        return bool(self.report.get("cut_out")) and not self.is_active and not self.report.get("is_undone")

    @property
    def arrives(self) -> str:
        """Pages of its dataset ask for the pictures that it brought."""
        return f"dataset-{self.dataset_id}"

    def clear(self) -> None:
        """Stop showing it."""
        self.touch(cleared_at=timezone.now())
