"""Trains with sd-scripts: starts it or takes a running one over, reports to the course, and ends it."""

from __future__ import annotations

import glob
import math
import os
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines.models import Engine
from stylestudio.comfy.file_names import canonical
from stylestudio.processes import workers
from training.runs.models import TrainingJob
from training.runs.phases import Doing, Phase
from training.runs.trainer import Asked, Course, Stop, Trainer, TrainerFailed, TrainerLost, TrainerStopped
from training.trainers.kohya import attempts, checkpoint_files, command, config, output, pictures, process
from training.trainers.kohya.attempts import Attempt
from training.trainers.kohya.loss_log import Losses
from training.trainers.kohya.presets import BYTES_PER_RANK, NAME, PRESETS, SETTINGS
from training.trainers.kohya.sentences import SENTENCES

POLL = 0.5  # seconds between two checks of the process
REMEMBERED = 200  # last lines, which are searched for the cause of a failure
MOST_BAD = 20  # consecutive losses that are not finite before the training counts as diverged
PROBE_TIMEOUT = 60  # seconds
PACKAGES = ("torch", "accelerate", "diffusers", "transformers", "safetensors")
OPTIMIZER_PACKAGES = {"AdamW8bit": "bitsandbytes", "Prodigy": "prodigyopt"}
_PROBE = "import importlib.util,sys;print(*[n for n in sys.argv[1:] if importlib.util.find_spec(n) is None])"


class KohyaTrainer(Trainer):
    """kohya's sd-scripts on this machine."""

    name = NAME
    label = gettext_lazy("kohya sd-scripts")
    settings = SETTINGS
    presets = PRESETS
    bytes_per_rank = BYTES_PER_RANK
    sentences = SENTENCES
    on_engine = False
    export_note = gettext_lazy(
        "The same training on another machine with sd-scripts: pictures, captions, configuration and the command."
    )

    def is_offered(self) -> bool:
        """Whether sd-scripts is installed on this machine."""
        return settings.SD_SCRIPTS_DIR is not None

    def obstacles(self, config: Mapping[str, Any]) -> list[str]:
        """Why it cannot train now. Takes a moment, since its Python is run to check its packages."""
        if os.name != "posix":
            return [_("Training with sd-scripts needs Linux or macOS. Export the training and start it by hand.")]
        if settings.SD_SCRIPTS_DIR is None:
            return [_("Set SD_SCRIPTS_DIR to the folder of sd-scripts to train on this machine.")]
        found = []
        if not (settings.SD_SCRIPTS_DIR / command.SCRIPT).is_file():
            found.append(_("SD_SCRIPTS_DIR has no %s. Set it to the folder of sd-scripts.") % command.SCRIPT)
        wanted = [*PACKAGES]
        if package := OPTIMIZER_PACKAGES.get(str(config.get("optimizer", ""))):
            wanted.append(package)
        missing = _missing_packages(wanted)
        if missing is None:
            found.append(_("SD_SCRIPTS_PYTHON cannot be started. Set it to the Python of sd-scripts."))
        elif missing:
            found.append(_("The Python of sd-scripts lacks: %s. Install them there.") % ", ".join(missing))
        return found

    def able(self, base: str = "", config: Mapping[str, Any] | None = None) -> list[Engine]:
        """Always empty: it trains on this machine."""
        return []

    def command(self, asked: Asked) -> str:
        """The command of the newest start; "" before the first."""
        return command_line(asked)

    def exported(self, asked: Asked) -> Iterator[tuple[str, bytes]]:
        """Pictures, captions, configuration and command."""
        return command.exported_files(plan(asked), asked.pictures)

    def run(self, course: Course) -> None:
        """Train to the job's last step. Raises TrainerStopped, TrainerFailed or TrainerLost."""
        attempt = attempts.newest(course.folder)
        if attempt is None or attempt.over:
            attempt = _begin(course)
        else:
            course.log("Found the trainer again.")
        _Watch(course, attempt).follow()


TRAINER = KohyaTrainer()


def end_leftover(folder: Path) -> None:
    """End a trainer that still runs in a training's folder, for a job that ended while no worker was running."""
    attempt = attempts.newest(folder)
    if attempt and (left := process.find(attempt.folder)):
        left.kill()


