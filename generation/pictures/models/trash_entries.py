"""What is in the trash: one narrow row for each picture, and how many there are of each person and day.

Both are written in the transaction that deletes a picture, restores it, or has freed its files, so that a page neither
goes through all pictures nor counts those in the trash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import Any, ClassVar, NamedTuple, Self

from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import TruncDate

from stylestudio.people.projects import InProject
from stylestudio.people.visibility import Person, VisibleQuerySet


class TrashQuerySet(VisibleQuerySet[Any]):
    """Rows about the trash of people."""

    def visible_to(self, person: Person) -> Self:
        """One's own; owners of the studio see everybody's."""
        seen = super().visible_to(person)
        return seen if person.is_superuser else seen.filter(owner=person.pk)


class TrashEntry(InProject):
    """A picture in the trash. It goes when the picture comes back, or when its files are in the bin.

    `owner`: whose picture it is. `size`: bytes of its original. `counted_from`: when it was deleted, or when this
    studio first ran a version that empties the trash, if that was later. `look_at`: from when on the days until it is
    emptied are counted, which is later if something used it; for one that is `leaving`, when its files are freed.
    """

    picture = models.OneToOneField(
        "pictures.GeneratedImage", on_delete=models.CASCADE, primary_key=True, related_name="trash_entry"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    size = models.PositiveBigIntegerField()
    deleted_at = models.DateTimeField()
    counted_from = models.DateTimeField()
    look_at = models.DateTimeField()
    leaving = models.BooleanField(default=False)  # it cannot come back; its files are not in the bin yet

    objects: ClassVar[TrashQuerySet] = TrashQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(
                fields=["project", "deleted_at", "picture"], condition=Q(leaving=False), name="trashentry_everybodys"
            ),
            models.Index(
                fields=["project", "owner", "deleted_at", "picture"],
                condition=Q(leaving=False),
                name="trashentry_own",
            ),
            models.Index(fields=["look_at"], condition=Q(leaving=False), name="trashentry_due"),
            models.Index(fields=["look_at"], condition=Q(leaving=True), name="trashentry_leaving"),
        ]

    def __str__(self) -> str:
        return f"#{self.picture_id}"


class TrashCount(InProject):
    """How many pictures of a person are in the trash since a day (UTC), and the bytes of their originals."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    pictures = models.IntegerField(default=0)
    size = models.BigIntegerField(default=0)

    objects: ClassVar[TrashQuerySet] = TrashQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "owner", "day"], name="trashcount_once")]

    def __str__(self) -> str:
        return f"{self.day}: {self.pictures}"


class Discarded(NamedTuple):
    """The part of a picture that its entry is made of."""

    picture: int
    project: Any  # its key
    owner: int
    size: int


def add(pictures: Collection[Discarded], moment: datetime) -> None:
    """Add pictures that were deleted at `moment`, in the transaction that deletes them."""
    TrashEntry.objects.bulk_create(
        TrashEntry(
            picture_id=each.picture,
            project_id=each.project,
            owner_id=each.owner,
            size=each.size,
            deleted_at=moment,
            counted_from=moment,
            look_at=moment,
        )
        for each in pictures
    )
    _count(((each.project, each.owner, moment.astimezone(UTC).date(), each.size) for each in pictures), 1)


def remove(pictures: Collection[int]) -> None:
    """Take pictures out, in the transaction that restores them or has freed their files. Some may be gone."""
    entries = TrashEntry.objects.filter(picture__in=pictures)
    rows = list(
        entries.order_by("picture")
        .select_for_update()
        .values_list("project", "owner", TruncDate("counted_from", tzinfo=UTC), "size", "picture")
    )
    entries.filter(picture__in=[row[-1] for row in rows]).delete()
    _count((row[:-1] for row in rows), -1)


def forget_empty_days() -> None:
    """Delete counts of days of which nothing is left."""
    TrashCount.objects.filter(pictures__lte=0).delete()


def _count(rows: Iterable[tuple[int, int, date, int]], sign: int) -> None:
    """Count so many more, or fewer. The database adds, whoever else counts at the same moment."""
    pictures: Counter[tuple[int, int, date]] = Counter()
    sizes: Counter[tuple[int, int, date]] = Counter()
    for project, owner, day, size in rows:
        pictures[project, owner, day] += sign
        sizes[project, owner, day] += sign * size
    table = TrashCount._meta.db_table
    statement = (
        f'INSERT INTO "{table}" ("project_id", "owner_id", "day", "pictures", "size") VALUES (%s, %s, %s, %s, %s) '  # noqa: S608 - names of ours
        'ON CONFLICT ("project_id", "owner_id", "day") DO UPDATE SET '
        f'"pictures" = "{table}"."pictures" + excluded."pictures", "size" = "{table}"."size" + excluded."size"'
    )
    values = [
        (project, owner, connection.ops.adapt_datefield_value(day), number, sizes[project, owner, day])
        for (project, owner, day), number in sorted(pictures.items())
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(statement, values)
