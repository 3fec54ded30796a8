"""How many pictures each person made, and with each style, counted when a picture comes or goes.

A page with all styles, or the number above the gallery, would otherwise count every picture that was ever made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol

from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.models import Sum

from stylestudio.people.projects import InProject
from stylestudio.people.visibility import OwnedQuerySet, Person, Visibility


class Made(Protocol):
    """The part of a task that its pictures are counted by; its module stands above this one."""

    @property
    def pk(self) -> Any:
        """Its key."""

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


def add(task: Made, number: int) -> None:
    """Count `number` more pictures of a task, or fewer. Call it in the transaction that stores or removes them."""
    add_all([(task, number)])


def add_all(counted: Iterable[tuple[Made, int]]) -> None:
    """The same for several tasks, in as many statements as for one."""
    by_owner: Counter[tuple[Any, ...]] = Counter()
    of_tasks: dict[int, tuple[Made, int]] = {}
    for task, number in counted:
        if task.is_face:
            continue
        by_owner[task.project_id, task.owner_id, task.visibility] += number
        if task.snapshot.get("styles", True):  # known without a query
            of_tasks[task.pk] = task, number
    _count(PictureCount, ("project_id", "owner_id", "visibility"), by_owner)
    if not of_tasks:
        return
    mixes: Any = apps.get_model("pictures", "TaskStyle")  # its module stands above this one
    used = mixes.objects.filter(task__in=of_tasks).order_by().values_list("task", "version__style").distinct()
    by_style: Counter[tuple[Any, ...]] = Counter()
    for pk, style in used:
        task, number = of_tasks[pk]
        by_style[style, task.owner_id, task.visibility] += number
    _count(StyleCount, ("style_id", "owner_id", "visibility"), by_style)


def _count(model: type[models.Model], columns: tuple[str, ...], numbers: Counter[tuple[Any, ...]]) -> None:
    """Add to the counts with these keys, always in the same order, so that nobody waits in a circle."""
    if not numbers:
        return
    table, names = model._meta.db_table, ", ".join(f'"{column}"' for column in columns)
    places = ", ".join(["(%s, %s, %s, %s)"] * len(numbers))
    statement = (
        f'INSERT INTO "{table}" ({names}, "pictures") VALUES {places} ON CONFLICT ({names}) '  # noqa: S608 - names of ours
        f'DO UPDATE SET "pictures" = "{table}"."pictures" + EXCLUDED."pictures"'
    )
    with connection.cursor() as cursor:  # a tenth of what the ORM takes
        cursor.execute(statement, [value for key in sorted(numbers) for value in (*key, numbers[key])])


def count_by_style(styles: Sequence[int], person: Person) -> dict[int, int]:
    """How many pictures that `person` may see were made with each of these styles, by the style's key."""
    return StyleCount.objects.visible_to(person).by_style(styles)
