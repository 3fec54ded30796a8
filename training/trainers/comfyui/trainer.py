"""The trainer that uses ComfyUI's own nodes on an engine, and what an engine's errors mean for a training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import recovery
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    ExecutionFailed,
    FateUnknown,
    GraphInvalid,
    NotFound,
    NotTaken,
    OutOfMemory,
    PromptInterrupted,
    PromptLost,
    PromptStalled,
)
from training.runs import parameters
from training.runs.trainer import Course, Trainer, TrainerFailed, TrainerLost
from training.trainers.comfyui import ability, graph
from training.trainers.comfyui.attempt import Attempt
from training.trainers.comfyui.obstacles import hint, obstacle
from training.trainers.comfyui.presets import BYTES_PER_RANK, CHOICES, NAME, PRESETS, SETTINGS


class ComfyTrainer(Trainer):
    """The trainer that needs nothing but an engine."""

    name = NAME
    label = gettext_lazy("ComfyUI engine")
    settings = SETTINGS
    choices = CHOICES
    presets = PRESETS
    bytes_per_rank = BYTES_PER_RANK
    on_engine = True

    def obstacles(self, config: Mapping[str, Any]) -> list[str]:
        """Why no engine can train now; empty if one can. `config["base"]` is the checkpoint, if known."""
        serving = roster.serving()
        if not serving:
            return [_("No engine answers. Start ComfyUI, then look at the engines on the Queue page.")]
        found = [obstacle(engine, str(config.get("base", "")), config) for engine in serving]
        return [] if "" in found else list(dict.fromkeys(found))

    def able(self, base: str = "", config: Mapping[str, Any] | None = None) -> list[Engine]:
        """Serving engines whose nodes support these settings and that have the base checkpoint, if one is given."""
        return [engine for engine in roster.serving() if not obstacle(engine, base, config)]

    def hidden(self, values: Mapping[str, Any]) -> Collection[str]:
        """Switches that no engine has. One that is on is shown, so that it can be turned off."""
        return [name for name in ability.missing_switches() if not parameters.setting(name).clean(values.get(name))]

    def hints(self, base: str, config: Mapping[str, Any]) -> list[str]:
        """Warnings: files too large for engines, and engines that draw sketches."""
        real = (engine for engine in self.able(base, config) if not engine.is_preview)
        found = [words for words in dict.fromkeys(hint(engine, config) for engine in real) if words]
        if roster.preview_serves():
            words = _(
                "The preview engine learns colours and texture only. Its files are sketches, not for a real engine."
            )
            found.append(words)
        return found

    def run(self, course: Course) -> None:
        """Train to the job's last step. Raises TrainerStopped, TrainerFailed or TrainerLost."""
        engine = course.job.engine
        assert engine is not None  # the runner has chosen one
        # The same id in every process: after a restart the engine still sends the events of our prompts.
        with roster.pool.own_client(engine, f"stylestudio-training-{course.job.pk}") as client:
            try:
                Attempt(course, engine, client).run()
            except ComfyError as error:
                raise explained(error, engine) from error


TRAINER = ComfyTrainer()


def explained(error: ComfyError, engine: Engine) -> TrainerFailed | TrainerLost:
    """What an error of this engine means for a training."""
    broken = isinstance(error, EngineUnreachable | EngineTimeout)
    if isinstance(error, EngineErred | FateUnknown | NotTaken) or (broken and recovery.still_answers(engine, error)):
        return TrainerLost(str(error), answered=True)
    lost = (EngineUnreachable, EngineTimeout, BadResponse, PromptLost, PromptStalled, NotFound)
    if isinstance(error, lost):
        return TrainerLost(str(error))
    if isinstance(error, GraphInvalid):
        return TrainerFailed("refused", error.detail, str(error))
    if isinstance(error, OutOfMemory):
        return TrainerFailed("out_of_memory", error.detail)
    if isinstance(error, PromptInterrupted):
        return TrainerFailed("interrupted", error.detail)
    if isinstance(error, ExecutionFailed):
        return TrainerFailed("bad_pictures" if error.node_id == graph.LOADER else "trainer", error.detail)
    return TrainerFailed("engine", f"{error} {error.detail}" if error.detail != str(error) else error.detail)
