"""No page and no background step reads a large table from end to end: it would become slower with every picture.

Every statement is explained by SQLite, with its parameters as Django sends them, on a database as it is after years,
only smaller. That the same statement as text would use an index says nothing: a parameter is not compared with the
condition of an index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

# Programs that are started by path, so that mypy knows them under their own names.
million = import_module("tests.benchmarks.million")
years = import_module("tests.benchmarks.years")

PICTURES = 20_000
LARGE = {
    "pictures_generationtask", "pictures_engineprompt", "pictures_generatedimage", "pictures_taskstyle",
    "datasets_datasetimage", "runs_lossblock", "pictures_searchdocument", "pictures_searchentry", "pictures_searchpart",
    "pictures_searchuse", "pictures_searchword",
}  # fmt: skip

# Indexes of what is open alone: as long as a queue, and not as the years.
SHORT = {"generationtask_active", "engineprompt_live", "engineprompt_unclean", "generatedimage_unfinished"}

Plan = tuple[str, list[str]]


@contextmanager
def explained() -> Iterator[list[Plan]]:
    """The plans of all SELECTs meanwhile, each behind its statement."""
    plans: list[Plan] = []
    asking = False

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal asking
        if sql.startswith("SELECT") and not asking:
            asking = True
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
                plans.append((sql, [row[3] for row in cursor.fetchall()]))
            asking = False
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield plans


def read_whole(sql: str, plan: list[str]) -> set[str]:
    """The large tables that this plan goes through from end to end.

    One that goes along an index in the wanted order and stops after a page does not. One that goes through a small
    table and looks up in a large one what belongs to each row does.
    """
    alias = {short: table for table, short in re.findall(r'"(\w+)" ([A-Z]\d+)\b', sql)}
    stops = " LIMIT " in sql and not any("TEMP B-TREE FOR ORDER BY" in step for step in plan)
    found: set[str] = set()
    for number, step in enumerate(plan):
        scanned = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
        if scanned and not stops:
            searched = re.findall(r"SEARCH (\w+) USING", "\n".join(plan[number:]))
            found |= {alias.get(each, each) for each in searched} if scanned[2] not in SHORT else set()
        # Without a condition it stops along the primary key too, which has no name in a plan.
        page = stops and bool((scanned and scanned[2]) or " WHERE " not in sql)
        if scanned and scanned[2] not in SHORT and not page:
            found.add(alias.get(str(scanned[1]), str(scanned[1])))
    return found & LARGE


@pytest.mark.django_db
def test_no_page_and_no_step_reads_a_large_table_from_end_to_end() -> None:
    years.fill(PICTURES)
    found = {}
    for name, step in million.steps().items():
        step()  # what is asked once in a process
        with explained() as plans:
            step()
        for sql, plan in plans:
            for table in read_whole(sql, plan):
                found[name, table] = plan, sql
    assert sorted(found) == [], "\n".join(f"{key}: {plan} {sql[:2000]}" for key, (plan, sql) in found.items())


@pytest.mark.django_db
def test_a_page_asks_at_most_fifteen_questions_whatever_is_open() -> None:
    years.fill(1_000)
    asked = {}
    for name, step in million.steps().items():
        step()
        with CaptureQueriesContext(connection) as queries:
            step()
        asked[name] = len(queries)
    assert {name: number for name, number in asked.items() if number > million.MOST_QUERIES} == {}


def test_a_plan_that_reads_a_whole_table_is_told_from_one_that_stops() -> None:
    sql = 'SELECT * FROM "pictures_generatedimage" WHERE EXISTS(SELECT 1 FROM "pictures_generationtask" U0) LIMIT 61'
    assert read_whole(sql, ["SCAN pictures_generatedimage USING INDEX generatedimage_gallery"]) == set()
    assert read_whole(sql, ["SCAN pictures_generatedimage"]) == {"pictures_generatedimage"}
    assert read_whole(sql, ["SCAN U0", "SEARCH pictures_generatedimage USING INDEX x (task_id=?)"]) == {
        "pictures_generationtask"
    }
    sorted_after = ["SCAN pictures_generatedimage USING INDEX x", "USE TEMP B-TREE FOR ORDER BY"]
    assert read_whole(sql, sorted_after) == {"pictures_generatedimage"}
    newest = 'SELECT * FROM "pictures_engineprompt" ORDER BY "pictures_engineprompt"."id" DESC LIMIT 200'
    assert read_whole(newest, ["SCAN pictures_engineprompt"]) == set()
