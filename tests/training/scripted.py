"""A trainer that does what a test says, and the files that trainers write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from safetensors.numpy import save_file

from generation.engines.models import Engine
from training.datasets.models import Dataset, DatasetSnapshot
from training.runs import known_trainers, parameters
from training.runs.models import TrainingJob
from training.runs.placing import place_run
from training.runs.running import runner
from training.runs.trainer import Course
from training.trainers.comfyui.trainer import ComfyTrainer


class Scripted(ComfyTrainer):
    """A trainer that does what the test says."""

    def __init__(self, act: Callable[[Course], None]) -> None:
        self._act = act

    def obstacles(self, config: Mapping[str, Any]) -> list[str]:
        return []

    def able(self, base: str = "", config: Mapping[str, Any] | None = None) -> list[Engine]:
        return ComfyTrainer().able(base, config)

    def run(self, course: Course) -> None:
        self._act(course)


def lora_file(folder: Path, step: int) -> Path:
    """A small LoRA as ComfyUI's training nodes write it."""
    name = "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k"
    path = folder / f"{step}.safetensors"
    tensors = {
        f"{name}.lora_down.weight": np.full((4, 2048), step, np.float32),
        f"{name}.lora_up.weight": np.ones((640, 4), np.float32),
        f"{name}.alpha": np.array(1.0, np.float32),
    }
    save_file(tensors, path)
    return path


def resize(job: TrainingJob, number: int, width: int, height: int) -> None:
    """As if picture `number` (from 1) had been frozen in this size: trainings of before that was looked at had such."""
    manifest = json.loads(job.snapshot.manifest)
    manifest["pictures"][number - 1] |= {"width": width, "height": height}
    DatasetSnapshot.objects.filter(pk=job.snapshot_id).update(manifest=json.dumps(manifest))


def ask(dataset: Dataset, user: User, *, steps: int = 8, style: Any = "Gouache", **more: Any) -> TrainingJob:
    values = {**parameters.preset_values("quick", "comfyui"), "steps": steps, "segments": 2}
    plan = place_run.Plan(dataset=dataset, style=style, trainer="comfyui", preset="quick", values=values, **more)
    return place_run.start(plan, user)


def train(act: Callable[[Course], None]) -> None:
    known_trainers.register(Scripted(act))
    runner.work()
