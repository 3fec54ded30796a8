"""No page and no background step reads a large table from end to end: it would become slower with every picture.

Every statement is explained by SQLite, with its parameters as Django sends them, on a database as it is after years,
only smaller. That the same statement as text would use an index says nothing: a parameter is not compared with the
condition of an index.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from generation.gallery import searching, walking
from stylestudio.jobs import kinds

# Programs that are started by path, so that mypy knows them under their own names.
million = import_module("tests.benchmarks.million")
sys.path.insert(0, str(Path(__file__).parent / "benchmarks" / "filling"))
years = import_module("years")

PICTURES = 20_000
SLICE_ASKS = 20  # with its savepoints
LARGE = {
    "pictures_generationtask", "pictures_engineprompt", "pictures_generatedimage", "pictures_taskstyle",
    "datasets_datasetimage", "runs_lossblock", "pictures_searchdocument", "pictures_searchentry", "pictures_searchpart",
    "pictures_searchuse", "pictures_searchword", "pictures_searchstyle", "keeping_mark", "keeping_boardpicture",
    "pictures_trashentry", "derivations_derivation",
}  # fmt: skip

# Indexes of what is open alone or not done yet: as long as a queue, and not as the years.
SHORT = {
    "generationtask_active", "generationtask_turns", "engineprompt_live", "engineprompt_unclean",
    "generatedimage_no_thumbnail", "trashentry_leaving", "generationtask_whole", "engineprompt_whole",
}  # fmt: skip

# Asked for each kind of pictures and each name of a preset, of which a studio has some hundred, whether there is one
# that the person may see: the first one is, unless it is private.
PROBED = {"searchentry_kind", "searchentry_preset"}

# Sorted only if `searching.counted` found no more than `walking.FEW` of them: the pictures with so many stars or more.
COUNTED = r"SEARCH \w+ USING INDEX searchentry_rating \(project_id=\? AND rating>\?\)"


# What sorts before it takes a page: the pictures of matching documents, at most 2,000 pictures of each dataset shown,
# open jobs, and of filters at most as many as `walking.FEW`.
SORT_FEW = {
    "words", "datasets", "new training", "socket", "socket, everyone", "claim", "gallery, base style", "filter",
    "search", "sort", "place",
}  # fmt: skip


# They ask what is asked once in the life of a process.
FIRST = ("studio", "live card")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its parameters, as Django sent it."""

    step: str
    sql: str
    parameters: Any

    def plan(self) -> list[str]:
        """How SQLite carries it out now."""
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {self.sql}", self.parameters)
            return [row[3] for row in cursor.fetchall()]

    def sorts_before_a_page(self) -> bool:
        """Whether it now sorts all that it finds although it asks for a page of a large table."""
        page = re.sub(r"EXISTS\(.*? LIMIT 1\)", "", self.sql)  # what is asked of each row is not sorted
        is_large = any(f'"{table}"' in page for table in LARGE)
        return is_large and " LIMIT " in self.sql and "USE TEMP B-TREE FOR ORDER BY" in self.plan()

    def reads_whole(self) -> set[str]:
        """The large tables that it goes through from end to end now."""
        return read_whole(self.sql, self.plan()) if self.sql.startswith("SELECT") else set()


@contextmanager
def noted(step: str, statements: list[Statement]) -> Iterator[None]:
    """Notes all statements meanwhile."""

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(Statement(step, sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield


@pytest.fixture(scope="module")
def asked(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Statement]]:
    """What pages and steps ask in a studio of years, which is there meanwhile."""
    statements: list[Statement] = []
    media = override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media"))
    with media, django_db_blocker.unblock(), transaction.atomic():
        years.fill(PICTURES)
        steps = million.steps()
        for name in FIRST:
            steps[name]()
        for name, step in steps.items():
            is_found = name.startswith(("words", "filter", "search", "sort", "place"))
            with noted(name, statements):
                step()
            if is_found:  # of which a larger studio has more
                with noted(f"{name}, common", statements), pytest.MonkeyPatch.context() as patch:
                    patch.setattr(searching, "MOST_DOCUMENTS", 20)
                    patch.setattr(walking, "FEW", 50)
                    step()
        yield statements
        transaction.set_rollback(True)


def read_whole(sql: str, plan: list[str]) -> set[str]:
    """The large tables that this plan goes through from end to end.

    One that goes along an index in the wanted order and stops after a page does not. One that goes through a small
    table and looks up in a large one what belongs to each row does.
    """
    # Parts of a statement may call different tables the same: all that it may be are meant.
    alias: dict[str, set[str]] = {}
    for table, short in re.findall(r'"(\w+)" ([A-Z]\d+)\b', sql):
        alias.setdefault(short, set()).add(table)
    plan = list(unbounded(sql, plan))

    def meant(name: str, index: str) -> set[str]:
        tables = alias.get(name, {name})
        return {each for each in tables if index.startswith(f"{each.partition('_')[2]}_") or each in index} or tables

    # Whether there is any: if there is none, all are looked at.
    is_any = sql.endswith("LIMIT 1") and " ORDER BY " not in sql
    # EXISTS stops at the first row too, but without an index it goes through all others before.
    asked = re.sub(r"EXISTS\((.*?) LIMIT 1\)", r"EXISTS(\1)", sql)
    # The LIMIT of one part of a union says nothing of the others.
    is_page = " LIMIT " in asked and " UNION ALL " not in asked
    stops = is_page and not is_any and not any("TEMP B-TREE FOR ORDER BY" in step for step in plan)
    found: set[str] = set()
    for number, step in enumerate(plan):
        # What is found by its project alone is a scan of the project. If there is none of what is looked for, so is
        # what comes after a value.
        alone = r"project(?:_id)?=\?(?: AND \w+[<>]\?)*" + (r"|\w+[<>]\?" if is_any else "")
        scanned = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step) or re.match(
            rf"SEARCH (\w+) USING (?:COVERING )?INDEX (\w+) \((?:{alone})\)", step
        )
        if scanned and not stops:
            searched = re.findall(r"SEARCH (\w+) USING (?:COVERING )?(?:INTEGER|INDEX) (\w+)", "\n".join(plan[number:]))
            # What is looked up for each row of a short index is no more than these are.
            behind = [scanned[2], *(index for _each, index in searched)]
            for (each, index), before in zip(searched, behind, strict=False):
                if not {index, before, scanned[2]} & SHORT:
                    found |= meant(each, index)
        # Without a condition it stops along the primary key too, which has no name in a plan.
        page = stops and bool((scanned and scanned[2]) or " WHERE " not in sql)
        if scanned and scanned[2] not in SHORT and not page:
            found |= meant(scanned[1], scanned[2] or "")
        # Years of jobs that somebody cleared are passed over by an index alone.
        if '"cleared_at" IS NULL' in sql and " LIMIT " in sql and "INDEX generationtask_owner " in step:
            found.add("pictures_generationtask")
    return found & LARGE


