"""What happens in a storm and when: everything follows from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

USERS = ("ada", "bob", "cora", "dan")
FORMS, FORMS_ON_SERVERS = 0.12, 0.3  # share of the orders that are sent as a form
STALL_AFTER = 8  # seconds: COMFYUI_TIMEOUT of the studio in a storm with preview engines


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """One thing that is done `at` so many seconds after the beginning."""

    at: float
    name: str = field(compare=False)
    facts: dict[str, Any] = field(compare=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong on an engine: what it is told, for how long, and which failures of jobs are true then.

    `told` is for the preview engine's scripts, or the path and body of a request that a stranger sends to any engine.
    """

    name: str
    told: dict[str, Any]
    kinds: frozenset[str] = frozenset()
    seconds: tuple[float, float] | None = None
    slow: bool = False  # costs more time than a short storm has

    @property
    def by_stranger(self) -> bool:
        """Any engine understands it."""
        return "trouble" not in self.told


def _trouble(
    name: str, kind: str = "", /, *, lasts: tuple[float, float] | None = None, slow: bool = False, **told: Any
) -> Trouble:
    return Trouble(name, told, frozenset({kind} if kind else ()), lasts, slow)


LONG = (STALL_AFTER + 4.0, STALL_AFTER + 8.0)
TROUBLES = (
    _trouble("duplicated frames", trouble="duplicate_frames", times=30),
    _trouble("reordered frames", trouble="reorder_frames", times=15),
    _trouble("foreign frames", trouble="foreign_frames", times=15),
    _trouble("lost frames", slow=True, trouble="lose_frames", times=6),
    _trouble("frames with wrong ids", slow=True, trouble="wrong_ids", times=4),
    _trouble("last frames lost", trouble="lose_frames", event="executing", times=8),
    _trouble("dropped sockets", trouble="drop_sockets"),
    _trouble("sockets dropped at the start", trouble="drop_sockets", after="execution_start", times=2),
    _trouble("sockets dropped at the end", trouble="drop_sockets", after="executed"),
    _trouble("silent sockets", slow=True, trouble="silent_sockets"),
    _trouble("sockets silent in the middle", slow=True, trouble="silent_sockets", after="progress"),
    _trouble("late history", trouble="late_history", times=4),
    _trouble("lost answers", trouble="lose_answer", times=2),
    _trouble("lost requests", trouble="lose_answer", handled=False),
    _trouble("held answers", lasts=(0.3, 2.0), trouble="hold_answer"),
    _trouble("history in HTML", trouble="answer", path="/history", status=502, body="<html>", content_type="text/html"),
    _trouble("refusal in plain text", "bad_response", trouble="answer", path="/prompt", method="POST"),
    _trouble("picture refused", "bad_response", trouble="answer", path="/view"),
    _trouble("empty picture", "bad_picture", trouble="answer", path="/view", status=200, body=""),
    _trouble("no picture", "bad_picture", trouble="answer", path="/view", status=200, body="<html>"),
    _trouble("failing node", "execution", trouble="fail_node", class_type="KSampler"),
    _trouble("out of memory", "out_of_memory", trouble="out_of_memory"),
    _trouble("slow steps", trouble="slow_steps", seconds=0.3, times=12),
    _trouble("short stall", lasts=(0.3, 2.5), trouble="hold", after_step=2),
    _trouble("long stall", "stalled", lasts=LONG, slow=True, trouble="hold", after_step=1),
    _trouble("deaf stall", "stalled", lasts=LONG, slow=True, trouble="hold", before="VAEDecode", deaf=True),
    _trouble("history held back", lasts=(0.3, 2.0), trouble="hold", before="history"),
    _trouble("sleeping queue", lasts=(0.5, 3.0), trouble="dead_worker"),
    _trouble("dead queue", lasts=(15.0, 20.0), slow=True, trouble="dead_worker"),
    _trouble("restart with empty history", trouble="restart"),
    _trouble("stranger interrupts", "interrupted", path="/interrupt", body={}),
    _trouble("stranger clears the history", path="/history", body={"clear": True}),
    _trouble("stranger clears the queue", path="/queue", body={"clear": True}),
)

# Who is killed, in this share. "worker told" is SIGTERM, the others SIGKILL; "second" is a worker beside the studio.
VICTIMS = (
    "worker", "engine", "web", "worker told", "engine", "second", "worker", "engine", "supervisor", "web", "worker",
    "second",
)  # fmt: skip
# The same where two studios share servers: who, and of which studio where each has one.
VICTIMS_ON_SERVERS = (
    ("postgresql", 0), ("redis", 0), ("engine", 0), *(
        (role, studio) for role in ("web", "worker", "worker told", "supervisor") for studio in (0, 1)
    ),
)  # fmt: skip


