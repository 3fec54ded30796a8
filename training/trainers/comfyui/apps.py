"""The trainer that uses ComfyUI's own nodes: its node classes, diagnostics, converter of exports and sweep."""

from __future__ import annotations

from stylestudio.host import rooms


class ComfyuiConfig(rooms.Room):
    """Training on an engine."""

    name = "training.trainers.comfyui"
    label = "trainers_comfyui"
    trainers = ("training.trainers.comfyui.trainer:TRAINER",)
    node_classes = ("training.trainers.comfyui.graph:every_class",)
    engine_checks = ("training.trainers.comfyui.diagnostics:look",)
    file_converters = ("training.trainers.comfyui.lora:exported",)
    guarded_sweeps = ("training.trainers.comfyui.leftovers:cancel_leftovers",)
    receivers = {"training.runs.signals:happened": ("training.trainers.comfyui.leftovers:hear_of_training",)}