def unbounded(sql: str, plan: list[str]) -> Iterator[str]:
    """The steps of a plan without those that stop by themselves.

    Those are what is counted up to a limit; and whether there is any of a value in an index that `PROBED` names.
    """
    counted = set(re.findall(r" LIMIT \d+\) AS (\w+)", sql))
    # What parts of the statement are read from: their own steps say how they come by it.
    parts = {f"SCAN {step.split()[1]}" for step in plan if step.startswith("CO-ROUTINE")} | {"SCAN CONSTANT ROW"}
    within = before = ""
    for step in plan:
        what, _space, name = step.rpartition(" ")
        if what == "CO-ROUTINE" and name in counted:
            within = name
        probe = re.match(r"SEARCH \w+ USING (?:COVERING )?INDEX (\w+) \(project_id=\? AND \w+=\?", step)
        is_probe = bool(probe and probe[1] in PROBED and before.startswith("CORRELATED SCALAR SUBQUERY"))
        if step not in parts and not within and not is_probe and not re.fullmatch(COUNTED, step):
            yield step
        if step == f"SCAN {within}":
            within = ""
        before = step


@pytest.mark.django_db
def test_no_page_and_no_step_reads_a_large_table_from_end_to_end(asked: list[Statement]) -> None:
    found = {(each.step, table): each for each in asked for table in each.reads_whole()}
    assert sorted(found) == [], "\n".join(f"{key}: {each.plan()} {each.sql[:2000]}" for key, each in found.items())


@pytest.mark.django_db
def test_a_page_asks_at_most_fifteen_questions_whatever_is_open(asked: list[Statement]) -> None:
    # The frame in which a step is measured and taken back is none of its questions.
    frames = {(each.step, each.sql.split()[-1]) for each in asked if each.sql.startswith("ROLLBACK TO SAVEPOINT")}
    number = Counter(each.step for each in asked if (each.step, each.sql.split()[-1]) not in frames)
    # A worker's, about many pictures at once, however many they are.
    assert number.pop("restore some of all") <= SLICE_ASKS
    # A socket asks once of each kind of job what has changed.
    of_kinds = {step: len(list(kinds.kinds())) for step in number if step.startswith("socket")}
    asks = {step: times - of_kinds.get(step, 0) for step, times in number.items()}
    assert {step: times for step, times in asks.items() if times > million.MOST_QUERIES} == {}


@pytest.mark.django_db
def test_only_searches_sort_before_they_take_a_page(asked: list[Statement]) -> None:
    assert {each.step.split(":")[0] for each in asked if each.sorts_before_a_page()} == SORT_FEW


@pytest.mark.django_db
def test_without_any_of_its_indexes_one_of_the_tests_before_would_fail(asked: list[Statement]) -> None:
    distinct = list({each.sql: each for each in asked}.values())
    useless = []
    for name, table, sql in indexes():
        with connection.cursor() as cursor:
            cursor.execute(f'DROP INDEX "{name}"')
            asks = [each for each in distinct if table in each.sql]
            sorting = {each.step.split(":")[0] for each in asks if each.sorts_before_a_page()}
            if not any(each.reads_whole() for each in asks) and sorting <= SORT_FEW:
                useless.append(name)
            cursor.execute(sql)
    # Pages of datasets read all that is not in the trash, for which there is another one. Without the others a page
    # would go through everything until it is full, which its plan does not show.
    assert sorted(useless) == ["datasetimage_in_order", "searchentry_seed", "trashentry_own"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("step", "index"), [("filter: seed", "searchentry_seed"), ("trash", "trashentry_own")]
)  # fmt: skip
def test_rare_things_are_found_by_the_index_of_them(asked: list[Statement], step: str, index: str) -> None:
    assert any(f" {index} " in part for each in asked if each.step == step for part in each.plan())


def indexes() -> list[tuple[str, str, str]]:
    """The indexes of large tables that are no constraint: name, table and the statement that makes it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE 'CREATE INDEX%'"
        )
        return [(name, table, sql) for name, table, sql in cursor.fetchall() if table in LARGE]


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