def script(
    seed: int, jobs: int, seconds: float, engines: int, *, real: bool, short: bool, servers: bool = False
) -> list[Act]:
    """All acts of a storm in order. `real`: nothing that only the preview engine knows. `short`: nothing slow.

    `servers`: two studios on servers, and nothing that only a file of a database knows.
    """
    rng = random.Random(seed)
    forms = 0.0 if real else FORMS_ON_SERVERS if servers else FORMS
    acts = [*_jobs(rng, jobs, seconds, forms)]
    if servers:
        acts += _kills(rng, VICTIMS_ON_SERVERS, max(len(VICTIMS_ON_SERVERS), jobs // 9), seconds, engines, short=short)
    else:
        alone = tuple((role, 0) for role in VICTIMS)
        acts += _kills(rng, alone, 4 if short else max(6, jobs // 9), seconds, engines, short=short)
    known = [trouble for trouble in TROUBLES if not (real and not trouble.by_stranger) and not (short and trouble.slow)]
    acts += _troubles(rng, known, jobs // 10 if real else jobs // 2, seconds, engines)
    acts += _house(rng, seconds, engines, short=short, servers=servers)
    return sorted(acts)


def _jobs(rng: random.Random, jobs: int, seconds: float, forms: float) -> Iterator[Act]:
    for number, at in enumerate(sorted(rng.uniform(0, 0.9 * seconds) for _job in range(jobs))):
        by_form = bool(forms) and rng.random() < forms
        order = {
            "number": number,
            "user": rng.choice(USERS),
            "count": rng.choice((1, 1, 2, 3, 4)),
            "seed": rng.randrange(2**40),
            "image": not by_form and rng.random() < 0.2,
            "by_form": by_form,
        }
        yield Act(at, "place", order)
        if rng.random() < 0.12:
            later = at + rng.choice((0.05, 0.5, 2.0)) * rng.uniform(0.5, 2)
            yield Act(later, "cancel", {"number": number, "by_form": rng.random() < 0.5})
        elif rng.random() < 0.04:
            yield Act(at + 0.1, "to_front", {"number": number})


def _kills(
    rng: random.Random, known: Sequence[tuple[str, int]], number: int, seconds: float, engines: int, *, short: bool
) -> Iterator[Act]:
    whole, rest = divmod(number, len(known))
    victims = list(known) * whole + list(known[:rest])
    rng.shuffle(victims)
    for turn, (role, studio) in enumerate(victims):
        at = (turn + rng.uniform(0.3, 0.9)) * 0.92 * seconds / number
        away = rng.uniform(0.1, 2.5)
        if not short and turn % 9 == 4:
            away = rng.uniform(12, 40)  # long enough for others to take over
        yield Act(at, "kill", {"role": role, "studio": studio, "engine": rng.randrange(engines), "away": away})


def _troubles(rng: random.Random, known: list[Trouble], number: int, seconds: float, engines: int) -> Iterator[Act]:
    for turn in range(number):
        if turn % len(known) == 0:
            rng.shuffle(known)
        trouble = known[turn % len(known)]
        lasts = rng.uniform(*trouble.seconds) if trouble.seconds else None
        facts = {"trouble": trouble, "engine": rng.randrange(engines), "lasts": lasts, "number": turn}
        yield Act(rng.uniform(0.02, 0.95) * seconds, "trouble", facts)


def _house(rng: random.Random, seconds: float, engines: int, *, short: bool, servers: bool) -> Iterable[Act]:
    """What happens to the machine and by the hands of people."""
    at = iter(sorted(rng.uniform(0.1, 0.9) * seconds for _act in range(5)))
    if servers:
        if short:
            return []
        return [
            Act(next(at), "freeze", {"role": "worker", "studio": 1, "seconds": 36.0}),
            Act(next(at), "freeze", {"role": "web", "studio": 0, "seconds": 2.0}),
            Act(next(at), "pause", {"engine": rng.randrange(engines), "seconds": 8.0}),
        ]
    acts = [Act(next(at), "lock_database", {"seconds": 0.8 if short else 10.0})]
    if not short:
        acts += [
            Act(next(at), "freeze", {"role": "second", "seconds": 36.0}),
            Act(next(at), "freeze", {"role": "web", "seconds": 2.0}),
            Act(next(at), "full_disk", {"seconds": 1.0}),
            Act(next(at), "pause", {"engine": rng.randrange(engines), "seconds": 8.0}),
        ]
    return acts
