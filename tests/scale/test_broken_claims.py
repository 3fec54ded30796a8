"""Claims that break off in the middle on PostgreSQL, and what changes while they go on."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.scale.claiming import PATIENCE
from tests.scale.servers import House, until
from tests.scale.test_workers import LIVE, act, at_once, told

pytestmark = [pytest.mark.servers, pytest.mark.heavy]


def halted(house: House, seconds: int = 0, **env: str) -> subprocess.Popen[str]:
    """A process that has locked a person and an engine for a claim, and goes no further."""
    process = act(house, "halt", seconds, **env)
    assert process.stdout
    assert process.stdout.readline() == "halted\n"
    process.send_signal(signal.SIGSTOP)
    return process


def live(house: House) -> int:
    """How many prompts engines have."""
    return int(house.ask(f"SELECT count(*) FROM pictures_engineprompt WHERE {LIVE}"))


def test_a_worker_that_is_killed_in_the_middle_of_a_claim_takes_nothing_along(house: House) -> None:
    told(act(house, "engines", 1))
    told(act(house, "mixed", 1))
    killed = halted(house, STYLESTUDIO_MAX_RUNNING="1")
    killed.kill()
    killed.wait(10)
    [claims] = told(act(house, "hold", 1, STYLESTUDIO_MAX_RUNNING="1"))["each"]
    assert claims["taken"] == live(house) == 2
    assert claims["seconds"] < 5
    assert house.ask("SELECT count(*), max(seat) FROM pictures_generationtask WHERE seat IS NOT NULL") == "1 1"
    assert house.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


def test_a_worker_that_stands_still_in_the_middle_of_a_claim_is_shut_out_after_ten_seconds(house: House) -> None:
    told(act(house, "engines", 1))
    told(act(house, "mixed", 1))
    slow = halted(house)
    try:
        assert sum(one["taken"] for one in at_once(house, "take")) == 16
    finally:
        slow.kill()
        slow.wait(10)


def test_who_waits_for_a_worker_that_stands_still_sees_what_others_order_meanwhile(house: House) -> None:
    told(act(house, "engines", 12))
    told(act(house, "orders", 6))  # of four people, so that the first two have two
    house.ask("UPDATE pictures_generationtask SET not_before = now() + interval '1 day' WHERE id % 6 IN (5, 0)")
    slow = halted(house, 300)
    try:
        others = act(house, "hold", 4)
        until(lambda: live(house) == 12, "the pictures of the other three", PATIENCE)
        house.ask("UPDATE pictures_generationtask SET not_before = NULL")
        until(lambda: live(house) == 16, "the picture that the second person orders", PATIENCE)
    finally:
        slow.kill()
        slow.wait(10)
    assert sum(one["taken"] for one in told(others)["each"]) == 24


def test_engines_that_come_and_go_while_workers_claim_are_not_overfilled(house: House) -> None:
    told(act(house, "engines", 6))
    told(act(house, "orders", 60))
    running = act(house, "take", 8)
    most = 0
    full = f"SELECT max(n) FROM (SELECT count(*) n FROM pictures_engineprompt WHERE {LIVE} GROUP BY engine_id) each"
    while running.poll() is None:
        for active in ("id % 2 = 0", "id % 2 = 1", "true"):
            house.ask(f"UPDATE engines_engine SET active = ({active}), checked_at = now() WHERE address LIKE '%10.0%'")
            most = max(most, int(house.ask(full) or 0))
    assert sum(one["taken"] for one in told(running)["each"]) == 240
    assert house.ask("SELECT count(*), max(attempt) FROM pictures_engineprompt") == "240 1"
    assert most <= 2


def test_what_an_engine_had_before_there_were_slots_counts(house: House) -> None:
    told(act(house, "engines", 2))
    told(act(house, "orders", 8))
    assert sum(one["taken"] for one in at_once(house, "hold")) == 4
    house.ask("UPDATE pictures_engineprompt SET slot = NULL")
    assert sum(one["taken"] for one in at_once(house, "hold")) == 0
    house.ask(
        "UPDATE pictures_engineprompt SET state = 'done', ended_at = now() "
        "WHERE id IN (SELECT min(id) FROM pictures_engineprompt GROUP BY engine_id)"
    )
    assert sum(one["taken"] for one in at_once(house, "hold")) == 2
    assert house.ask(f"SELECT count(*) FROM pictures_engineprompt WHERE {LIVE} GROUP BY engine_id").split() == ["2"] * 2


def test_a_limit_that_is_lowered_while_tasks_have_higher_seats_holds(house: House) -> None:
    told(act(house, "engines", 10))
    told(act(house, "orders", 40))
    at_once(house, "hold", STYLESTUDIO_MAX_RUNNING="4")
    tasks = "SELECT count(DISTINCT task_id) n FROM pictures_engineprompt p JOIN pictures_generationtask t "
    tasks += f"ON t.id = p.task_id WHERE {LIVE} GROUP BY owner_id"
    before = [int(number) for number in house.ask(tasks).split()]
    house.ask(
        "UPDATE pictures_engineprompt SET state = 'done', ended_at = now() WHERE task_id IN "
        "(SELECT min(task_id) FROM pictures_engineprompt p JOIN pictures_generationtask t ON t.id = p.task_id "
        "GROUP BY owner_id)"
    )
    kept = [int(number) for number in house.ask(tasks).split()]
    at_once(house, "hold", STYLESTUDIO_MAX_RUNNING="2")
    after = [int(number) for number in house.ask(tasks).split()]
    assert max(before) <= 4
    assert max(after) <= max(2, *kept)