def hear_of_training(sender: object, job: TrainingJob, what: str, **_facts: Any) -> None:
    """End the process of a training that has ended: one withdrawn between two workers may still have it here."""
    if what == "ended" and job.trainer == KohyaTrainer.name:
        end_leftover(job.folder)


def plan(course: Asked) -> config.Plan:
    """The whole training, from its first step. Its base is only a name if this machine has no such file."""
    job = course.job
    repeats = int(course.config["repeats"])
    return config.Plan(
        settings=course.config,
        base=str(find_base(job.base) or job.base),
        seed=job.seed,
        trigger=job.trigger_words,
        pictures=pictures.folder_name(repeats, job.trigger_words),
        repeats=repeats,
    )


def command_line(course: Asked) -> str:
    """The command of the newest start, to show and to paste; empty before the first."""
    attempt = attempts.newest(course.folder)
    return command.shell_line(course.folder, _words(course, attempt.folder)) if attempt else ""


def find_base(name: str) -> Path | None:
    """The base checkpoint on this machine: below SD_SCRIPTS_MODELS, or `models` in the folder of sd-scripts."""
    wanted = PurePosixPath(canonical(name))
    if wanted.is_absolute() or ".." in wanted.parts:
        return None
    for folder in (settings.SD_SCRIPTS_MODELS, settings.SD_SCRIPTS_DIR and settings.SD_SCRIPTS_DIR / "models"):
        if folder is None:
            continue
        if (folder / wanted).is_file():
            return Path(folder / wanted)
        # Elsewhere below it: a walk through the whole folder, which can be large and on a slow disk.
        for file in sorted(folder.rglob(glob.escape(wanted.name))):
            if file.is_file():
                return Path(file)
    return None


