"""A storm over a whole studio: processes die, engines misbehave, people press on; then everything is looked at.

    python -m tests.chaos.storm --jobs 300 --seed 7
    STYLESTUDIO_SCALE_PYTHON=.venv-servers/bin/python python -m tests.chaos.storm --jobs 300 --seed 7 --servers
    python -m tests.chaos.storm --jobs 30 --seed 7 --real-ports 8191,8192 \\
        --real-start 'start-comfyui {port}' --real-kill 'kill-comfyui {port}'

With --servers two studios share PostgreSQL, Redis and S3, as on two machines. Prints the counts and everything that is
wrong, and stores them as JSON; the exit code is 0 where nothing is wrong.
"""

from __future__ import annotations

import argparse
import heapq
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import OperationalError

from stylestudio.host.rendezvous import free_port
from tests.chaos import studio as processes
from tests.chaos.plan import STALL_AFTER, USERS, Act, Trouble, script
from tests.chaos.servers import Servers, missing, servers
from tests.chaos.studio import Engine, PreviewEngine, RealEngine, Studio, ask, wait_until
from tests.scale.servers import PYTHON

if TYPE_CHECKING:
    from tests.chaos.verify import Cause

FOREIGN = ("STYLESTUDIO_", "COMFYUI_", "DATABASE_", "REDIS_", "S3_", "AWS_")
SERVERS = ("postgresql", "redis")
OF_A_STUDIO = ("web", "worker", "worker told", "supervisor")
NEED_ROWS = ("place", "cancel", "to_front", "pause", "resume")
KEPT = {"STYLESTUDIO_CHECKPOINT", "STYLESTUDIO_LIGHTNING_LORA"}
AFTER = 20.0  # seconds in which sockets and engines agree with the rows once every job has ended
MOST_SHOWN = 40


