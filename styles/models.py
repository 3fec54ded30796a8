"""The models of styles: a name with versions, each a LoRA (or none) with its triggers and strength."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.validators import MaxValueValidator, MinValueValidator, StepValueValidator
from django.db import models, transaction
from django.db.models import Max, ProtectedError, Q
from django.dispatch import Signal
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from styles.for_engines import LEAST_STRENGTH, MOST_STRENGTH, USUAL_STRENGTHS, EnginesCopy, ForEngines, OfFamily, within
from styles.import_models import LoraImport  # noqa: F401  Django looks for models here
from styles.kinds.of_kind import OfKind
from styles.lora import labelled
from styles.refusals import BaseStyleIsProtected, VersionInUse
from stylestudio.host import rooms
from stylestudio.media import identity
from stylestudio.media.storage import throw_away
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import PartQuerySet, Visibility, VisibleQuerySet
from stylestudio.text import grammar

# Sent inside the transaction that purges `version`: receivers delete what only shows it.
purging = Signal()
# Sent with `version` and `user` when a file has become a version. Rooms above make its previews.
version_added = Signal()
BASE_SLUG = "base"
RESERVED_SLUGS = {BASE_SLUG, "new", "import"}  # the last two are pages
MAX_STRENGTH = USUAL_STRENGTHS[1]
MOST_NAME = 80  # characters of a name
MOST_WORDS = 500  # characters before or after the prompt
SIDE = [MinValueValidator(64), MaxValueValidator(2048), StepValueValidator(8)]  # of a picture, in pixels


class StyleQuerySet(VisibleQuerySet["Style"]):
    """Styles; deleting is soft and refuses the base style."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Move all of them to the trash; refuse if the base style is among them."""
        if self.filter(is_base=True).exists():
            raise BaseStyleIsProtected
        count = self.update(deleted_at=timezone.now())
        return count, {"styles.Style": count}

    def update(self, **fields: Any) -> int:
        """As Django's, but refuse to unmark or delete the base style."""
        if ("is_base" in fields or "slug" in fields or fields.get("deleted_at")) and self.filter(is_base=True).exists():
            raise BaseStyleIsProtected
        return super().update(**fields)

    def with_versions(self) -> Self:
        """With what lists show of their versions; the long texts of a file are left out."""
        shown = StyleVersion.objects.defer("training", "behaviour", "notes")
        return self.prefetch_related(models.Prefetch("versions", shown))

    def in_picker_order(self) -> Self:
        """The base style first, then by name."""
        return self.order_by("-is_base", "name", "pk")


class LiveStyles(models.Manager["Style"]):
    """Styles that are not in the trash."""

    def get_queryset(self) -> StyleQuerySet:
        return StyleQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Style(OfKind, OfFamily, InProject):
    """A look that pictures can be made in. Created with a published version 1."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("short name"), max_length=90, unique=True, allow_unicode=True, blank=True)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    cover = models.ImageField(_("cover"), upload_to="uploads/covers/%Y/%m", blank=True)
    is_base = models.BooleanField(_("base style"), default=False, editable=False)
    preview_only = models.BooleanField(_("preview only"), default=False, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.TEAM, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveStyles.from_queryset(StyleQuerySet)()
    everything = StyleQuerySet.as_manager()

    class Meta:
        ordering = ["-is_base", "name", "pk"]
        verbose_name = _("style")
        verbose_name_plural = _("styles")
        base_manager_name = "everything"
        indexes = [
            models.Index(
                fields=["project", "-is_base", "name", "id"], condition=Q(deleted_at=None), name="style_picker"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_base=True, slug=BASE_SLUG) | (Q(is_base=False) & ~Q(slug=BASE_SLUG)),
                name="style_base_is_the_one_called_base",
            ),
            models.CheckConstraint(
                condition=Q(is_base=False) | Q(deleted_at__isnull=True), name="style_base_is_never_deleted"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name to show; the base style's is translated."""
        return str(_("Base style")) if self.is_base else self.name

    @property
    def version(self) -> StyleVersion | None:
        """The published version, which new pictures are made with."""
        known: StyleVersion | None = vars(self).get("published")  # see `queries.with_published`
        return known or next((version for version in self.versions.all() if version.state == State.PUBLISHED), None)

    def new_version(self, **fields: Any) -> StyleVersion:
        """Create the next version, a draft unless `fields` say otherwise."""
        with transaction.atomic():
            Style.everything.select_for_update().get(pk=self.pk)
            last = self.versions.aggregate(last=Max("number"))["last"] or 0
            return self.versions.create(number=last + 1, **fields)

    def get_absolute_url(self) -> str:
        return reverse("styles:style", args=[self.slug])

    def clean(self) -> None:
        """Require a slug that is not reserved; "base" belongs to the base style."""
        if self._was_base() and (not self.is_base or self.slug != BASE_SLUG):
            raise BaseStyleIsProtected
        if not self.is_base and self.slug == BASE_SLUG:
            raise ValidationError({"slug": _('The short name "base" belongs to the base style.')})
        if self.slug in RESERVED_SLUGS and not self.is_base:
            raise ValidationError({"slug": _("This short name is taken.")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Choose a free slug if there is none, and create a published version 1 for a new style."""
        if self._was_base() and (not self.is_base or self.slug != BASE_SLUG or self.deleted_at):
            raise BaseStyleIsProtected
        new = self._state.adding
        if not self.slug:
            self.slug = self._free_slug()
        with transaction.atomic():
            super().save(*args, **kwargs)
            if new and not self.versions.exists():
                self.versions.create(number=1, state=State.PUBLISHED)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Move to the trash; refuse for the base style."""
        if self.is_base or self._was_base():
            raise BaseStyleIsProtected
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])
        return 1, {"styles.Style": 1}

    def restore(self) -> None:
        """Take out of the trash."""
        self.deleted_at = None
        self.save(update_fields=["deleted_at"])

    def _was_base(self) -> bool:
        return self.pk is not None and Style.everything.filter(pk=self.pk, is_base=True).exists()

    def _free_slug(self) -> str:
        stem = slugify(self.name, allow_unicode=True)[:80] or "style"
        taken = set(Style.everything.filter(slug__startswith=stem).values_list("slug", flat=True)) | RESERVED_SLUGS
        return next(slug for n in range(1, 10**6) if (slug := stem if n == 1 else f"{stem}-{n}") not in taken)


