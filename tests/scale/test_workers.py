"""Many workers and many engines on PostgreSQL: nobody starves, nothing is taken twice, limits hold for the studio."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

import pytest

from tests.scale.claiming import PATIENCE
from tests.scale.servers import PYTHON, ROOT, House, until

pytestmark = pytest.mark.servers

PROCESSES = 8
LIVE = "state IN ('claimed', 'posted')"
WRONG = ("Unhandled exception", "PoolTimeout", "does not answer; trying again", "Traceback")


def act(house: House, what: str, number: int = 0, /, **env: str) -> subprocess.Popen[str]:
    """A process of `tests.scale.claiming`."""
    command = [PYTHON, "-m", "tests.scale.claiming", what, str(number)]
    return subprocess.Popen(command, cwd=ROOT, env=house.env | env, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it printed."""
    try:
        said, _nothing = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def at_once(house: House, what: str, **env: str) -> list[dict[str, Any]]:
    """The same in PROCESSES processes beside each other."""
    answers: list[dict[str, Any]] = told(act(house, what, PROCESSES, **env))["each"]
    return answers


def test_eight_processes_that_claim_at_once_take_every_picture_once_within_the_limits(house: House) -> None:
    told(act(house, "engines", 10))
    told(act(house, "orders", 60))
    # Two pictures on an engine; and of each of four people at most two tasks on engines, of four pictures each.
    held = at_once(house, "hold", STYLESTUDIO_MAX_RUNNING="2")
    live = f"FROM pictures_engineprompt WHERE {LIVE}"
    assert house.ask(f"SELECT count(*) {live} GROUP BY engine_id").split() == ["2"] * 10
    per_person = "SELECT count(DISTINCT task_id) n FROM pictures_engineprompt p "
    per_person += f"JOIN pictures_generationtask t ON t.id = p.task_id WHERE {LIVE} GROUP BY owner_id"
    assert house.ask(f"SELECT max(n), count(*) FROM ({per_person}) each") == "2 4"
    assert house.ask(f"SELECT max(slot), count(DISTINCT (engine_id, slot)) {live}") == "2 20"
    assert house.ask("SELECT max(seat) FROM pictures_generationtask") == "2"
    assert not any(one["claimable"] for one in held)
    house.ask("UPDATE pictures_engineprompt SET state = 'done'")
    taken = at_once(house, "take")
    assert not any(one["open"] for one in taken), "who found nothing to claim was right"
    assert house.ask("SELECT count(*), max(attempt) FROM pictures_engineprompt") == "240 1"


def test_threads_that_use_a_prepared_query_for_the_first_time_at_once_are_all_answered(house: House) -> None:
    assert told(act(house, "threads", 8))["answered"] == 2_400


@pytest.mark.heavy  # measures, or takes minutes
def test_with_eight_processes_nobody_is_passed_over_more_often_than_people_and_processes(house: House) -> None:
    people = 6
    told(act(house, "engines", 10))
    told(act(house, "mixed", people))
    taken = at_once(house, "take")
    assert sum(one["taken"] for one in taken) == 8 * sum(2 + one for one in range(people))
    claims = "SELECT owner_id, p.id, extract(epoch FROM p.claimed_at) FROM pictures_engineprompt p "
    rows = house.ask(f"{claims} JOIN pictures_generationtask t ON t.id = p.task_id ORDER BY p.claimed_at").splitlines()
    most = most_passed_by([(int(owner), int(pk), float(at)) for owner, pk, at in map(str.split, rows)])
    print(f"passed over {most} times at most, {people} people and {PROCESSES} processes")
    assert most <= people + PROCESSES


def most_passed_by(claims: list[tuple[int, int, float]]) -> int:
    """The most pictures of others between two of a person, by (owner, key, moment of the claim), the oldest first.

    What was started before the first of the two was stored does not count: a worker was claiming for that person.
    """
    most, last = 0, dict.fromkeys((owner for owner, _pk, _at in claims), 0)
    for person, own, begun in claims:
        passed = [pk for owner, pk, at in claims if owner != person and pk > last[person] and at < begun]
        most, last[person] = max(most, len(passed)), own
    return most


def test_eight_processes_share_the_pictures_of_a_single_person(house: House) -> None:
    told(act(house, "engines", 10))
    told(act(house, "mixed", 1))
    taken = at_once(house, "take")
    assert sum(one["taken"] for one in taken) == 16
    assert not any(one["open"] for one in taken), "who found nothing to claim was right"


@pytest.mark.heavy  # measures, or takes minutes
def test_a_claim_takes_no_longer_after_a_year_of_pictures(house: House) -> None:
    told(act(house, "engines", 50))
    young = seconds_for_200(house)
    grown = told(act(house, "history", 300_000))
    assert grown["prompts"] >= 300_000
    old = seconds_for_200(house)
    print(f"200 claims: {young:.1f} s of the first pictures, {old:.1f} s after 300,000")
    assert old < young * 1.5 + 1
    newest = "SELECT t.owner_id, t.is_face, p.claimed_at FROM pictures_engineprompt p "
    newest += "JOIN pictures_generationtask t ON t.id = p.task_id ORDER BY p.id DESC LIMIT 200"
    plan = house.ask(f"EXPLAIN {newest}")
    assert re.search(r"Index Scan Backward using \w+engineprompt_pkey", plan) and "Seq Scan" not in plan


def seconds_for_200(house: House) -> float:
    """How long 200 claims take one process: the best of three times, because other programs need time too."""
    seconds: list[float] = []
    for _time in range(3):
        told(act(house, "orders", 50))
        [claims] = told(act(house, "take", 1))["each"]
        assert claims["taken"] == 200
        seconds.append(claims["seconds"])
    return min(seconds)


