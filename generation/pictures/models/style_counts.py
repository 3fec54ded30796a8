"""How many pictures each person made, and with each style, counted when a picture comes or goes.

A page with all styles, or the number above the gallery, would otherwise count every picture that was ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Sum

from stylestudio.people.projects import InProject
from stylestudio.people.visibility import OwnedQuerySet, Person, Visibility


class Made(Protocol):
    """The part of a task that its pictures are counted by; its module stands above this one."""

    @property
    def is_face(self) -> bool:
        """Whether it only shows a style."""

    @property
    def project_id(self) -> Any:
        """The key of the project it belongs to."""

    @property
    def owner_id(self) -> int:
        """The person who asked for it."""

    @property
    def visibility(self) -> str:
        """Who may see it."""

    @property
    def snapshot(self) -> Any:
        """Everything that was asked for, frozen."""

    @property
    def mix(self) -> Any:
        """Its styles."""


class StyleCountQuerySet(OwnedQuerySet["StyleCount"]):
    """Counts of pictures by style."""

    def by_style(self, styles: Sequence[int]) -> dict[int, int]:
        """The number of pictures by the key of the style; styles without any are left out."""
        rows = self.filter(style__in=styles).order_by().values_list("style").annotate(sum=Sum("pictures"))
        return {style: total for style, total in rows if total}


class StyleCount(models.Model):
    """Pictures of one person that the same people may see and that were made with one style.

    Neither pictures in the trash count nor those that only show a style. A picture with two versions of a style counts
    once.
    """

    style = models.ForeignKey("styles.Style", on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    visibility = models.CharField(max_length=10, choices=Visibility.choices)
    pictures = models.IntegerField(default=0)

    objects: ClassVar[StyleCountQuerySet] = StyleCountQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["style", "owner", "visibility"], name="stylecount_once"),
        ]

    def __str__(self) -> str:
        return f"{self.style}: {self.pictures}"


class PictureCountQuerySet(OwnedQuerySet["PictureCount"]):
    """Counts of pictures by person."""

    def total(self) -> int:
        """The number of pictures."""
        return int(self.aggregate(sum=Sum("pictures"))["sum"] or 0)

    def by_owner(self) -> dict[int, int]:
        """The number of pictures by the key of the person; people without any are left out."""
        rows = self.order_by().values_list("owner").annotate(sum=Sum("pictures"))
        return {owner: total for owner, total in rows if total}


class PictureCount(InProject):
    """Pictures of one person in a project that the same people may see.

    Neither pictures in the trash count nor those that only show a style.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    visibility = models.CharField(max_length=10, choices=Visibility.choices)
    pictures = models.IntegerField(default=0)

    objects: ClassVar[PictureCountQuerySet] = PictureCountQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "owner", "visibility"], name="picturecount_once"),
        ]

    def __str__(self) -> str:
        return f"{self.owner}: {self.pictures}"


_COUNT = f"""
INSERT INTO "{PictureCount._meta.db_table}" ("project_id", "owner_id", "visibility", "pictures") VALUES (%s, %s, %s, %s)
ON CONFLICT ("project_id", "owner_id", "visibility")
DO UPDATE SET "pictures" = "{PictureCount._meta.db_table}"."pictures" + EXCLUDED."pictures"
"""  # noqa: S608 - names of ours


def add(task: Made, number: int) -> None:
    """Count `number` more pictures of a task, or fewer. Call it in the transaction that stores or removes them."""
    if task.is_face:
        return
    with connection.cursor() as cursor:  # a tenth of what the ORM takes
        cursor.execute(_COUNT, [task.project_id, task.owner_id, task.visibility, number])
    if not task.snapshot.get("styles", True):  # known without a query
        return
    for style in sorted(set(task.mix.order_by().values_list("version__style", flat=True))):
        row, _made = StyleCount.objects.get_or_create(
            style_id=style, owner_id=task.owner_id, visibility=task.visibility
        )
        StyleCount.objects.filter(pk=row.pk).update(pictures=F("pictures") + number)


def count_by_style(styles: Sequence[int], person: Person) -> dict[int, int]:
    """How many pictures that `person` may see were made with each of these styles, by the style's key."""
    return StyleCount.objects.visible_to(person).by_style(styles)