def _missing_packages(names: Sequence[str]) -> list[str] | None:
    """Which of them the Python of sd-scripts lacks; None if it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603
            [settings.SD_SCRIPTS_PYTHON, "-c", _PROBE, *names],
            capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.split()


def _words(course: Asked, folder: Path) -> list[str]:
    precision = config.PRECISIONS[str(course.config.get("dtype", "bf16"))]
    file = (folder / config.CONFIG_FILE).relative_to(course.folder).as_posix()
    return command.arguments(settings.SD_SCRIPTS_PYTHON, Path(settings.SD_SCRIPTS_DIR or ""), file, precision)


def _begin(course: Course) -> Attempt:
    """Write all files and start sd-scripts, from the newest checkpoint if there is one."""
    if obstacles := KohyaTrainer().obstacles(course.config):
        raise TrainerFailed("trainer", " ".join(obstacles))
    if find_base(course.job.base) is None:
        raise TrainerFailed("no_base", course.job.base)
    whole = plan(course)
    try:
        pictures.lay_out(course.folder / whole.pictures, course.pictures, lambda done: _preparing(course, done))
    except pictures.Unusable as error:
        raise TrainerFailed("bad_pictures", str(error), picture=error.picture.source) from error
    attempt = attempts.begin(course.folder, course.start.step if course.start else 0)
    home = attempt.folder.relative_to(course.folder).as_posix()
    now = _going_on(course, whole, attempt, home)
    command.write_config(course.folder, now, f"{home}/{config.CONFIG_FILE}")
    words = _words(course, attempt.folder)
    course.log(command.shell_line(course.folder, words))
    # Before the process starts: if the worker is killed between the two, the next one finds that nothing runs.
    attempt.save()
    process.start(attempt.folder, words, cwd=course.folder)
    return attempt


def _preparing(course: Course, done: int) -> None:
    if course.stop is Stop.NOW:
        raise TrainerStopped
    doing = Doing(Phase.WRITING, done, len(course.pictures))
    course.progress(course.start.step if course.start else 0, doing=doing)


def _going_on(course: Course, whole: config.Plan, attempt: Attempt, home: str) -> config.Plan:
    """The plan of one start, and a log line about what it resumes from."""
    state = weights = ""
    if course.start:
        saved = course.folder.parent / course.start.state
        if course.start.state and checkpoint_files.is_whole_state(saved):
            state = str(saved)
            course.log(
                f"Goes on from step {attempt.first_step} with the saved state of the optimizer. Pictures are shuffled "
                "anew, so the epoch that was under way begins again."
            )
        else:
            weights = str(_copy_weights(course, attempt))
            course.log(
                f"Goes on from step {attempt.first_step} with the weights alone, because there is no saved state: the "
                "optimizer and the learning rate start anew, which can show as a bump in the loss."
            )
    return config.Plan(
        settings=whole.settings, base=whole.base, seed=whole.seed + attempt.first_step, trigger=whole.trigger,
        pictures=whole.pictures, repeats=whole.repeats, output=f"{home}/output", logs=f"{home}/logs",
        first_step=attempt.first_step, state=state, weights=weights,
    )  # fmt: skip


def _copy_weights(course: Course, attempt: Attempt) -> Path:
    """Copy the LoRA file of the checkpoint to resume from; its storage need not be a disk."""
    assert course.start
    target = attempt.folder / "start.safetensors"
    with course.start.version.file.open("rb") as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)
    return target.resolve()


class _Watch:
    """Follows one start of sd-scripts to its end. After a restart of the worker it reads everything again.

    Losses and steps are then reported again from the last checkpoint on, where the course has dropped them; log lines
    are not.
    """

    def __init__(self, course: Course, attempt: Attempt) -> None:
        self.course = course
        self.attempt = attempt
        self.process = process.find(attempt.folder)
        self.losses = Losses(attempt.folder / "logs")
        self.stored = course.start.step if course.start else 0  # of the last checkpoint, counted over all starts
        self.told = self.stored - attempt.first_step  # the last step of this start whose loss the course has
        self.read = 0  # bytes of the output
        self.lines: deque[str] = deque(maxlen=REMEMBERED)
        self.step = 0  # of this start
        self.doing = Doing(Phase.STARTING)  # before its first step
        self.batches = 0  # per epoch; 0 while unknown
        self.average: float | None = None  # the last loss shown by the bar
        self.since: dict[int, float] = {}  # losses by step, since the last checkpoint
        self.bad = 0
        self.ends_at = 0  # the step of the checkpoint at which to end, if requested
        self.sizes: dict[Path, int] = {}  # of files, as last seen

    @property
    def left(self) -> int:
        """The number of steps of this start."""
        return self.course.job.steps - self.attempt.first_step

    def follow(self) -> None:
        """Follow until it ends. If the worker stops, the process goes on and is found again."""
        try:
            while self._runs():
                self._look()
                self._obey()
                time.sleep(POLL)
            self._finish()
        except TrainerStopped:
            if workers.stopping.is_set() and self.course.stop is Stop.NO:
                raise
            if self.process:
                self.process.kill()
            self._take_checkpoints(final=True)
            self._over()
            raise

    def _runs(self) -> bool:
        return self.process is not None and self.process.running

    def _look(self, *, final: bool = False) -> None:
        """Pass on everything that is new."""
        said = self._read(final)
        if said:
            self.course.log("\n".join(said))
        done = self.attempt.first_step + self.step
        if self.step:
            self.course.progress(done, epoch=self._epoch(done))
        else:
            self.course.progress(done, doing=self.doing)
        self._tell_losses()
        self._take_checkpoints(final)

    def _read(self, final: bool) -> list[str]:
        """Read new output. Returns the lines that are not in the log yet."""
        try:
            with (self.attempt.folder / process.OUTPUT).open("rb") as file:
                file.seek(self.read)
                data = file.read()
        except FileNotFoundError:
            return []
        known = max(0, self.attempt.logged - self.read)
        before, length = output.read(data[:known])
        after, more = output.read(data[length:], final=final)
        self.read += length + more
        if self.read > self.attempt.logged:
            self.attempt.logged = self.read
            # Before they are passed on: a worker that is killed here loses a line instead of logging it twice.
            self.attempt.save()
        for event in (*before, *after):
            self._understand(event)
        return [event.text for event in after if isinstance(event, output.Line)]

    def _understand(self, event: output.Event) -> None:
        match event:
            case output.Line(text):
                self.lines.append(text)
            case output.Batches(count):
                self.batches = count
            case output.Bar(done, total) if not self.step:
                self.doing = Doing(Phase.CACHING, done, total)
            case output.Step(step, _total, loss):
                self.step, self.average = step, self.average if loss is None else loss

    def _epoch(self, step: int) -> int:
        """The epoch of a step, from 1; 0 while unknown."""
        accumulation = int(self.course.config.get("accumulation", 1))
        steps = math.ceil(self.batches / accumulation)
        return math.ceil(step / steps) if steps else 0

    def _tell_losses(self) -> None:
        values = self.losses.new()
        fresh = values[max(0, len(values) - max(0, self.losses.step - self.told)) :]
        if not fresh:
            return
        self.told = self.losses.step
        first = self.attempt.first_step + self.told - len(fresh) + 1
        self.course.losses(first, fresh)
        self.since |= enumerate(fresh, first)
        for value in fresh:
            self.bad = 0 if math.isfinite(value) else self.bad + 1
        if self.bad >= MOST_BAD:
            self._fail("diverged", f"The loss is not a number since about step {first}.")

    def _take_checkpoints(self, final: bool) -> None:
        """Pass on complete checkpoints.
        While it runs, a file waits for its state and until its size no longer changes.
        """
        for one in checkpoint_files.saved(self.attempt.folder / "output", self.left):
            step = self.attempt.first_step + one.step
            if step <= self.stored or (not final and (self._grows(one.file) or one.state is None)):
                continue
            state = one.state.resolve().relative_to(self.course.folder.parent.resolve()) if one.state else ""
            self.course.checkpoint(step, one.file, epoch=self._epoch(step), loss=self._mean(step), state=str(state))
            self.stored = step
            one.file.unlink(missing_ok=True)

    def _grows(self, file: Path) -> bool:
        size = file.stat().st_size
        seen, self.sizes[file] = self.sizes.get(file), size
        return seen != size

    def _mean(self, step: int) -> float | None:
        """The mean loss from the previous checkpoint to this step, or the bar's average."""
        values = [value for at, value in self.since.items() if at <= step and math.isfinite(value)]
        self.since = {at: value for at, value in self.since.items() if at > step}
        if values:
            return math.fsum(values) / len(values)
        return self.average if self.average is not None and math.isfinite(self.average) else None

    def _obey(self) -> None:
        """Stop if requested. sd-scripts only saves at fixed steps, so keeping a checkpoint means waiting
        for the next.
        """
        done = self.stored - self.attempt.first_step
        match self.course.stop:
            case Stop.NOW:
                raise TrainerStopped
            case Stop.KEEP if not self.ends_at:
                every = plan(self.course).save_every
                self.ends_at = min((max(self.step, done) // every + 1) * every, self.left)
                self.course.log(f"Ends with the checkpoint at step {self.attempt.first_step + self.ends_at}.")
            case Stop.KEEP if self.ends_at <= done < self.left:
                if self.process:
                    self.process.end()
                raise TrainerStopped

    def _finish(self) -> None:
        """It ended by itself: pass on the rest and report how."""
        self._look(final=True)
        code = self.process.code if self.process else None
        if code == 0 and self.stored == self.course.job.steps:
            self._over()
            return
        if self.process:
            self.process.kill()  # what its launcher left behind
        if code is None:
            self._over(keep=True)
            raise TrainerLost("sd-scripts is not there any more and left no word.")
        self._fail(*output.cause(list(self.lines), code))

    def _fail(self, kind: str, detail: str) -> None:
        if self.process:
            self.process.kill()
        self._over()
        picture = self._blamed(detail) if kind == "bad_pictures" else ""
        raise TrainerFailed(kind, detail, picture=picture)

    def _blamed(self, detail: str) -> str:
        return pictures.blamed([*self.lines, detail], self.course.pictures)

    def _over(self, *, keep: bool = False) -> None:
        """Mark this start as handled. Unless another one follows, delete what is no longer needed."""
        self.attempt.over = True
        self.attempt.save()
        if keep:
            return
        shutil.rmtree(self.course.folder / pictures.FOLDER, ignore_errors=True)
        saved = self.attempt.folder / "output"
        for file in saved.glob("*.safetensors"):
            file.unlink()
        if (saved / checkpoint_files.state_name(self.left)).is_dir():
            shutil.rmtree(saved / checkpoint_files.LAST_STATE, ignore_errors=True)  # a duplicate