def test_two_workers_on_two_engines_never_fail_and_never_overfill_one(house: House) -> None:
    second = preview_engine(house, 2, seconds="0.05")
    house.env["COMFYUI_URL"] += f",{second}"
    for name in ("first", "second"):
        house.start(PYTHON, "manage.py", "worker", log=f"{name}.log")
    until(lambda: house.ask("SELECT count(*) FROM engines_engine WHERE health = 'ok'") == "2", "the engines", PATIENCE)
    until(lambda: house.ask("SELECT count(*) FROM stylestudio_worker") == "2", "the second worker", PATIENCE)
    told(act(house, "orders", 30))
    most = 0
    full = f"SELECT max(n) FROM (SELECT count(*) n FROM pictures_engineprompt WHERE {LIVE} GROUP BY engine_id) each"
    open_tasks = "SELECT count(*) FROM pictures_generationtask WHERE status IN ('queued', 'running')"
    deadline = time.monotonic() + PATIENCE
    while house.ask(open_tasks) != "0" and time.monotonic() < deadline:
        most = max(most, int(house.ask(full) or 0))
        time.sleep(0.1)
    assert house.ask("SELECT status, count(*) FROM pictures_generationtask GROUP BY 1") == "completed 30"
    assert most <= 2
    assert house.ask("SELECT count(DISTINCT worker), max(attempt) FROM pictures_engineprompt") == "2 1"
    assert not [line for line in house.logs().splitlines() if any(word in line for word in WRONG)]
    assert "Database connections: 48 may be wanted, PostgreSQL lets in 100" in house.manage("doctor")
    told(act(house, "engines", 30))
    house.ask("UPDATE engines_engine SET source = 'env'")  # doctor asks those that were added how they are
    assert "Raise max_connections" in doctor(house)


def doctor(house: House) -> str:
    """What it says where not all is well."""
    command = [PYTHON, "manage.py", "doctor"]
    return subprocess.run(command, cwd=ROOT, env=house.env, capture_output=True, text=True, check=False).stdout


def preview_engine(house: House, number: int, seconds: str = "1") -> str:
    """One more engine, of four steps a picture; its address."""
    port = house.port()
    options = ["--painter", "flat", "--step-seconds", seconds, "--port", str(port)]
    folder = str(house.folder / f"engine-{number}")
    house.start(PYTHON, "manage.py", "preview_engine", "--data", folder, *options, log=f"engine-{number}.log")
    return f"http://127.0.0.1:{port}"


def seconds_for_64(house: House) -> float:
    """Place 16 orders of four pictures; from the first claim to the last picture."""
    before = int(house.ask("SELECT coalesce(max(id), 0) FROM pictures_engineprompt"))
    told(act(house, "orders", 16))
    done = f"SELECT count(*) FROM pictures_engineprompt WHERE state = 'done' AND id > {before}"
    until(lambda: house.ask(done) == "64", "64 pictures", PATIENCE)
    took = "extract(epoch FROM max(ended_at) - min(claimed_at))"
    return float(house.ask(f"SELECT {took} FROM pictures_engineprompt WHERE id > {before}"))


def worker_on(house: House, named: list[str], log: str) -> subprocess.Popen[bytes]:
    """A worker that is told of these engines, when all that are known are well."""
    process = house.start(PYTHON, "manage.py", "worker", log=log, COMFYUI_URL=",".join(named))
    alive = f"SELECT count(*) FROM stylestudio_worker WHERE pid = {process.pid} AND ended_at IS NULL"
    until(lambda: house.ask(alive) == "1", "the worker", PATIENCE)
    return process


def all_are_well(house: House, number: int = 8) -> None:
    """Wait for the engines."""
    well = "SELECT count(*) FROM engines_engine WHERE health = 'ok' AND active"
    until(lambda: house.ask(well) == str(number), "the engines", PATIENCE)


def add(house: House, addresses: list[str]) -> None:
    """As a curator does on the page."""
    create = "from generation.engines.models import Engine; "
    create += f"[Engine.objects.create(address=each, source='admin') for each in {addresses!r}]"
    house.manage("shell", "-c", create)


@pytest.mark.heavy  # measures, or takes minutes
def test_no_look_at_the_database_before_it_leaves_a_worker_with_too_few_connections(house: House) -> None:
    assert told(act(house, "connect"))["most"] >= 100


@pytest.mark.heavy  # measures, or takes minutes
def test_engines_that_are_added_on_the_page_work_as_fast_as_those_that_are_named(house: House) -> None:
    urls = [preview_engine(house, number) for number in range(8)]
    house.env["COMFYUI_URL"] = urls[0]
    first = worker_on(house, urls, "named.log")
    all_are_well(house)
    named = seconds_for_64(house)
    first.terminate()
    first.wait(10)
    house.ask("UPDATE engines_engine SET source = 'admin' WHERE address <> '" + urls[0] + "'")
    second = worker_on(house, urls[:1], "added.log")
    all_are_well(house)
    added = seconds_for_64(house)
    second.terminate()
    second.wait(10)
    house.ask("UPDATE engines_engine SET active = false WHERE address <> '" + urls[0] + "'")
    worker_on(house, urls[:1], "later.log")
    all_are_well(house, 1)
    house.ask("UPDATE engines_engine SET active = true")  # as somebody adds them while the worker runs
    all_are_well(house)
    later = seconds_for_64(house)
    print(f"64 pictures: {named:.1f} s named, {added:.1f} s added before the start, {later:.1f} s while it runs")
    assert added < named * 1.2
    assert later < named * 1.2
    until(
        lambda: house.ask("SELECT max(threads) FROM stylestudio_worker WHERE ended_at IS NULL") == "18", "the threads"
    )
    assert not [line for line in house.logs().splitlines() if any(word in line for word in WRONG)]
