"""A PostgreSQL database of then is taken along as a file of SQLite is, however often it is killed on the way.

Heavy: `run.py test -m heavy tests/scale`; `tests/scale/servers.py` says what it needs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.scale.servers import PYTHON, ROOT, House

pytestmark = pytest.mark.heavy

DUMP = ROOT / "tests/database/earlier/2026-11-28.sql"
# Tables and rows of then, by the migrations of then: a program of today cannot make them otherwise.
MAKE = """
import json, sqlite3
from django.db import connection, models, transaction
from stylestudio.database import earlier, conversion
kept = sqlite3.connect(":memory:"); kept.row_factory = sqlite3.Row
kept.executescript(open({dump!r}, encoding="utf-8").read())
executor = conversion._earlier_executor()
others = [key for key in executor.loader.graph.leaf_nodes() if key[0] not in conversion.PARTS]
executor.migrate([*earlier.OLDEST, *others])
loader = conversion._earlier_executor().loader
state = loader.project_state([*earlier.OLDEST, *others])
def value(field, raw):
    if raw is None or isinstance(field, models.BinaryField): return raw
    return json.loads(raw) if isinstance(field, models.JSONField) else field.to_python(raw)
with transaction.atomic():
    for model in state.apps.get_models(include_auto_created=True):
        table, fields = model._meta.db_table, model._meta.concrete_fields
        rows = kept.execute(f'SELECT * FROM "{{table}}"').fetchall()
        kinds = [(f.attname, f.column, f.target_field if f.is_relation else f) for f in fields]
        model._base_manager.bulk_create(
            [model(**{{name: value(kind, row[column]) for name, column, kind in kinds}}) for row in rows]
        )
        last = kept.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
        if last and last[0]:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{{table}}', 'id'), {{last[0]}})")
"""
SCHEMA = (
    "SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length, column_default,"
    " is_nullable, is_identity FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "SELECT c.relname, d.refobjid::regclass FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'i'"
    " WHERE c.relkind = 'S' ORDER BY 1",
    "SELECT app, name FROM django_migrations ORDER BY 1, 2",
    "SELECT app_label, model FROM django_content_type ORDER BY 1, 2",
    "SELECT c.app_label, p.codename, p.name FROM auth_permission p"
    " JOIN django_content_type c ON c.id = p.content_type_id ORDER BY 1, 2",
)
THEN = "SELECT (SELECT count(*) FROM generation_generatedimage), (SELECT count(*) FROM training_trainingjob)"
NOW = "SELECT (SELECT count(*) FROM pictures_generatedimage), (SELECT count(*) FROM runs_trainingjob)"


@pytest.fixture
def then(house: House, tmp_path: Path) -> House:
    """A second database on the same server, as a studio of then would have left it."""
    house.ask("CREATE DATABASE earlier")
    env = house.env | {"DATABASE_URL": house.env["DATABASE_URL"].removesuffix("/studio") + "/earlier"}
    other = House(house.folder, env, house.processes, house.ports)
    other.manage("shell", "-v0", "-c", MAKE.format(dump=str(DUMP)))
    assert other.ask(THEN) == "23 2"
    return other


def test_it_ends_as_a_new_one_however_often_it_is_killed_on_the_way(house: House, then: House) -> None:
    last = then.ask("SELECT last_value FROM generation_generatedimage_id_seq")
    assert int(last) > 23, "pictures were deleted then"
    begun = time.monotonic()
    copy = house.ask("CREATE DATABASE timed TEMPLATE earlier") or "timed"
    timed = then.env["DATABASE_URL"].replace("/earlier", f"/{'timed' if copy else copy}")
    then.manage("migrate", "-v0", DATABASE_URL=timed)
    whole = time.monotonic() - begun
    for tenths in (3, 5, 7, 8, 9):
        command = [PYTHON, "manage.py", "migrate", "-v0"]
        process = subprocess.Popen(command, cwd=ROOT, env=then.env, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(whole * tenths / 10)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if "pictures_generatedimage" in then.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            break  # it was through: slower at the first time than now
        assert then.ask(THEN) == "23 2"
    then.manage("migrate", "-v0")
    assert then.ask(NOW) == "23 2"
    for question in SCHEMA:
        assert then.ask(question) == house.ask(question)
    assert then.ask("SELECT last_value FROM pictures_generatedimage_id_seq") == last
    history = "SELECT l.object_repr FROM django_admin_log l JOIN django_content_type t ON t.id = l.content_type_id"
    assert then.ask(f"{history} WHERE t.app_label = 'engines'") == "Preview engine"
