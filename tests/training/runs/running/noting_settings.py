"""The settings of a studio whose worker notes every write that it sends to the database."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

from stylestudio.settings import *  # noqa: F403

_WRITE = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')
_SET = re.compile(r'"(\w+)" = ')


def _note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    result = execute(sql, params, many, context)
    if found := _WRITE.match(sql):
        columns = _SET.findall(sql.partition(" WHERE ")[0]) if found[1] == "UPDATE" else []
        line = json.dumps([time.time(), found[1], found[2], columns, repr(params)])
        with Path(os.environ["STYLESTUDIO_DATA"], "writes").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    return result


def _watch(connection: Any, **_more: Any) -> None:
    connection.execute_wrappers.append(_note)


if "worker" in sys.argv:
    connection_created.connect(_watch)
