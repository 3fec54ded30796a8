"""PgBouncer between the studio and PostgreSQL: a transaction may be on another connection than the one before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.scale.servers import PYTHON, ROOT, House, binary, unable, until
from tests.scale.test_workers import act, at_once, told

pytestmark = pytest.mark.servers

# How many statements this process let PostgreSQL prepare for claims; None if it lets it prepare none.
COUNT = """
import json, django; django.setup()
from generation.making.choosing.turns import Live
from stylestudio.database import prepared
Live.look()
names = prepared._names()
print(json.dumps(names and len(names)))
"""


def prepared_by(house: House) -> int | None:
    """What COUNT prints."""
    command = [PYTHON, "-c", COUNT]
    env = house.env | {"DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
    said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=120).stdout
    number: int | None = json.loads(said)
    return number


def pooler(house: House) -> None:
    """Put PgBouncer in between, with fewer connections to PostgreSQL than there are processes."""
    program = binary("pgbouncer")
    if program is None:
        unable("pgbouncer is not installed")
    server, _slash, name = house.env["DATABASE_URL"].rpartition("/")
    port, folder = house.port(), house.folder / "pooler"
    folder.mkdir()
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": 3,
        "max_client_conn": 200,
        "ignore_startup_parameters": "extra_float_digits,options",
    }
    file = folder / "pgbouncer.ini"
    place = f"host=127.0.0.1 port={server.rpartition(':')[2]} user=studio"
    lines = ["[databases]", f"{name} = {place}", "[pgbouncer]", *(f"{key} = {value}" for key, value in options.items())]
    file.write_text("\n".join(lines), encoding="utf-8")
    as_user: list[str] = []
    if os.geteuid() == 0:  # which PgBouncer refuses
        as_user = ["runuser", "-u", "postgres", "--"]
        for place_of_it in (folder, file):
            shutil.chown(place_of_it, "postgres")
    house.start(*as_user, str(program), str(file), log="pooler.log")
    house.env["DATABASE_URL"] = f"postgresql://studio@127.0.0.1:{port}/{name}"
    question = [str(binary("psql")), house.env["DATABASE_URL"], "-c", "SELECT 1"]
    until(lambda: not subprocess.run(question, capture_output=True, check=False).returncode, "PgBouncer")


def test_claims_through_a_pooler_prepare_nothing_and_take_every_picture_once(house: House) -> None:
    assert (prepared_by(house) or 0) >= 4
    told(act(house, "engines", 10))
    told(act(house, "orders", 10))
    pooler(house)
    assert prepared_by(house) is None
    taken = at_once(house, "take")
    assert sum(one["taken"] for one in taken) == 40
    assert house.ask("SELECT count(*), max(attempt) FROM pictures_engineprompt") == "40 1"
