"""What was deleted before a studio empties its trash is counted from that day: nothing goes the next day."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.database.test_conversion import ROOT, migrate, studio_of_then

DELETED = 5_000
LATER = """
import json, os, sys
from datetime import timedelta
os.environ["DJANGO_SETTINGS_MODULE"] = "stylestudio.settings"
import django
django.setup()
from django.contrib.auth.models import User
from django.utils import timezone
from generation.pictures.models import GeneratedImage
from generation.trash import emptying, schedule, wall
from stylestudio.media import identity

identity.record_start()
identity.adopt()  # its files are not here
really, told = timezone.now, []
someone = User(pk=1, is_superuser=True, is_active=True)
for days in (0, 1, 24, 29, 31):
    timezone.now = lambda: really() + timedelta(days=days)
    schedule.TrashRule.objects.update(looked_at=timezone.now())  # it ran all the time
    schedule.keep()
    soon = wall.amount(someone, schedule.current()).soon_number
    while emptying.empty_slice(1):
        pass
    told.append((days, GeneratedImage.everything.filter(emptied_at__isnull=False).count(), soon))
print(json.dumps(told))
"""


def deleted_long_ago(folder: Path) -> int:
    """Add pictures that were deleted a year ago to the database of then; the number of all deleted ones."""
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        for table, changed in (
            ("engineprompt", {"prompt_id": "printf('%032x', n)", "state": "'done'"}),
            ("generatedimage", {"prompt_id": "900000 + n", "deleted_at": "'2025-11-28 10:00:00'"}),
        ):
            names = [row[1] for row in database.execute(f"PRAGMA table_info(generation_{table})")]
            changed |= {"id": "900000 + n", "index": "1000 + n"}
            values = ", ".join(changed.get(name, f'"{name}"') for name in names)
            database.execute(
                f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {DELETED}) "
                f"INSERT INTO generation_{table} SELECT {values} FROM c, "
                f"(SELECT * FROM generation_{table} ORDER BY id LIMIT 1)"
            )
        database.commit()
        counted = "SELECT count(*) FROM generation_generatedimage WHERE deleted_at IS NOT NULL"
        return int(database.execute(counted).fetchone()[0])


def test_of_five_thousand_pictures_deleted_before_none_is_gone_the_next_day(tmp_path: Path) -> None:
    folder = studio_of_then(tmp_path / "data")
    number = deleted_long_ago(folder)
    done = migrate(folder)
    assert done.returncode == 0, done.stderr
    env = {name: value for name, value in os.environ.items() if not name.startswith(("STYLESTUDIO_", "DATABASE_URL"))}
    later = subprocess.run(
        [sys.executable, "-c", LATER],
        cwd=ROOT, env=env | {"STYLESTUDIO_DATA": str(folder)}, text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert later.returncode == 0, later.stderr
    told = {days: (emptied, soon) for days, emptied, soon in json.loads(later.stdout.splitlines()[-1])}
    assert number >= DELETED
    assert told[0] == told[1] == (0, 0)
    assert told[24] == told[29] == (0, number), "announced a week ahead"
    assert told[31][0] == number
