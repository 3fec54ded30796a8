"""How long `manage.py generate` takes, alone and for a hundred pictures; and with --against beside another worktree.

    python tests/benchmarks/commands.py [--runs 15] [--pictures 100] [--seconds 0.2] [--against WORKTREE] [--json]

Each side is a studio of its own with an engine that sleeps so many seconds for a picture. One picture is ordered by
turns, and the medians are compared. The hundred are compared with a bare client that keeps the queue of the same
engine full: ordered with one command where `--count` takes them all, else with as few as are needed, one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from beside import ROOT, running, wait_until_well
from utilisation import bare_seconds

STEPS = 4
MOST_OF_A_JOB = 16  # pictures that one job may have
LAST_GRAPH = """
import json
from django.apps import apps
[prompts] = [model for model in apps.get_models() if model.__name__ == "EnginePrompt"]
print(json.dumps(prompts.objects.order_by("pk").last().graph))
"""


@dataclass(frozen=True, slots=True)
class Side:
    """A studio made of the code in `root`."""

    root: Path
    data: Path
    engine: str

    def generate(self, pictures: int = 1) -> float:
        """Seconds that the command takes, from its start to its end."""
        begun = time.perf_counter()
        command = ["generate", "--prompt", "a red house", "--size", "64x64", "--count", str(pictures), "--json"]
        answer = manage(self, *command)
        took = time.perf_counter() - begun
        assert answer.returncode == 0, answer.stderr
        return took

    def takes(self, pictures: int) -> bool:
        """Whether one command may order so many."""
        return manage(self, "generate", "--prompt", " ", "--count", str(pictures)).stderr.count("Choose 1 to") == 0

    def many(self, pictures: int) -> float:
        """Seconds for so many."""
        if self.takes(pictures):
            return self.generate(pictures)
        shares = [min(MOST_OF_A_JOB, pictures - first) for first in range(0, pictures, MOST_OF_A_JOB)]
        return sum(self.generate(share) for share in shares)

    def bare(self, pictures: int) -> float:
        """Seconds that the bare client takes for so many of the same."""
        graph = manage(self, "shell", "-c", LAST_GRAPH).stdout.splitlines()[-1]
        return asyncio.run(bare_seconds([self.engine], list(like(json.loads(graph), pictures))))


def like(sample: dict[str, Any], pictures: int) -> Iterator[dict[str, Any]]:
    """The same graph with other seeds and file names."""
    for number in range(pictures):
        graph = copy.deepcopy(sample)
        for node in graph.values():
            own = {"seed": 50_000 + number, "filename_prefix": f"bare/{uuid.uuid4().hex}"}
            node["inputs"] |= {name: own[name] for name in own if name in node["inputs"]}
        yield graph


def manage(side: Side, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this side."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=side.root,
        env=environment(side.data),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def environment(data: Path) -> dict[str, str]:
    """As people have it: with compiled modules, which are kept beside the data."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("STYLESTUDIO_", "COMFYUI_"))}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own | {
        "STYLESTUDIO_DATA": str(data),
        "DJANGO_SETTINGS_MODULE": "stylestudio.settings",
        "DJANGO_SUPERUSER_PASSWORD": "drawing-room-7",
        "PYTHONPYCACHEPREFIX": str(data.parent / f"{data.name}-compiled"),
    }


@contextmanager
def studio_of(root: Path, folder: Path, seconds: float) -> Iterator[Side]:
    """A running studio with somebody in it, warmed up."""
    env = environment(folder)
    engine = ("preview_engine", "--port", "0", "--painter", "flat", "--step-seconds", str(seconds / STEPS))
    with ExitStack() as stack:
        url = stack.enter_context(
            running(*engine, "--data", str(folder / "engine"), until=r"(http://\S+)", root=root, env=env)
        )
        start = ("studio", "--no-browser", "--port", "0")
        env |= {"COMFYUI_URL": url}
        address = stack.enter_context(running(*start, until=r"running at (http://\S+)", root=root, env=env))
        wait_until_well(address)
        side = Side(root, folder, url)
        manage(side, "createsuperuser", "--noinput", "--username", "bench", "--email", "bench@example.org")
        side.generate(2)
        side.generate()
        yield side


def main() -> None:
    """One picture, and a hundred."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    roots = {"ours": ROOT} | ({"theirs": options.against.resolve()} if options.against else {})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sides = {
            name: stack.enter_context(studio_of(root, Path(folder, name), options.seconds))
            for name, root in roots.items()
        }
        took: dict[str, list[float]] = {name: [] for name in sides}
        for _run in range(options.runs):
            for name, side in sides.items():
                took[name].append(side.generate())
        report: dict[str, Any] = {}
        for name, side in sides.items():
            one, many, bare = median(took[name]), side.many(options.pictures), side.bare(options.pictures)
            seconds = {"one_s": one, "many_s": many, "bare_s": bare, "ratio": many / bare}
            report[name] = {what: round(number, 2) for what, number in seconds.items()}
    if options.against:
        report["one_ratio"] = round(report["ours"]["one_s"] / report["theirs"]["one_s"], 2)
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for name in sides:
        print(
            "{0}: one picture {one_s} s; {1} pictures {many_s} s, {ratio} x the bare client's".format(
                name, options.pictures, **report[name]
            )
        )
    if options.against:
        print(f"One picture takes {report['one_ratio']} x theirs (at most 0.5)")


if __name__ == "__main__":
    main()
