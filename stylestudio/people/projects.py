"""Projects: what a team works on at one time, with its styles, datasets, trainings and pictures.

There is one so far, and everybody works in it. Its key leads the indexes of what people list, so that a list takes as
long as its own project is large, and not as long as all of them together.
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from django.core.management.color import no_style
from django.db import connection, models

from stylestudio.models import Project

DEFAULT = 1  # the one that every studio has


class InProject(models.Model):
    """Rows of one project. An index of its own would only repeat those that begin with it."""

    project = models.ForeignKey(
        Project,
        on_delete=models.PROTECT,
        default=DEFAULT,
        db_default=DEFAULT,
        editable=False,
        related_name="+",
        db_index=False,
    )

    class Meta:
        abstract = True


def keep_default() -> None:
    """Make the one that every studio has, unless it is there or the database is not that far yet."""
    if Project._meta.db_table not in connection.introspection.table_names():
        return
    if not Project.objects.filter(pk=DEFAULT).exists():
        Project.objects.create(pk=DEFAULT, name="Studio")
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [Project]):
                cursor.execute(statement)


def of(person: User | AnonymousUser) -> int:
    """The key of the project that somebody works in."""
    return DEFAULT