def options() -> argparse.Namespace:
    """What the storm is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="nothing that takes long to get over")
    parser.add_argument("--seconds", type=float, help="how long the storm lasts")
    parser.add_argument("--data", type=Path, help="data folder (default: a temporary one)")
    parser.add_argument("--result", type=Path, help="file for the result (default: result.json in the data folder)")
    parser.add_argument("--servers", action="store_true", help="two studios on PostgreSQL, Redis and S3 of their own")
    parser.add_argument("--real-ports", default="", help="ports of ComfyUI servers, separated by commas")
    parser.add_argument("--real-start", default="", help="command that starts the one on {port}")
    parser.add_argument("--real-kill", default="", help="command that kills the one on {port} with SIGKILL")
    return parser.parse_args()


class Storm:
    """The processes, what was done to them, and what is wrong. With `servers` there are two studios, else one."""

    def __init__(self, told: argparse.Namespace, folder: Path, servers: Servers | None) -> None:
        self.told, self.folder, self.servers = told, folder, servers
        self.real = bool(told.real_ports)
        self.seconds = told.seconds or told.jobs * (8.0 if self.real else 0.4 if told.short else 0.8)
        self.patience = 900.0 if self.real else 90.0 if told.short else 180.0  # until every job has ended
        if servers:  # a killed Redis costs up to a minute, and two studios take longer to start
            self.seconds, self.patience = told.seconds or 2 * self.seconds, self.patience + 90
        self.problems: list[str] = []
        self.kills: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.causes: list[Cause] = []
        self._acts: list[Act] = []
        self._clocks: list[threading.Timer] = []
        ports = [int(port) for port in told.real_ports.split(",") if port] or [free_port(), free_port()]
        self.environment = _environment(folder, ports, self.real) | (_shared(servers) if servers else {})
        self.engines: list[Engine] = [self._engine(number, port) for number, port in enumerate(ports)]
        self.studios = [Studio(free_port(), folder, self.environment)]
        if servers:
            self.studios = [self._machine(folder / name) for name in ("machine-a", "machine-b")]
        self.second = processes.second_worker(folder, self.environment)
        self.has_second = not told.short and not servers

    def _machine(self, folder: Path) -> Studio:
        """A studio with a data folder of its own."""
        folder.mkdir()
        return Studio(free_port(), folder, self.environment | {"STYLESTUDIO_DATA": str(folder)})

    def _engine(self, number: int, port: int) -> Engine:
        if self.real:
            return RealEngine(port, self.told.real_start, self.told.real_kill, self.folder)
        return PreviewEngine(number, port, self.folder, self.environment)

    # The course of it.

    def run(self) -> bool:
        """All of it. Whether nothing is wrong."""
        begun = time.monotonic()
        try:
            self._rise()
            stormed = time.monotonic()
            self._rage()
            calmed = time.monotonic()
            self._calm()
            self._settle()
            settled = time.monotonic()
        finally:
            self._fall()
        swept = self._verify()
        made = [name for engine in self.engines for name in engine.made()]
        from tests.chaos import verify

        self._report(
            {
                "platform": "servers" if self.servers else "sqlite",
                "seed": self.told.seed,
                **verify.counts(made),
                "kills": dict(self.kills),
                "troubles": dict(self.troubles),
                "files swept": swept,
                "sockets": {name: getattr(self.watch, name) for name in ("opened", "messages", "stale")},
                "forms sent again": self.crowd.repeated,
                "seconds": {
                    "start": round(stormed - begun, 1),
                    "storm": round(calmed - stormed, 1),
                    "settling": round(settled - calmed, 1),
                    "all": round(time.monotonic() - begun, 1),
                },
            }
        )
        return not self.problems

    def _rise(self) -> None:
        for process in (*self.engines, *self.studios):
            process.start()
        _set_up_django()
        for studio in self.studios:
            if not wait_until(studio.is_well, processes.START_SECONDS + 120 * (self.real or bool(self.servers))):
                raise SystemExit(f"The studio did not start, see {self.folder}")
        if self.has_second:
            self.second.start()
        from tests.chaos.people import Crowd
        from tests.chaos.watch import Reader, Watch, rows_of_file, rows_of_server

        self.database = self.folder / "stylestudio.sqlite3"
        urls = [studio.url for studio in self.studios]
        # A web says that its PostgreSQL is away, and people try again.
        busy = frozenset({HTTPStatus.SERVICE_UNAVAILABLE} if self.servers else ())
        self.crowd = Crowd(USERS, urls, self.patience, busy)
        self.watch = Watch(urls, [person.cookie for person in self.crowd.people.values()])
        self.reader = Reader(rows_of_server if self.servers else rows_of_file(self.database))
        self.watch.start()
        self.reader.start()

    def _rage(self) -> None:
        facts = {"real": self.real, "short": self.told.short, "servers": bool(self.servers)}
        self._acts = script(self.told.seed, self.told.jobs, self.seconds, len(self.engines), **facts)
        heapq.heapify(self._acts)
        self._begun = time.monotonic()
        while self._acts:
            act = heapq.heappop(self._acts)
            time.sleep(max(0.0, self._begun + act.at - time.monotonic()))
            if self.servers and "postgresql" in self.servers.away and self._needs_rows(act):
                self._later(0.2, act.name, **act.facts)
                continue
            try:
                getattr(self, f"_{act.name}")(**act.facts)
            except OperationalError:
                if self.servers:
                    raise
                # The database of SQLite is locked, by this storm. Nothing was written, so it is done later.
                self._later(1.0, act.name, **act.facts)

    def _needs_rows(self, act: Act) -> bool:
        """Whether this process asks the database itself; whoever sends a form leaves that to the web."""
        starts_studio = act.name == "start" and act.facts["role"] == "supervisor"
        return starts_studio or (act.name in NEED_ROWS and not (act.name == "place" and act.facts["by_form"]))

    def _later(self, seconds: float, name: str, **facts: Any) -> None:
        heapq.heappush(self._acts, Act(time.monotonic() - self._begun + seconds, name, facts))

    def _clock(self, seconds: float, act: Callable[[Any], object], what: Any) -> None:
        """Act after so many seconds, even while the storm's acts stand still because the database is locked."""
        self._clocks.append(threading.Timer(seconds, act, [what]))
        self._clocks[-1].daemon = True
        self._clocks[-1].start()

    def _calm(self) -> None:
        """Everything is up and well again."""
        for clock in self._clocks:
            clock.join()
        for process in (*self.engines, *self.studios):
            process.start()
        if self.has_second:
            self.second.start()
        if not wait_until(lambda: all(processes.answers(engine) for engine in self.engines), 120):
            self.problems.append("an engine did not come back")
        for engine in self.engines:
            engine.calm()
        self.crowd.finish()

    def _settle(self) -> None:
        """Wait for what must come true by itself."""
        from generation.pictures.models import EnginePrompt
        from tests.chaos import verify

        def is_over() -> bool:
            self._operate()
            return not any(verify.ended())

        if not wait_until(is_over, self.patience, every=0.3):
            self.problems += verify.ended()
        wait_until(lambda: not self.watch.disagreements(), AFTER)
        self.problems += self.watch.disagreements()

        ours = {str(prompt) for prompt in EnginePrompt.objects.values_list("prompt_id", flat=True)}
        for engine in self.engines:

            def free(engine: Engine = engine) -> bool:
                return not held_by(engine, ours)

            if not wait_until(free, AFTER):
                self.problems.append(f"{engine.url} still holds {len(held_by(engine, ours))} prompts of ours")

    def _operate(self) -> None:
        """What an operator does: an engine that was taken out, and is well, is given work again."""
        from generation.engines import roster
        from generation.engines.models import Engine as Row

        for row in Row.objects.filter(health__in=("stuck", "exhausted")):
            self.troubles[f"resumed by the operator ({row.health})"] += 1
            roster.resume(row)

    def _fall(self) -> None:
        for looking in ("watch", "reader"):
            if hasattr(self, looking):
                getattr(self, looking).stop()
        stopped = [("the second worker", self.second.stop(10))]
        stopped += [(f"the studio at {studio.url}", studio.stop()) for studio in self.studios]
        for name, took in stopped:
            if took > 6:
                self.problems.append(f"{name} took {took:.1f} s to end")
        for engine in self.engines:
            engine.kill()

    # What is done, by the names of the acts.

    def _place(self, **order: Any) -> None:
        self.crowd.place(**order)

    def _cancel(self, **facts: Any) -> None:
        self.crowd.cancel(**facts)

    def _to_front(self, number: int) -> None:
        self.crowd.to_front(number)

    def _kill(self, role: str, engine: int, away: float, studio: int) -> None:
        name = f"{role} {studio + 1}" if self.servers and role in OF_A_STUDIO else role
        if role == "engine":
            done = self.engines[engine].kill()
            self._later(away, "start", role=role, engine=engine)
        elif role == "second":
            done = self.second.kill()
            self._later(away, "start", role=role, engine=engine)
        elif self.servers and role in SERVERS:
            done = self._kill_server(self.servers, role)
            self._later(min(max(away, 1.0), 2.0), "start", role=role, engine=engine)
        elif role == "supervisor":
            done = self.studios[studio].send(role, signal.SIGKILL)
            self._later(away if self.servers else min(away, 2.0), "start", role=role, engine=engine, studio=studio)
        else:
            number = signal.SIGTERM if role == "worker told" else signal.SIGKILL
            done = self.studios[studio].send(role.split(maxsplit=1)[0], number)
        self.kills[name] += done
        if self.servers and not done:  # it was just starting; everybody is to be killed
            self._later(1.0, "kill", role=role, engine=engine, away=away, studio=studio)

    def _kill_server(self, servers: Servers, name: str) -> bool:
        from django.db import connections

        connections.close_all()  # ours would be broken
        return servers.kill(name)

    def _start(self, role: str, engine: int, studio: int = 0) -> None:
        if role == "engine":
            self.engines[engine].start()
        elif role == "second":
            if self.has_second:
                self.second.start()
        elif self.servers and role in SERVERS:
            self.servers.start(role)
        elif self.studios[studio].start() and self.servers:
            # A studio that finds no database does not start, and whatever keeps services running tries again.
            self._later(5.0, "start", role=role, engine=engine, studio=studio)

    def _trouble(self, trouble: Trouble, engine: int, lasts: float | None, number: int) -> None:
        place = self.engines[engine]
        token, begun = "", datetime.now(UTC)  # what it does may be over before this goes on
        if trouble.by_stranger:
            if ask(place.url + trouble.told["path"], trouble.told["body"]) is None:
                return
        else:
            told = dict(trouble.told)
            if told["trouble"] in ("fail_node", "out_of_memory"):
                token = told["message"] = f"Storm {number} broke it."
            started = place.trouble(told)
            if started is None:
                return
            if lasts:
                # An engine that is held while the storm's acts stand still would stall for longer than this says.
                self._clock(lasts, place.release, started)
        self.troubles[trouble.name] += 1
        self._note(begun, place.url, trouble.name, trouble.kinds, token)

    def _note(self, at: datetime, engine: str, name: str, kinds: frozenset[str], token: str = "") -> None:
        from tests.chaos.verify import Cause

        self.causes.append(Cause(at, engine, name, kinds, token))

    def _lock_database(self, seconds: float) -> None:
        from tests.chaos.watch import lock_database

        self.troubles["locked database"] += 1
        threading.Thread(target=lock_database, args=(self.database, seconds)).start()

    def _freeze(self, role: str, seconds: float, studio: int = 0) -> None:
        pid = self.second.pid if role == "second" else self.studios[studio].child(role)
        if pid:
            self.troubles[f"frozen {role}"] += 1
            os.kill(pid, signal.SIGSTOP)
            # Frozen in the middle of a write it locks the database, and what this storm would write waits for that.
            self._clock(seconds, self._thaw, pid)

    def _thaw(self, pid: int) -> None:
        # This one, and not the one in its place: frozen, it does not hear that its supervisor was killed.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def _full_disk(self, seconds: float) -> None:
        pid = self.studios[0].child("worker")
        if pid:
            self.troubles["full disk"] += 1
            self._note(datetime.now(UTC), "", "full disk", frozenset({"storage"}))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            self._later(seconds, "free_disk", pid=pid)

    def _free_disk(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def _pause(self, engine: int, seconds: float) -> None:
        self._set_paused(engine, True)
        self.troubles["paused engine"] += 1
        self._later(seconds, "resume", engine=engine)

    def _resume(self, engine: int) -> None:
        self._set_paused(engine, False)

    def _set_paused(self, engine: int, paused: bool) -> None:
        from generation.engines import roster
        from generation.engines.models import Engine as Row

        for row in Row.objects.filter(address=self.engines[engine].url):
            (roster.pause if paused else roster.resume)(row)

    # What came of it.

    def _verify(self) -> int:
        """Note everything that is wrong. How many orphaned files were swept."""
        from stylestudio.media.orphans import sweep_orphans
        from tests.chaos import verify

        swept = sweep_orphans(timedelta(0)).moved
        crowd = self.crowd
        self.problems += crowd.problems + self.watch.problems + self.reader.problems
        self.problems += verify.orders(crowd.tasks.values(), list(crowd.requests.values()))
        self.problems += verify.cancellations(crowd.cancelled, crowd.maybe_cancelled)
        self.problems += verify.reasons(self.causes)
        self.problems += verify.pictures()
        self.problems += verify.files(verify.in_bucket() if self.servers else verify.in_folder(self.folder / "media"))
        self.problems += verify.twice(name for engine in self.engines for name in engine.made())
        return swept

    def _report(self, counts: dict[str, Any]) -> None:
        print(json.dumps(counts, indent=1))
        for problem in self.problems[:MOST_SHOWN]:
            print("WRONG:", problem)
        print(f"{len(self.problems)} wrong, seed {self.told.seed}, data in {self.folder}")
        asked = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit(), "short": self.told.short}
        file = (self.told.result or self.folder / "result.json").resolve()
        file.write_text(json.dumps(asked | counts | {"problems": self.problems}, indent=1) + "\n")
        print(f"The result is in {file}", flush=True)


