"""Marks of people on pictures, and boards."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.pictures.models import GeneratedImage
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import OwnedQuerySet, PartQuerySet, Person, Visibility, VisibleQuerySet

MOST_STARS = 5
MOST_NAME = 80  # letters of a board's name
MOST_DESCRIPTION = 2000


class MarkQuerySet(VisibleQuerySet["Mark"]):
    """Queries of marks."""

    def visible_to(self, person: Person) -> Self:
        """Their own: nobody sees what others marked."""
        return super().visible_to(person).filter(person=person.pk)


class Mark(InProject):
    """What one person thinks of one picture. There is no row where nothing is marked.

    `moment` is that of the picture's `SearchEntry`: with the picture it sorts as the gallery does.
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    picture = models.ForeignKey(GeneratedImage, on_delete=models.CASCADE, related_name="+", db_index=False)
    favourite = models.BooleanField(_("favourite"), default=False)
    stars = models.PositiveSmallIntegerField(_("stars"), null=True)  # 1 to 5
    moment = models.BigIntegerField()  # microseconds since 1970

    objects = MarkQuerySet.as_manager()

    class Meta:
        verbose_name = _("mark")
        verbose_name_plural = _("marks")
        constraints = [
            models.UniqueConstraint(fields=["picture", "person"], name="mark_once"),
            models.CheckConstraint(
                condition=Q(stars=None) | Q(stars__gte=1, stars__lte=MOST_STARS), name="mark_stars_range"
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "person", "moment", "picture"], condition=Q(favourite=True), name="mark_favourites"
            ),
            models.Index(
                fields=["project", "person", "moment", "picture", "stars"],
                condition=Q(stars__isnull=False),
                name="mark_rated",
            ),
        ]


class BoardQuerySet(OwnedQuerySet["Board"]):
    """Queries of boards."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Move to the trash. The boards of a project are looked for again by their owners."""
        count = self.update(deleted_at=timezone.now())
        return count, {"keeping.Board": count}


class LiveBoards(models.Manager["Board"]):
    """Boards that are not in the trash."""

    def get_queryset(self) -> BoardQuerySet:
        return BoardQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Board(InProject):
    """Pictures that somebody put together, in an order."""

    name = models.CharField(_("name"), max_length=MOST_NAME)
    description = models.TextField(_("description"), max_length=MOST_DESCRIPTION, blank=True)
    cover = models.ForeignKey(
        GeneratedImage,
        verbose_name=_("cover"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="boards", editable=False)
    visibility = models.CharField(_("who sees it"), max_length=10, choices=Visibility.choices, default=Visibility.TEAM)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveBoards.from_queryset(BoardQuerySet)()
    everything = BoardQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-pk"]
        verbose_name = _("board")
        verbose_name_plural = _("boards")
        base_manager_name = "everything"
        indexes = [
            models.Index(fields=["project", "updated_at", "id"], condition=Q(deleted_at=None), name="board_list"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("generation:board", args=[self.pk])

    @property
    def is_private(self) -> bool:
        """Whether only its owner sees it, and owners of the studio."""
        return self.visibility == Visibility.PRIVATE

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Move to the trash; its pictures keep their places."""
        return Board.objects.filter(pk=self.pk).delete()

    def restore(self) -> None:
        """Take out of the trash."""
        Board.everything.filter(pk=self.pk).update(deleted_at=None)

    def lock(self) -> None:
        """Prevent others from changing its order until the transaction ends."""
        list(Board.everything.select_for_update(no_key=True).filter(pk=self.pk).values_list("pk"))

    def touch(self) -> None:
        """Update the time of its last change."""
        Board.everything.filter(pk=self.pk).update(updated_at=timezone.now())


class BoardPictureQuerySet(PartQuerySet["BoardPicture"]):
    """Queries of places on boards."""

    part_of = "board"


class BoardPicture(models.Model):
    """The place of a picture on a board. Positions leave gaps, so that a move writes one row.

    A picture in the trash keeps its place. `moment` is that of the picture's `SearchEntry`.
    """

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="places", db_index=False)
    picture = models.ForeignKey(GeneratedImage, on_delete=models.CASCADE, related_name="places", db_index=False)
    position = models.BigIntegerField()
    moment = models.BigIntegerField()  # microseconds since 1970

    objects = BoardPictureQuerySet.as_manager()

    class Meta:
        verbose_name = _("picture on a board")
        verbose_name_plural = _("pictures on boards")
        constraints = [models.UniqueConstraint(fields=["picture", "board"], name="boardpicture_once")]
        indexes = [
            models.Index(fields=["board", "position", "picture"], name="boardpicture_in_order"),
            models.Index(fields=["board", "moment", "picture"], name="boardpicture_newest"),
        ]

    @property
    def key(self) -> tuple[int, int]:
        """What it is sorted by: position, then picture."""
        return self.position, self.picture_id
