"""A new studio's database is written at once and is the one that its migrations lead to."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stylestudio.database import new_studio

ROOT = Path(__file__).parents[2]
BROKEN = """
from pathlib import Path
from stylestudio.database import new_studio
broken = Path({file!r})
broken.write_text(new_studio.SCRIPT.read_text().replace("COMMIT;", "{last}"))
new_studio.SCRIPT = broken
"""
MIGRATE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "stylestudio.settings"
import django
django.setup()
{first}
from django.core.management import call_command
call_command("migrate", verbosity=0, replay={replay})
"""


def migrate(folder: Path, first: str = "", *, replay: bool = False) -> subprocess.CompletedProcess[str]:
    """`manage.py migrate` in a process of its own, with something done to it first."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("STYLESTUDIO_", "DATABASE_URL"))}
    command = [sys.executable, "-c", MIGRATE.format(first=first, replay=replay)]
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        command, cwd=ROOT, env=env | {"STYLESTUDIO_DATA": str(folder)}, text=True, capture_output=True, timeout=120
    )


def rows(folder: Path, statement: str) -> list[object]:
    """What the database in this data folder answers."""
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        return database.execute(statement).fetchall()


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that went through every migration."""
    folder = tmp_path_factory.mktemp("replayed")
    assert migrate(folder, replay=True).returncode == 0
    return folder


@pytest.mark.heavy
def test_the_script_is_what_the_migrations_lead_to(replayed: Path) -> None:
    script = new_studio.SCRIPT.read_text(encoding="utf-8")
    assert new_studio.written(replayed / "stylestudio.sqlite3") == script, "run .ci/new-database"


SAME = [
    "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2",
    "SELECT app, name FROM django_migrations ORDER BY id",
    "SELECT app_label, model FROM django_content_type ORDER BY id",
    "SELECT codename, name, content_type_id FROM auth_permission ORDER BY id",
    "SELECT id, name FROM stylestudio_project",
]


@pytest.mark.heavy
def test_a_new_studio_has_what_a_replayed_one_has(replayed: Path, tmp_path: Path) -> None:
    assert migrate(tmp_path / "new").returncode == 0
    assert [rows(tmp_path / "new", asked) for asked in SAME] == [rows(replayed, asked) for asked in SAME]
    moments = rows(tmp_path / "new", "SELECT applied FROM django_migrations WHERE applied < '2026'")
    assert moments == [], "it began now"


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("INSERT INTO no_such_table VALUES (1); COMMIT;", 1),
        ("SELECT 1;", 1),  # the end of the file is missing
    ],
)
def test_what_breaks_off_leaves_nothing_and_can_be_done_again(tmp_path: Path, last: str, code: int) -> None:
    first = BROKEN.format(file=str(tmp_path / "broken.sql"), last=last)
    assert migrate(tmp_path / "new", first).returncode == code
    assert rows(tmp_path / "new", "SELECT name FROM sqlite_master") == []
    assert migrate(tmp_path / "new").returncode == 0
    assert len(rows(tmp_path / "new", "SELECT name FROM sqlite_master")) > 50