def held_by(engine: Engine, ours: set[str]) -> set[str]:
    """Which of our prompts an engine still holds."""
    return processes.held_prompts(engine) & ours


def _environment(folder: Path, ports: list[int], real: bool) -> dict[str, str]:
    return _own() | {
        "STYLESTUDIO_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "stylestudio.settings",
        "COMFYUI_URL": ",".join(f"http://127.0.0.1:{port}" for port in ports),
        "COMFYUI_TIMEOUT": str(300 if real else STALL_AFTER),
    }


def _own() -> dict[str, str]:
    """The environment without the settings of whatever studio is on this machine."""
    return {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(FOREIGN)}


def _shared(servers: Servers) -> dict[str, str]:
    return servers.settings | {"STYLESTUDIO_SECRET_KEY": "storm" * 10}


def _commit() -> str:
    """What was tested: the commit, and whether files were changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, cwd=processes.ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _set_up_django() -> None:
    import django

    django.setup()
    logging.getLogger().setLevel(logging.ERROR)


def _become_python_with_drivers() -> None:
    """This process asks PostgreSQL too, so that it must be of the Python that has what the studios need."""
    if lacking := missing():
        raise SystemExit(f"{', '.join(lacking)} is not there; see tests/scale/servers.py")
    os.execv(PYTHON, [PYTHON, "-m", "tests.chaos.storm", *sys.argv[1:]])


def main() -> None:
    """Storm, report, exit. The data folder stays, for whoever wants to know what went wrong."""
    told = options()
    if told.servers and find_spec("psycopg") is None:
        _become_python_with_drivers()
    folder = (told.data or Path(tempfile.mkdtemp(prefix="storm-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with servers(folder / "servers", _own()) if told.servers else nullcontext() as shared:
        storm = Storm(told, folder, shared)
        for name in [name for name in os.environ if name.startswith(FOREIGN)]:
            del os.environ[name]
        os.environ.update(storm.environment)
        well = storm.run()
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
