"""manage.py preview_engine: the built-in engine as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from stylestudio.host import child_exit
from stylestudio.preview_engine.server import COMFYUI_PORT, Options, PreviewEngine

MAX_UPLOAD_SIZE = 4096  # MB; more than the 100 of ComfyUI, because the LoRA files of styles are uploaded here
STEP_SECONDS = {"sketch": 0.12, "flat": 0.0}
TRAINING_STEP_SECONDS = {"sketch": 0.02, "flat": 0.0}


class Command(BaseCommand):
    """Runs until SIGINT or SIGTERM, or with --exit-with-parent until standard input is closed."""

    help = (
        "The preview engine as a server of its own, for development: it speaks ComfyUI's API and draws sketches, "
        "without a GPU. Runs until it is interrupted."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=8190, help="port to listen on, 0 for a free one (default: %(default)s)"
        )
        parser.add_argument(
            "--painter",
            choices=("sketch", "flat"),
            default="sketch",
            help="how pictures are drawn (default: %(default)s)",
        )
        parser.add_argument("--data", type=Path, help="folder for pictures (default: a temporary one)")
        parser.add_argument("--step-seconds", type=float, help="least time that one sampling step takes")
        parser.add_argument("--training-step-seconds", type=float, help="least time that one training step takes")
        parser.add_argument(
            "--generation",
            choices=("current", "new", "old"),
            default="current",
            help="the ComfyUI it speaks like: current is 0.33.0, new 0.8.0, old 0.3.64 (default: %(default)s)",
        )
        parser.add_argument(
            "--max-upload-size",
            type=int,
            default=MAX_UPLOAD_SIZE,
            metavar="MB",
            help="largest upload in megabytes (default: %(default)s)",
        )
        parser.add_argument("--scriptable", action="store_true", help="let tests cause troubles over HTTP")
        parser.add_argument(
            "--exit-with-parent", action="store_true", help="stop when standard input closes, as `studio` wants it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        painter, step_seconds = options["painter"], options["step_seconds"]
        training_step_seconds = options["training_step_seconds"]
        engine = PreviewEngine(
            Options(
                folder=options["data"],
                painter=painter,
                step_seconds=STEP_SECONDS[painter] if step_seconds is None else step_seconds,
                training_step_seconds=(
                    TRAINING_STEP_SECONDS[painter] if training_step_seconds is None else training_step_seconds
                ),
                generation=options["generation"],
                scriptable=options["scriptable"],
                max_upload=options["max_upload_size"] * 2**20,
            )
        )
        if options["port"] == COMFYUI_PORT:
            raise CommandError(
                _("Port %(port)d belongs to ComfyUI. Choose another port for the preview engine.")
                % {"port": COMFYUI_PORT}
            )
        if options["data"]:
            try:
                options["data"].mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise CommandError(
                    _("The preview engine cannot write to %(folder)s: %(reason)s. Choose another folder with --data.")
                    % {"folder": options["data"], "reason": problem.strerror or problem}
                ) from problem
        try:
            asyncio.run(self._serve(engine, options["host"], options["port"], options["exit_with_parent"]))
        except OSError as problem:
            raise CommandError(
                _("The preview engine cannot listen on %(host)s port %(port)d: %(reason)s. Choose another with --port.")
                % {"host": options["host"], "port": options["port"], "reason": problem.strerror or problem}
            ) from problem

    async def _serve(self, engine: PreviewEngine, host: str, port: int, exit_with_parent: bool) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, ended.set)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
        if exit_with_parent:
            child_exit.exit_with_parent()
        await engine.start(host, port)
        # The drawing thread yields to the answering one more readily than with Python's default of 5 ms.
        sys.setswitchinterval(0.001)
        self.stdout.write(f"Preview engine on {engine.url}")
        self.stdout.flush()
        await ended.wait()
        child_exit.exit_within(0.9)
        await engine.stop()
        # An orderly shutdown of Django, perhaps in the middle of drawing, would take longer than it is worth.
        self.stdout.flush()
        os._exit(0)
