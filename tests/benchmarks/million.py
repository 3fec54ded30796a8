"""What pages and background steps cost with a million pictures, against a thousand, and against another worktree.

    python tests/benchmarks/million.py [--pictures 1000000] [--small 1000] [--runs 15] [--against WORKTREE]
                                       [--keep FOLDER] [--postgresql] [--cold] [--only gallery,claim] [--json]

Each side is a process of its own on a database that `filling/years.py` filled with its code; all are asked by turns,
warm, and the medians are compared. Milliseconds are of this machine, the ratios decide: with many pictures a step may
take 1.5 times what it takes with few, or 10 ms more. `--cold`: the files of SQLite are read from the disk each time.
`--keep` keeps them for the next time. `--postgresql` starts a server with a database for each side, with the rows of
those that are kept; it needs STYLESTUDIO_SCALE_PYTHON, like `tests/scale`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
TIMES, MORE_MS, MOST_QUERIES = 1.5, 10.0, 15  # what the many may cost of the few; queries of a page


def steps() -> dict[str, Callable[[], Any]]:
    """Every page and background step by name; each does its work once. Django is set up."""
    from django.contrib.auth.models import User
    from django.db import transaction
    from django.test import Client

    from generation.engines.models import Engine
    from generation.gallery.models import SavedFilter
    from generation.making import cancelling, claim, runner, stalls
    from generation.ordering import orders
    from generation.pictures import estimates, tasks, thumbnails
    from generation.pictures.models import GeneratedImage, GenerationTask, SearchEntry, TrashEntry
    from generation.selecting import zips
    from generation.selecting.trash_actions import DELETE
    from generation.trash import disk_use, emptying
    from generation.trash.models import TrashOrder
    from stylestudio.host.health_facts import facts
    from stylestudio.jobs import kinds
    from stylestudio.live import arrivals, publisher

    person = User.objects.get(username="person-3")
    browser, curator = Client(), Client()
    browser.force_login(person)
    curator.force_login(User.objects.get(username="owner"))
    pictures = list(GeneratedImage.objects.filter(project=1).order_by("-pk").values_list("pk", flat=True)[:2000])
    middle = GeneratedImage.objects.filter(project=1).order_by("created_at").filter(pk__gte=pictures[0] // 2).first()
    assert middle is not None
    further = f"before={middle.created_at.isoformat().replace('+', '%2B')}~{middle.pk}"

    picture = GeneratedImage.objects.select_related("task").get(pk=pictures[0])
    thrown = TrashEntry.objects.filter(owner=person, project=1).order_by("-deleted_at")[0]
    late = TrashEntry.objects.order_by("deleted_at")[TrashEntry.objects.count() // 2]
    deleted = f"before={late.deleted_at.isoformat().replace('+', '%2B')}~{late.pk}"

    TrashOrder.objects.get_or_create(action="restore", asked_by=person, defaults={"pictures": 1})

    def restore_some() -> None:
        emptying._carry_out(TrashOrder.Action.RESTORE, 5)

    def page(address: str, browser: Client = browser) -> Callable[[], Any]:
        def ask() -> None:
            answer = browser.get(address)
            # No worker lives beside a benchmark, and health says so.
            gone = address == f"/gallery/{thrown.pk}/"
            assert answer.status_code == (503 if address == "/health" else 410 if gone else 200), address

        return ask

    def change() -> None:
        written = {"mode": "text", "prompt": "a red house", "shape": "1024x1024", "count": "4", "steps": "4"}
        answer = browser.post("/compose/", written, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.status_code

    def taken_back(step: Callable[[], Any]) -> Callable[[], Any]:
        def do() -> None:
            with transaction.atomic():
                step()
                transaction.set_rollback(True)

        return do

    entry = SearchEntry.objects.filter(project=1, rating__isnull=False, is_face=False, is_private=False).first()
    assert entry is not None
    place = f"wall=1&at={middle.pk}"
    SavedFilter.objects.get_or_create(owner=person, name="Mine", defaults={"query": "by=me&shape=square"})
    owner = User.objects.get(username="owner")

    def gone() -> None:
        answer = browser.post("/gallery/selection/gone/", {"pictures": ",".join(map(str, pictures[:500]))})
        assert answer.status_code == 200

    running = GenerationTask.objects.running().first()
    assert running is not None
    failed = GenerationTask.objects.filter(error_kind="out_of_memory").order_by("-pk").first()
    assert failed is not None
    engine = Engine.objects.order_by("pk").first()
    assert engine is not None
    since = running.queued_at
    long_ago = datetime.now(UTC) - timedelta(days=640)  # `filling.tables.LATELY` has many of that month

    kept: dict[str, Callable[[], Any]] = {}
    if find_spec("generation.keeping"):
        name = f"{__package__}.filling.kept" if __package__ else "filling.kept"
        kept = import_module(name).steps(page, taken_back, person)
    finished: dict[str, Callable[[], Any]] = {}
    if find_spec("generation.derivations"):  # or measured with the code of before
        finished = {
            "gallery, finished": page("/gallery/?finished=1"),
            "gallery, finished, further": page(f"/gallery/page/?finished=1&{further}"),
            "finished of a picture": page(f"/gallery/{pictures[len(pictures) // 2]}/finished/"),
        }
    return {
        "studio": page("/"),
        "studio, everyone": page("/live/?who=all"),
        "form changes": change,
        "earlier prompts": page("/prompts/"),
        "completion": page("/prompts/words/?q=dra"),
        "completion, Chinese": page("/prompts/words/?q=城"),
        "gallery": page("/gallery/"),
        "gallery, further": page(f"/gallery/page/?{further}"),
        "gallery, one style": page("/gallery/?style=style-1"),
        "gallery, base style": page("/gallery/?style=base"),
        "gallery, previews": page("/gallery/?previews=1"),
        **finished,
        "gallery, news": page(f"/gallery/news/?than={pictures[5]}"),
        "gallery, news of one style": page(f"/gallery/news/?than={pictures[300]}&style=style-1"),
        "words: news": page(f"/gallery/news/?than={pictures[300]}&q=dragon"),
        "words: 10 %": page("/gallery/?q=dragon"),
        "words: 10 %, Chinese": page("/gallery/?q=龙"),
        "words: 10 %, further": page(f"/gallery/page/?q=dragon&{further}"),
        "words: 10 %, one style": page("/gallery/?q=dragon&style=style-1"),
        "words: 10 %, base style": page("/gallery/?q=dragon&style=base"),
        "words: 1 %": page("/gallery/?q=basilisk"),
        "words: 1 %, Chinese": page("/gallery/?q=凤凰"),
        "words: 1 %, further": page(f"/gallery/page/?q=basilisk&{further}"),
        "words: 1 %, one style": page("/gallery/?q=basilisk&style=style-1"),
        "words: two": page("/gallery/?q=dragon+castle"),
        "words: two, Chinese": page("/gallery/?q=龙+城堡"),
        "words: two, further": page(f"/gallery/page/?q=dragon+castle&{further}"),
        "words: rare": page("/gallery/?q=obsidian"),
        "words: rare, Chinese": page("/gallery/?q=麒麟"),
        "words: rare, further": page(f"/gallery/page/?q=obsidian&{further}"),
        "words: rare and common": page("/gallery/?q=dragon+obsidian"),
        "words: part": page("/gallery/?q=rago"),
        "words: two letters": page("/gallery/?q=ob"),
        "words: one letter": page("/gallery/?q=q"),
        "words: none": page("/gallery/?q=nothingofthekind"),
        "words: none, Chinese": page("/gallery/?q=没有"),
        "trash": page("/trash/"),
        "trash, everyone's": page("/trash/", curator),
        "trash, further": page(f"/trash/?{deleted}", curator),
        "trash, styles": page("/trash/others/"),
        "deleted picture": page(f"/gallery/{thrown.pk}/"),
        "delete": taken_back(picture.delete),
        "restore": taken_back(lambda: GeneratedImage.everything.restore([thrown.pk])),
        "empty the trash": taken_back(lambda: emptying._mark_due(emptying.MOST)),
        "is the trash due": emptying.is_due,
        "restore some of all": taken_back(restore_some),
        "disk use": taken_back(lambda: disk_use._add(disk_use.pictures(), 500)),
        "filter: mine": page("/gallery/?by=me"),
        "filter: mine, further": page(f"/gallery/page/?by=me&{further}"),
        "filter: somebody rare": page("/gallery/?by=person-22"),
        "filter: version": page("/gallery/?style=style-1&version=2"),
        "filter: shape": page("/gallery/?shape=portrait"),
        "filter: transparent": page("/gallery/?clear=1"),
        "filter: engine": page("/gallery/?engine=3"),
        "filter: checkpoint": page("/gallery/?checkpoint=second.safetensors"),
        "filter: rare checkpoint": page("/gallery/?checkpoint=rare.safetensors"),
        "filter: preset": page("/gallery/?preset=Dense+preset"),
        "filter: rare preset": page("/gallery/?preset=Rare+preset"),
        "filter: average": page("/gallery/?average=4"),
        "filter: seed": page(f"/gallery/?q=seed:{entry.seed}"),
        "filter: file": page("/gallery/?q=file:holiday"),
        "filter: 30 days": page("/gallery/?days=30"),
        "filter: a month long ago": page(f"/gallery/?q=on:{long_ago:%Y-%m}"),
        "filter: mine and shape": page("/gallery/?by=me&shape=portrait"),
        "filter: rare and dense": page("/gallery/?preset=Rare+preset&shape=square"),
        "filter: style and engine": page("/gallery/?style=style-1&engine=3"),
        "filter: mine, a month long ago": page(f"/gallery/?by=me&from={long_ago:%Y-%m}-01&to={long_ago:%Y-%m}-28"),
        "filter: words and mine": page("/gallery/?q=dragon&by=me"),
        "filter: rare words and mine": page("/gallery/?q=obsidian&by=me"),
        "filter: words and shape": page("/gallery/?q=龙&shape=portrait"),
        "search: number": page(f"/gallery/?q={entry.seed}"),
        "search: OR": page("/gallery/?q=dragon+OR+castle"),
        "search: rare OR": page("/gallery/?q=obsidian+OR+麒麟"),
        "search: minus": page("/gallery/?q=dragon+-castle"),
        "search: phrase": page("/gallery/?q=%22red+dragon%22"),
        "search: fields": page("/gallery/?q=by:person-1+shape:square+dragon"),
        "sort: oldest": page("/gallery/?sort=oldest"),
        "sort: oldest, mine": page("/gallery/?sort=oldest&by=me"),
        "sort: best": page("/gallery/?sort=best"),
        "sort: best, mine": page("/gallery/?sort=best&by=me"),
        "sort: best, words": page("/gallery/?sort=best&q=dragon"),
        "sort: best, transparent": page("/gallery/?sort=best&clear=1"),
        "count: all": page("/gallery/counts/"),
        "count: rare": page("/gallery/counts/?by=person-22"),
        "count: dense": page("/gallery/counts/?by=person-1"),
        "count: words": page("/gallery/counts/?q=dragon"),
        "place: wall": page(f"/gallery/?{place}"),
        "place: mine": page(f"/gallery/?{place}&by=me"),
        "place: picture": page(f"/gallery/{middle.pk}/?wall=1"),
        "place: picture, mine": page(f"/gallery/{middle.pk}/?wall=1&by=me"),
        "place: picture, words": page(f"/gallery/{middle.pk}/?wall=1&q=dragon"),
        "place: picture, best": page(f"/gallery/{middle.pk}/?wall=1&sort=best"),
        "gallery, boxes": page("/gallery/?select=1"),
        "compare": page(f"/gallery/compare/?ids={','.join(map(str, pictures[:4]))}"),
        "selection, bar": page("/gallery/selection/bar/"),
        "selection, name": page(f"/gallery/selection/name/?picture={pictures[0]}&template=%7Bstyle%7D_%7Bseed%7D"),
        "selection, gone": gone,
        "delete some": taken_back(lambda: DELETE.apply(owner, pictures[:4], {}, None)),
        "zip, first 100": lambda: zips.look_up(owner, pictures[:100]),
        "picture": page(f"/gallery/{pictures[len(pictures) // 2]}/"),
        "styles": page("/styles/"),
        "style": page("/styles/style-1/"),
        "queue": page("/queue/"),
        "queue, mine": page("/queue/?who=mine"),
        "datasets": page("/datasets/"),
        "dataset": page("/datasets/dataset-1/"),
        "trainings": page("/training/"),
        "training": page("/training/1/"),
        "new training": page("/training/new/"),
        "health": page("/health"),
        "admin, pictures": page("/admin/pictures/generatedimage/", curator),
        "admin, jobs": page("/admin/pictures/generationtask/", curator),
        "admin, attempts": page("/admin/pictures/engineprompt/", curator),
        "order": taken_back(lambda: orders.place(orders.Order(prompt="a red house", count=4), person)),
        "retry": taken_back(lambda: orders.retry(failed, person)),
        "claim": taken_back(claim.claimable),
        "pulse": claim.held.renew,
        "pulse, orphans": claim.wake_for_orphans,
        "live card": lambda: publisher.fragments(running, ("en",)),
        "socket": lambda: arrivals.welcome([arrivals.Arrival(person, "en", "mine", since)]),
        "socket, everyone": lambda: arrivals.welcome([arrivals.Arrival(person, "en", "all", None)]),
        "engine is back": lambda: cancelling.clean(engine),
        "older rows": tasks.tend_older_rows,
        "estimates": lambda: estimates.Forecast().places,
        "badge": lambda: kinds.counts(person),
        "facts": facts,
        "stalls": stalls.facts if hasattr(stalls, "facts") else facts,
        "sweep": runner.sweep,
        "thumbnails": thumbnails.finish_missing,
        **kept,
    }


def forget() -> None:
    """The next question reads the database of SQLite from the disk, as after a night."""
    from django.db import connections

    file = Path(str(connections["default"].settings_dict["NAME"]))
    connections.close_all()
    for each in (file, file.with_name(f"{file.name}-wal")):
        if each.exists():
            with each.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def serve() -> None:
    """Answer each name on standard input with the seconds that the step took and how many queries it asked.

    Behind the name, after a tab, may stand "cold".
    """
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    settings.ALLOWED_HOSTS = ["*"]
    known = steps()
    print(json.dumps(list(known)), flush=True)
    for line in sys.stdin:
        name, _space, how = line.strip().partition("\t")
        if how == "cold":
            forget()
        begun = time.perf_counter()
        known[name]()
        took = time.perf_counter() - begun
        with CaptureQueriesContext(connection) as asked:
            known[name]()
        print(json.dumps([took, len(asked)]), flush=True)


@dataclass(slots=True)
class Side:
    """A process that answers for one tree and one size."""

    process: subprocess.Popen[str]
    names: list[str]

    def ask(self, name: str, how: str = "warm") -> tuple[float, int]:
        """Milliseconds and queries of a step."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{name}\t{how}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{name} failed; see above.")
        seconds, queries = json.loads(answer)
        return seconds * 1000, queries


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the databases are: files in a folder, or in a PostgreSQL at an address."""

    folder: Path
    python: str = sys.executable
    server: str = ""

    def filled(self, tree: Path, pictures: int) -> dict[str, str]:
        """The environment of a studio with so many pictures, made with the code of `tree` unless it is there."""
        name, program = f"{tree.name}-{pictures}", HERE.parent / "filling" / "years.py"
        files = self.folder / name
        is_kept = (files / "filled").exists()
        env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        command = [self.python, str(program), "--pictures", str(pictures)]
        if self.server:
            from tests.scale.servers import binary

            env |= {
                "STYLESTUDIO_DATA": str(self.folder / f"{name}-server"),
                "DATABASE_URL": f"{self.server.rpartition('/')[0]}/{name}",
            }
            subprocess.run([str(binary("psql")), self.server, "-qc", f'CREATE DATABASE "{name}"'], check=True)
            if is_kept:
                command = [self.python, str(program.with_name("carried.py")), str(files / "stylestudio.sqlite3")]
        else:
            env["STYLESTUDIO_DATA"] = str(files)
        if self.server or not is_kept:
            subprocess.run(command, cwd=tree, env=env, check=True)
        if not self.server:
            (files / "filled").touch()
        return env


def side(stack: ExitStack, tree: Path, shelf: Shelf, pictures: int) -> Side:
    """Start the process of one side; ended with `stack`."""
    process = subprocess.Popen(
        [shelf.python, str(HERE), "--serve"],
        cwd=tree,
        env=shelf.filled(tree, pictures),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout
    return Side(process, json.loads(process.stdout.readline() or "[]"))


def compare(sides: dict[str, Side], runs: int, only: set[str], how: str) -> list[dict[str, Any]]:
    """By step the median of every side, and what they say of each other."""
    rows = []
    for name in sides["many"].names:
        if only and not any(name.startswith(each) for each in only):
            continue
        told: dict[str, list[float]] = {each: [] for each in sides}
        queries = {}
        for number in range(runs + 1):
            for each, asked in sides.items():
                if name not in asked.names:  # a page that there was not before
                    continue
                took, queries[each] = asked.ask(name, how)
                if number:  # the first one is not warm
                    told[each].append(took)
        middle = {each: median(values) for each, values in told.items() if values}
        row: dict[str, Any] = {"step": name, **{f"{each}_ms": round(ms, 1) for each, ms in middle.items()}}
        row["times"] = round(middle["many"] / middle["few"], 2)
        row["queries"] = queries["many"]
        row["met"] = middle["many"] <= max(TIMES * middle["few"], middle["few"] + MORE_MS)
        if "before" in middle:
            row["of_before"] = round(middle["many"] / middle["before"], 3)
        rows.append(row)
        print(json.dumps(row, ensure_ascii=False), file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Fill, measure by turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as kept, ExitStack() as stack:
        shelf = Shelf(Path(kept))
        if options.postgresql:
            sys.path.insert(0, str(ROOT))
            from tests.scale.servers import PYTHON, House, postgres

            house = House(Path(stack.enter_context(tempfile.TemporaryDirectory())), dict(os.environ))
            stack.callback(house.end)
            shelf = Shelf(Path(kept), PYTHON, postgres(house))
        sides = {
            "few": side(stack, ROOT, shelf, options.small),
            "many": side(stack, ROOT, shelf, options.pictures),
        }
        if options.against:
            sides["before"] = side(stack, options.against.resolve(), shelf, options.pictures)
        only = {each.strip() for each in options.only.split(",") if each.strip()}
        rows = compare(sides, options.runs, only, "cold" if options.cold else "warm")
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
