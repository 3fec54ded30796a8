"""The word search on PostgreSQL: it finds the same, and people who order at once do not wait for each other for ever.

Heavy: `run.py test -m heavy tests/scale`; `tests/scale/servers.py` says what it needs.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.scale.servers import PYTHON, ROOT, House

pytestmark = pytest.mark.servers

SMALL = {"pictures_searchprogress", "styles_style", "styles_styleversion", "auth_user"}


def act(house: House, *what: str) -> subprocess.Popen[str]:
    """A process of `tests.scale.searching`."""
    command = [PYTHON, "-m", "tests.scale.searching", *what]
    return subprocess.Popen(command, cwd=ROOT, env=house.env, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it printed."""
    said, _nothing = process.communicate(timeout=400)
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def test_processes_that_order_the_same_new_words_at_once_add_each_once(house: House) -> None:
    for process in [act(house, "order", str(seed)) for seed in range(4)]:
        told(process)
    words, different = house.ask("SELECT count(*), count(DISTINCT word) FROM pictures_searchword").split()
    assert words == different and int(words) > 800
    assert house.ask("SELECT count(*) FROM pictures_searchdocument") == "40"
    assert house.ask("SELECT count(*) FROM pictures_generationtask") == "160"


@pytest.mark.heavy
def test_it_finds_what_plain_python_finds_and_scans_no_large_table(house: House) -> None:
    empty = House(house.folder, {**house.env}, house.processes, house.ports)
    empty.ask("CREATE DATABASE years")
    empty.env["DATABASE_URL"] = house.env["DATABASE_URL"].removesuffix("/studio") + "/years"
    empty.manage("migrate", "--verbosity", "0")
    told(act(empty, "years"))
    found = [told(act(empty, "find", str(seed))) for seed in range(2)]
    assert [each["wrong"] for each in found] == [[], []]
    assert min(each["hits"] for each in found) > 500
    assert {table: sql for table, sql in told(act(empty, "plans")).items() if table not in SMALL} == {}
