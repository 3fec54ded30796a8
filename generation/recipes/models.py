"""The versions of recipes that pictures were made by, and the recipes that a studio makes of workflows itself."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.recipes.recipe import Words


class KeptRecipe(models.Model):
    """A version of a recipe with its graphs, as it was when a picture was first ordered by it. Rows are only added."""

    sha256 = models.CharField(max_length=64, primary_key=True)  # `reading.digest` of the document
    name = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    document = models.JSONField()
    kept_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class OwnRecipe(models.Model):
    """A recipe that was made here of a workflow. Everybody in the studio may use it; curators look after it."""

    name = models.CharField(max_length=64, unique=True)  # as `Recipe.name`, begins with `registry.OWN`
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        verbose_name = _("recipe")
        verbose_name_plural = _("recipes")

    def __str__(self) -> str:
        return self.name

    def new_version(self, **fields: Any) -> OwnVersion:
        """Create the next version, a draft."""
        with transaction.atomic():
            OwnRecipe.objects.select_for_update().get(pk=self.pk)
            last = self.versions.aggregate(last=Max("number"))["last"] or 0
            return self.versions.create(number=last + 1, **fields)


class OwnVersions(models.QuerySet["OwnVersion"]):
    """Versions of a studio's own recipes."""

    def published(self) -> Self:
        """Those that new pictures can be made by."""
        return self.filter(state=OwnVersion.State.PUBLISHED)


class OwnVersion(models.Model):
    """One version of a recipe of one's own: the workflow, and what was decided about its form.

    What pictures are made by is the document that `own.building` makes of both. It is kept as KeptRecipe `sha256` when
    the version is published, and changes no more from then on.
    """

    class State(models.TextChoices):
        """A recipe has at most one published version."""

        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        ARCHIVED = "archived", _("Archived")

    recipe = models.ForeignKey(OwnRecipe, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    workflow = models.JSONField()  # the graph, as `own.taking` cleaned it
    nodes = models.JSONField(default=dict)  # what an engine told of its classes, see `own.node_facts`
    origin = models.JSONField(default=dict)  # what was told of the file, see `own.taking.Taken`
    shape = models.JSONField(default=dict)  # what was decided, see `own.building.Shape`
    sha256 = models.CharField(max_length=64, blank=True)  # of its document, once it was published
    created_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True)

    objects = OwnVersions.as_manager()

    class Meta:
        ordering = ["recipe", "-number"]
        verbose_name = _("version of a recipe")
        verbose_name_plural = _("versions of recipes")
        constraints = [
            models.UniqueConstraint(fields=["recipe", "number"], name="ownversion_number_once"),
            models.UniqueConstraint(fields=["recipe"], condition=Q(state="published"), name="ownversion_one_published"),
            models.CheckConstraint(
                condition=~Q(state="published") | ~Q(sha256=""), name="ownversion_published_has_a_document"
            ),
        ]

    def __str__(self) -> str:
        return gettext("%(name)s, version %(number)d") % {"name": self.title, "number": self.number}

    def get_absolute_url(self) -> str:
        return reverse("generation:recipe", args=[self.pk])

    @property
    def title(self) -> str:
        """What it is called, in the reader's language; its short name as long as it is called nothing."""
        told = self.shape.get("title", {})
        return str(Words(told.get("en", ""), told.get("zh-hans", ""))) or self.recipe.name

    @property
    def is_draft(self) -> bool:
        """Whether it may still change."""
        return self.state == self.State.DRAFT and not self.sha256

    def shape_as(self, shape: dict[str, Any]) -> None:
        """Store what was decided. Raises ValidationError if it was published meanwhile."""
        if not OwnVersion.objects.filter(pk=self.pk, sha256="").update(shape=shape):
            raise ValidationError(gettext("This version is published and changes no more. Make a new version."))
        self.shape = shape

    def publish(self, sha256: str) -> None:
        """Make it the version for new pictures; the one before is archived, and can be published again. Its document
        with this hash is kept already.
        """
        with transaction.atomic():
            # Serialised, so that two people who publish at once do not violate the constraint.
            OwnRecipe.objects.select_for_update().get(pk=self.recipe_id)
            self.recipe.versions.published().exclude(pk=self.pk).update(state=self.State.ARCHIVED)
            self.state, self.sha256, self.published_at = self.State.PUBLISHED, self.sha256 or sha256, timezone.now()
            self.save(update_fields=["state", "sha256", "published_at"])

    def archive(self) -> None:
        """Stop offering it. Pictures that were made by it are made again by it all the same."""
        self.state = self.State.ARCHIVED
        self.save(update_fields=["state"])