class State(models.TextChoices):
    """The state of a version. A style has at most one published version."""

    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    ARCHIVED = "archived", _("Archived")


class Source(models.TextChoices):
    """Where a version came from."""

    WRITTEN = "written", _("Written here")
    IMPORTED = "imported", _("Imported file")
    ENGINE = "engine", _("Found on an engine")
    TRAINED = "trained", _("Trained here")


class Effect(models.TextChoices):
    """Whether pictures with the version differ from those without it, measured with the same prompt and seed."""

    UNKNOWN = "", _("Not measured")
    VISIBLE = "visible", _("Visible")
    NONE = "none", _("No visible effect")


def triggers(words: str) -> list[str]:
    """The phrases of a line of trigger words, in order, without blanks. Chinese commas separate them too."""
    return grammar.split(words)


def engine_name(style: Style, what: str, sha256: str) -> str:
    """The name of a style's file on engines: plain ASCII, and different for every content.

    `what` tells files of the style apart, such as v3. The name has to change with the content, because an engine does
    not reread a file that was overwritten under the same name.
    """
    stem = slugify(style.slug)[:60].strip("-_") or f"style-{style.pk}"
    return f"stylestudio_{stem}_{what}_{sha256[:8]}.safetensors"


_FILES = ["file", "size", "sha256", "engines_copy", "engines_size", "engines_sha256", "lora_name"]


class VersionQuerySet(PartQuerySet["StyleVersion"]):
    """Versions of styles."""

    part_of = "style"


class NumberedVersions(models.Manager["StyleVersion"]):
    """Versions with a number: without checkpoints of trainings that nobody has chosen yet."""

    def get_queryset(self) -> VersionQuerySet:
        return VersionQuerySet(self.model, using=self._db).filter(number__gt=0)


