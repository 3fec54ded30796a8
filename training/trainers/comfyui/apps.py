"""Registers the trainer that uses ComfyUI's own nodes."""

from __future__ import annotations

from django.apps import AppConfig


class ComfyuiConfig(AppConfig):
    """Training on an engine."""

    name = "training.trainers.comfyui"
    label = "trainers_comfyui"

    def ready(self) -> None:
        """Register the trainer, its node classes, its diagnostics, its converter of exports and its sweep."""
        from generation.engines import diagnostics as engine_diagnostics
        from generation.engines import node_facts
        from styles import cards
        from stylestudio.processes import workers
        from training.runs import known_trainers
        from training.runs.running import live_course
        from training.trainers.comfyui import diagnostics, graph, leftovers, lora
        from training.trainers.comfyui.trainer import ComfyTrainer

        known_trainers.register(ComfyTrainer())
        live_course.happened.connect(leftovers.hear_of_training)
        node_facts.keep(graph.every_class())
        engine_diagnostics.register(diagnostics.look)
        cards.register_converter(lora.exported)
        workers.register_sweep(leftovers.cancel_leftovers, guarded=True)
