"""Fills a new studio with what a team leaves there in three years, in minutes, on SQLite or PostgreSQL.

    STYLESTUDIO_DATA=FOLDER python tests/benchmarks/filling/years.py [--pictures 1000000]

Rows are made of one template row per table, in which only what differs is replaced: a million pictures come in about as
many seconds as the ORM would need for ten thousand. There are no files behind them.

Four pictures a task; 40,000 prompts, used as often as words are (Zipf), a third of them Chinese; one task in three with
one or two of 60 styles of five versions each; three shapes, two checkpoints and a rare one, presets, some private and
some transparent, one picture in thirteen rated; one in fifty a preview of a style, one in forty failed; 25 people, half
of whom clear what is done; 36 months; five projects of unequal size; 200 datasets of 40 pictures; 2,000 trainings with
losses; what people kept (`kept.py`) and threw away (`trashed.py`); 20 open tasks and two prompts on each engine. All
scaled down with the pictures but for people, engines and what is open; a page of styles, datasets or trainings is full
in a small studio too.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

# The files of this folder are found beside this one, which is started by its path.
import made
import trained
from tables import PEOPLE, PROJECTS, Table, in_project, moments


def fill(pictures: int, seed: int = 7) -> None:
    """Fill the database of the settings, which must be new. Raises IntegrityError for one that has rows."""
    from django.db import transaction

    dice = random.Random(seed)
    share = min(1.0, pictures / 1_000_000)
    with transaction.atomic():
        people = _people()
        _projects()
        versions = _styles(60, people)
        made.fill(dice, pictures, people, versions, max(50, round(40_000 * share)))
        _continue_sequences()  # what is open comes through the ORM
        made.ask(people)
        trained.fill(dice, max(40, round(200 * share)), max(60, round(2_000 * share)), people, versions)
        if find_spec("generation.keeping"):  # or filled with the code of before
            import_module("kept").fill(Table, dice, people, share)
    if find_spec("generation.trash"):
        every = 4 if pictures < made.FEW else 10
        import_module("trashed").fill(
            pictures // every, every, Table, moments(pictures // every + 1, ((0.0, 1.0), (1.0, 0.0)))
        )
    if find_spec("generation.derivations"):
        import_module("finished").fill(Table)
    _index()  # what is in the trash is in no index
    _rate(2 if pictures < made.FEW else 13)
    _share()
    _settle()


def _people() -> list[int]:
    from django.contrib.auth.models import User

    User.objects.create_superuser("owner", password="owner")
    User.objects.bulk_create(User(username=f"person-{number}") for number in range(PEOPLE - 1))
    return list(User.objects.order_by("pk").values_list("pk", flat=True))


def _projects() -> None:
    from stylestudio import models

    if kind := getattr(models, "Project", None):  # or filled with the code of before
        kind.objects.bulk_create(kind(name=f"Project {each}") for each in range(2, len(PROJECTS) + 1))


def _styles(number: int, people: Sequence[int]) -> list[int]:
    """Styles with five versions each, the fourth one published; the versions."""
    from styles.models import State, Style, StyleVersion

    Style.objects.bulk_create(
        Style(name=f"Style {each}", slug=f"style-{each}", owner_id=people[each % PEOPLE], **in_project(each, Style))
        for each in range(number)
    )
    for style in Style.objects.filter(is_base=False):
        StyleVersion.objects.bulk_create(
            StyleVersion(
                style=style,
                number=each,
                state=State.PUBLISHED if each == 4 else State.ARCHIVED,
                lora_name=f"style_{style.pk}_v{each}.safetensors",
                trigger_words=f"{style.slug} painting",
                family="sdxl",
            )
            for each in range(1, 6)
        )
    return list(StyleVersion.objects.filter(style__is_base=False).order_by("pk").values_list("pk", flat=True))


def _index() -> None:
    """Index the pictures for searches, as workers do."""
    if not find_spec("generation.pictures.upkeep"):
        return  # filled with the code of before
    from generation.pictures.upkeep import indexing

    indexing.start_over()
    while indexing.index_slice(60):
        pass


def _rate(every: int) -> None:
    """The averages of one picture in so many."""
    from django.db.models import F

    from generation.pictures import models

    if hasattr(models, "SearchStyle"):  # or filled with the code of before
        entries = models.SearchEntry.objects.annotate(place=F("picture") % every).filter(place=1)
        entries.update(rating=100 + 50 * (F("picture") % 9))


def _share() -> None:
    """Store once what snapshots have in common, as workers do."""
    if not find_spec("generation.pictures.upkeep"):
        return  # filled with the code of before
    from generation.pictures.upkeep import sharing

    while sharing.share_slice(60):
        pass


def _continue_sequences() -> None:
    """Sequences go on behind what was written."""
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(apps.get_models())):
            cursor.execute(statement)


def _settle() -> None:
    """Sequences go on behind what was written, and the planner knows the tables."""
    from django.db import connection

    _continue_sequences()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def migrated() -> None:
    """Set up Django for the database of the settings, and migrate it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    sys.path.insert(0, str(Path.cwd()))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def main() -> None:
    """Migrate the database of the settings and fill it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    options = parser.parse_args()
    migrated()
    fill(options.pictures)


if __name__ == "__main__":
    main()
