"""Trainings wait in a row while processes are killed and people stop some; then everything is looked at.

    python -m tests.chaos.trainings --jobs 20 --seed 7

Prints the counts and everything that is wrong; the exit code is 0 where nothing is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylestudio.host.rendezvous import free_port
from tests.chaos import studio as processes
from tests.chaos.studio import Studio, wait_until

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from training.datasets.models import Dataset
    from training.runs.models import TrainingJob

STEPS, SEGMENTS = 16, 4
SEGMENT = STEPS // SEGMENTS
PICTURES = 4
STEPS_FILE = "training-steps"  # in the data folder, see tests.chaos.counting_settings
VICTIMS = ("worker", "engine", "web", "worker", "engine")
STOPS = ("keep", "force", "cancel")
LEAST_PAUSE, MOST_PAUSE = 1.0, 4.0  # seconds between two acts
PATIENCE = 180.0  # seconds until every training has ended, once nobody is killed any more


def options() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--stops", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="data folder (default: a temporary one)")
    return parser.parse_args()


class Night:
    """A studio with the preview engine, its queue of trainings, and what was done to them."""

    def __init__(self, told: argparse.Namespace, folder: Path, environment: dict[str, str]) -> None:
        self.told, self.folder = told, folder
        self.random = random.Random(told.seed)
        self.studio = Studio(free_port(), folder, environment)
        self.kills: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.stopped: dict[int, str] = {}  # trainings that somebody stopped, and how
        self.problems: list[str] = []

    def run(self) -> bool:
        """All of it. Whether nothing is wrong."""
        begun = time.monotonic()
        self.studio.start()
        try:
            import django

            django.setup()
            if not wait_until(self.studio.is_well, processes.START_SECONDS):
                raise SystemExit(f"The studio did not start, see {self.folder}")
            self._ask()
            well = time.monotonic()
            self._rage()
            self._settle()
            ended = time.monotonic()
        finally:
            self.studio.stop()
        self._verify()
        self._report({"start": round(well - begun, 1), "trainings": round(ended - well, 1)})
        return not self.problems

    def _ask(self) -> None:
        from django.contrib.auth.models import User

        from training.runs import parameters
        from training.runs.placing import place_run

        ada = User.objects.create_superuser("ada", password=None)
        dataset = _dataset(ada)
        values = {
            **parameters.preset_values("quick", "comfyui"),
            "steps": STEPS, "segments": SEGMENTS, "resolution": 256, "rank": 4,
        }  # fmt: skip
        for number in range(self.told.jobs):
            plan = place_run.Plan(
                dataset=dataset, style=f"Night {number}", trainer="comfyui", preset="quick", values=values,
                probes=[("a hill", 1)], seed=number,
            )  # fmt: skip
            place_run.start(plan, ada)

    def _rage(self) -> None:
        """Kill and stop in the order of the seed until the acts or the trainings are used up."""
        from training.runs.models import TrainingJob

        acts = [("kill", VICTIMS[turn % len(VICTIMS)]) for turn in range(self.told.kills)]
        acts += [("stop", STOPS[turn % len(STOPS)]) for turn in range(self.told.stops)]
        self.random.shuffle(acts)
        for act, what in acts:
            time.sleep(self.random.uniform(LEAST_PAUSE, MOST_PAUSE))
            if not TrainingJob.objects.active().exists():
                return
            if act == "kill":
                self._kill(what)
            else:
                self._stop(what)

    def _kill(self, role: str) -> None:
        """kill -9 while the engine does training steps, where it does some soon."""
        before = self.trained
        wait_until(lambda: self.trained > before, 15, every=0.02)
        time.sleep(self.random.uniform(0, 0.5))
        self.kills[role] += self.studio.send(role, signal.SIGKILL)

    def _stop(self, how: str) -> None:
        from training.runs.models import TrainingJob
        from training.runs.running import runner

        rows = TrainingJob.objects.filter(stop="").order_by("pk")
        job = rows.waiting().last() if how == "cancel" else rows.running().first()
        if job and runner.stop(job, TrainingJob.Stop.FORCE if how == "force" else TrainingJob.Stop.KEEP):
            self.stops[how] += 1
            self.stopped[job.pk] = how

    def _settle(self) -> None:
        from generation.engines.models import Engine
        from training.runs.models import TrainingJob

        if not wait_until(lambda: not TrainingJob.objects.active().exists(), PATIENCE, every=0.3):
            self.problems += [f"{_named(job)} is {job.status}" for job in TrainingJob.objects.active()]
        if not wait_until(lambda: not Engine.objects.exclude(held_by="").exists(), 5):
            self.problems.append("an engine is still held")

    def _verify(self) -> None:
        from training.runs.models import TrainingJob

        jobs = list(TrainingJob.objects.order_by("pk"))
        if len(jobs) != self.told.jobs:
            self.problems.append(f"{len(jobs)} trainings of {self.told.jobs}")
        for job in jobs:
            self.problems += [f"{_named(job)} {what}" for what in self._wrong(job)]
        # A kill costs one segment at most, wherever it hits; so does a stop at once.
        most = sum(_reached(job) for job in jobs) + SEGMENT * (sum(self.kills.values()) + self.stops["force"])
        if self.trained > most:
            self.problems.append(f"the engine trained {self.trained} steps, {most} at most are explained")

    def _wrong(self, job: TrainingJob) -> list[str]:
        """What is not as it should be with a training that ended."""
        return [*_wrong_end(job, self.stopped.get(job.pk)), *_wrong_checkpoints(job), *_wrong_losses(job)]

    @property
    def trained(self) -> int:
        """Steps that the engine did in all its lives."""
        file = self.folder / STEPS_FILE
        return file.stat().st_size if file.exists() else 0

    def _report(self, seconds: dict[str, float]) -> None:
        from training.runs.models import Checkpoint, TrainingJob

        jobs = list(TrainingJob.objects.order_by("pk"))
        counts: dict[str, Any] = {
            "seed": self.told.seed,
            "trainings": dict(Counter(job.look for job in jobs)),
            "checkpoints": Checkpoint.objects.count(),
            "steps": {"kept": sum(_reached(job) for job in jobs), "trained": self.trained},
            "kills": dict(self.kills),
            "stops": dict(self.stops),
            "seconds": seconds,
        }
        print(json.dumps(counts))
        for problem in self.problems:
            print("WRONG:", problem)
        print(f"{len(self.problems)} wrong, seed {self.told.seed}, data in {self.folder}", flush=True)


def _named(job: TrainingJob) -> str:
    return f"training {job.pk}"


def _reached(job: TrainingJob) -> int:
    last = job.checkpoints.last()
    return last.step if last else 0


def _wrong_end(job: TrainingJob, stopped: str | None) -> list[str]:
    if job.status == "completed":
        return [] if _reached(job) == STEPS else ["completed without its last checkpoint"]
    if job.status == "failed":
        return [f"failed: {job.error_kind} {job.error_detail}" if job.explanation else "failed without a reason"]
    if job.status == "cancelled":
        return [] if stopped else ["was cancelled by nobody"]
    return [f"is {job.status}"]


def _wrong_checkpoints(job: TrainingJob) -> list[str]:
    from styles import lora

    found = []
    steps = [each.step for each in job.checkpoints.all()]
    if steps != [SEGMENT * number for number in range(1, len(steps) + 1)]:
        found.append(f"has checkpoints at {steps}")
    for each in job.checkpoints.select_related("version"):
        try:
            with each.version.file.open("rb") as file:
                facts = lora.inspect(file, str(each.version.file.name), with_hashes=True)
        except (OSError, ValueError, lora.BadLora) as error:
            found.append(f"lost its checkpoint at {each.step}: {error}")
            continue
        if facts.hashes is None or facts.hashes.file != each.version.sha256:
            found.append(f"has another file at {each.step}")
    return found


def _wrong_losses(job: TrainingJob) -> list[str]:
    """Every step has its loss once, except for segments whose engine was killed after it had saved them."""
    from training.runs.running import loss_curve

    steps, _values = loss_curve.read(job)
    told = steps.tolist()
    wrong = []
    if sorted(set(told)) != told:
        wrong.append(f"has losses of steps {told}")
    if told and told[-1] > STEPS:
        wrong.append(f"has a loss of step {told[-1]}")
    return wrong


def _dataset(ada: User) -> Dataset:
    """A few small pictures."""
    from django.core.files.base import ContentFile

    from tests.preview_engine.pictures import in_palette
    from training.datasets.models import Dataset, DatasetImage

    dataset = Dataset.objects.create(name="Night", owner=ada, trigger_words="night painting")
    for place, picture in enumerate(in_palette(PICTURES)):
        file = BytesIO()
        picture.save(file, "PNG")
        image = DatasetImage(
            dataset=dataset, width=picture.width, height=picture.height, byte_size=len(file.getvalue()), format="PNG",
            caption=f"hill {place}", position=place, sha256=f"{place:064}", perceptual_hash=f"{place:016x}",
            source_name=f"{place}.png", added_by=ada,
        )  # fmt: skip
        for field in (image.file, image.thumbnail):
            field.save("a.png", ContentFile(file.getvalue()), save=False)
        image.save()
    return dataset


def _environment(folder: Path) -> dict[str, str]:
    foreign = ("STYLESTUDIO_", "COMFYUI_", "DATABASE_", "REDIS_", "S3_", "SD_SCRIPTS_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return own | {
        "STYLESTUDIO_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "tests.chaos.counting_settings",
        "COMFYUI_URL": "",
    }


def main() -> None:
    """Ask, kill, report, exit. The data folder stays, for whoever wants to know what went wrong."""
    told = options()
    folder = (told.data or Path(tempfile.mkdtemp(prefix="night-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(0 if Night(told, folder, environment).run() else 1)


if __name__ == "__main__":
    main()