class StyleVersion(ForEngines):
    """One state of a style. Pictures refer to the version they were made with, so a version in use is never deleted.

    A checkpoint of a training is a version too, so that sample pictures are made like any others. It has the number 0
    and is not shown among the versions until somebody chooses it: see `choose`.
    """

    style = models.ForeignKey(Style, on_delete=models.PROTECT, related_name="versions", verbose_name=_("style"))
    number = models.PositiveIntegerField(_("version"), default=1)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    source = models.CharField(
        _("source"), max_length=10, choices=Source.choices, default=Source.WRITTEN, editable=False
    )
    lora_name = models.CharField(
        _("file on the engines"),
        max_length=255,
        blank=True,
        help_text=_("As the engine lists it, such as ink_v3.safetensors"),
    )
    file = models.FileField(_("file"), upload_to="uploads/styles/%Y/%m", blank=True)
    size = models.PositiveBigIntegerField(_("size"), null=True, editable=False)  # bytes of the file
    sha256 = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    # Of the tensors alone: the same weights with other metadata are the same style.
    tensor_sha256 = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    family = models.CharField(_("base model family"), max_length=20, blank=True, editable=False)
    layout = models.CharField(_("layout"), max_length=20, blank=True, editable=False)
    algorithm = models.CharField(_("algorithm"), max_length=20, blank=True, editable=False)
    rank = models.PositiveIntegerField(_("rank"), null=True, editable=False)
    alpha = models.FloatField(_("alpha"), null=True, editable=False)
    text_encoders = models.BooleanField(_("changes text encoders"), default=False, editable=False)
    trained_on = models.CharField(_("trained on"), max_length=255, blank=True, editable=False)
    # Id of the training run that the file is from.
    session = models.CharField(max_length=64, blank=True, editable=False)
    epoch = models.PositiveIntegerField(_("epoch"), null=True, editable=False)
    step = models.PositiveIntegerField(_("training step"), null=True, editable=False)
    training = models.JSONField(default=list, blank=True, editable=False)  # [label, value] as the file says
    checkpoint = models.CharField(
        _("checkpoint"), max_length=255, blank=True, help_text=_("Leave it empty for the studio's own")
    )
    lightning = models.CharField(
        _("Lightning file"), max_length=255, blank=True, help_text=_("Leave it empty for the studio's own")
    )
    trigger_words = models.CharField(
        _("trigger words"), max_length=500, blank=True, help_text=_("Separated by commas. Put in front of the prompt")
    )
    default_strength = models.FloatField(
        _("default strength"),
        default=1.0,
        validators=[MinValueValidator(LEAST_STRENGTH), MaxValueValidator(MOST_STRENGTH)],
    )
    # Outside this range pictures may break; both or neither.
    safe_from = models.FloatField(_("safe from"), null=True, blank=True)
    safe_to = models.FloatField(_("safe to"), null=True, blank=True)
    effect = models.CharField(_("effect"), max_length=10, choices=Effect.choices, blank=True, editable=False)
    difference = models.FloatField(null=True, editable=False)  # 0 to 1, mean over pixels and channels
    author = models.CharField(_("author"), max_length=200, blank=True)
    licence = models.CharField(_("licence"), max_length=300, blank=True)
    notes = models.TextField(_("notes"), max_length=4000, blank=True)
    sheet = models.ImageField(upload_to="outputs/sheets/%Y/%m", blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = NumberedVersions.from_queryset(VersionQuerySet)()
    everything = VersionQuerySet.as_manager()

    class Meta:
        ordering = ["style", "-number"]
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        base_manager_name = "everything"
        constraints = [
            models.UniqueConstraint(
                fields=["style", "number"], condition=Q(number__gt=0), name="styleversion_number_once"
            ),
            models.UniqueConstraint(
                fields=["style"], condition=Q(state="published"), name="styleversion_one_published"
            ),
            models.CheckConstraint(
                condition=within("default_strength", "default_strength"),
                name="styleversion_strength_range",
            ),
            models.CheckConstraint(
                condition=Q(safe_from__isnull=True, safe_to__isnull=True)
                | Q(safe_from__isnull=False, safe_to__isnull=False, safe_from__lte=models.F("safe_to"))
                & within("safe_from", "safe_to"),
                name="styleversion_safe_range",
            ),
        ]

    def __str__(self) -> str:
        if self.is_checkpoint:
            return gettext("%(style)s after %(step)d steps") % {"style": self.style.title, "step": self.step or 0}
        return f"{self.style.title} v{self.number}"

    @property
    def is_checkpoint(self) -> bool:
        """Whether it is a checkpoint of a training that nobody has chosen yet."""
        return self.number == 0

    @property
    def is_blank(self) -> bool:
        """Whether it is as a style's version 1 is created: no file, no words, no pictures."""
        return not (self.lora_name or self.file or self.trigger_words or self.is_used)

    @property
    def triggers(self) -> list[str]:
        """The trigger phrases, in order, without blanks. Chinese commas separate them too."""
        return triggers(self.trigger_words)

    @property
    def training_facts(self) -> list[tuple[str, str]]:
        """Label and value of what the file says of its training, in words: those of rooms of trainers come first."""
        in_words = list(rooms.contributed("training_words"))
        facts = labelled(tuple((str(key), str(value)) for key, value in self.training))
        return [next(filter(None, (told(label, value) for told in in_words)), (label, value)) for label, value in facts]

    @property
    def is_used(self) -> bool:
        """Whether any task uses it."""
        return self.pk is not None and self.uses.exists()

    @property
    def is_kept(self) -> bool:
        """Whether pictures other than previews use it, so that it must be kept."""
        return self.pk is not None and self.uses.filter(task__is_face=False).exists()

    def take_file(self, file: File[bytes] | str, size: int, sha256: str, copy: EnginesCopy | None = None) -> None:
        """Set the LoRA file (`size` bytes, SHA-256 `sha256` in hexadecimal), which is then installed on engines that
        lack it.

        A File is stored; a string is the name of a file already in the storage. If there is a `copy`, engines get that
        one. Saves the version's files, sizes, hashes and `lora_name`, its name on engines. Raises OSError if the file
        cannot be stored; then nothing has changed.
        """
        if isinstance(file, str):
            self.file.name = file
        else:
            self.file.save(identity.new_name(".safetensors"), file, save=False)
        self.size, self.sha256 = size, sha256
        if copy:
            self.take_copy(copy)
        self.lora_name = engine_name(self.style, f"v{self.number}", copy.sha256 if copy else sha256)
        try:
            self.save(update_fields=_FILES)
        except BaseException:
            throw_away(str(self.file.name))
            raise

    def side(self, weight: float) -> str:
        """On which side of the safe range a weight is: above or below; "" inside it, or if the range is unknown."""
        if self.safe_from is None or self.safe_to is None:
            return ""
        return "above" if weight > self.safe_to else "below" if weight < self.safe_from else ""

    def publish(self) -> None:
        """Make this the version for new pictures; the one before is archived, and can be published again."""
        with transaction.atomic():
            # Serialised, so that two people who publish at once do not violate the constraint.
            Style.everything.select_for_update().get(pk=self.style_id)
            others = StyleVersion.objects.filter(style=self.style_id, state=State.PUBLISHED).exclude(pk=self.pk)
            others.update(state=State.ARCHIVED)
            self._set_state(State.PUBLISHED)

    def choose(self) -> bool:
        """Make a numbered version of a checkpoint: with the next number, or number 1 if the style has only a blank one.

        It becomes a draft; `publish` it for new pictures. False if it was chosen before. Its name on engines stays.
        """
        with transaction.atomic():
            Style.everything.select_for_update().get(pk=self.style_id)
            self.refresh_from_db(fields=["number"])
            if not self.is_checkpoint:
                return False
            numbered = list(self.style.versions.order_by("number"))
            if len(numbered) == 1 and numbered[0].is_blank:
                numbered.pop().delete()
            self.number = numbered[-1].number + 1 if numbered else 1
            self.save(update_fields=["number"])
            return True

    def archive(self) -> None:
        """Stop offering it. A style without a published version is not offered; the base style's stays published."""
        if self.style.is_base:
            raise BaseStyleIsProtected
        self._set_state(State.ARCHIVED)

    def purge(self) -> None:
        """Delete it with its file and its previews for good.

        Raises VersionInUse if pictures other than previews were made with it, or if it is the published or the only
        version, and ValidationError while its previews are being made.
        """
        if self.state == State.PUBLISHED or self.is_kept or self.style.versions.count() < 2:
            raise VersionInUse
        files = self.file, self.engines_copy, self.sheet
        try:
            with transaction.atomic():
                purging.send(StyleVersion, version=self)
                self.delete()
        except ProtectedError as used_meanwhile:
            raise VersionInUse from used_meanwhile
        for stored in files:
            if stored:
                stored.delete(save=False)

    def _set_state(self, state: State) -> None:
        self.state = state
        self.save(update_fields=["state"])


class PresetQuerySet(PartQuerySet["Preset"]):
    """Presets of styles."""

    part_of = "style"


class Preset(models.Model):
    """A named template for prompts in a style: words around the prompt, negative prompt, size in pixels, and steps."""

    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="presets", verbose_name=_("style"))
    name = models.CharField(_("name"), max_length=MOST_NAME)
    prefix = models.CharField(_("before the prompt"), max_length=MOST_WORDS, blank=True)
    suffix = models.CharField(_("after the prompt"), max_length=MOST_WORDS, blank=True)
    negative = models.TextField(_("negative prompt"), max_length=4000, blank=True)
    width = models.PositiveIntegerField(_("width"), default=1024, validators=SIDE)
    height = models.PositiveIntegerField(_("height"), default=1024, validators=SIDE)
    steps = models.PositiveSmallIntegerField(
        _("steps"), default=4, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PresetQuerySet.as_manager()

    class Meta:
        ordering = ["style", "position", "name", "pk"]
        verbose_name = _("preset")
        verbose_name_plural = _("presets")
        constraints = [models.UniqueConstraint(fields=["style", "name"], name="preset_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def shape(self) -> str:
        """The value forms send, such as 1216x832."""
        return f"{self.width}x{self.height}"
