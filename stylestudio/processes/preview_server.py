"""The preview engine as a process without Django. `studio` starts it; `manage.py preview_engine` is for development."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from stylestudio.host import child_exit
from stylestudio.preview_engine.server import COMFYUI_PORT, Options, PreviewEngine

MAX_UPLOAD_SIZE = 4096  # MB; more than the 100 of ComfyUI, because the LoRA files of styles are uploaded here
STEP_SECONDS = {"sketch": 0.12, "flat": 0.0}
TRAINING_STEP_SECONDS = {"sketch": 0.02, "flat": 0.0}


class Unusable(Exception):
    """It cannot run with these options. The text says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
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


def run(options: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM, or with --exit-with-parent until standard input closes. Never returns.

    Raises Unusable.
    """
    painter, step_seconds, training = options.painter, options.step_seconds, options.training_step_seconds
    if options.port == COMFYUI_PORT:
        raise Unusable(f"Port {COMFYUI_PORT} belongs to ComfyUI. Choose another port for the preview engine.")
    if options.data:
        try:
            options.data.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise Unusable(
                f"The preview engine cannot write to {options.data}: {problem.strerror or problem}. "
                "Choose another folder with --data."
            ) from problem
    engine = PreviewEngine(
        Options(
            folder=options.data,
            painter=painter,
            step_seconds=STEP_SECONDS[painter] if step_seconds is None else step_seconds,
            training_step_seconds=TRAINING_STEP_SECONDS[painter] if training is None else training,
            generation=options.generation,
            scriptable=options.scriptable,
            max_upload=options.max_upload_size * 2**20,
        )
    )
    try:
        asyncio.run(_serve(engine, options.host, options.port, options.exit_with_parent))
    except OSError as problem:
        raise Unusable(
            f"The preview engine cannot listen on {options.host} port {options.port}: {problem.strerror or problem}. "
            "Choose another with --port."
        ) from problem


async def _serve(engine: PreviewEngine, host: str, port: int, exit_with_parent: bool) -> None:
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
    print(f"Preview engine on {engine.url}", flush=True)
    await ended.wait()
    child_exit.exit_within(0.9)
    await engine.stop()
    # An orderly shutdown, perhaps in the middle of drawing, would take longer than it is worth.
    sys.stdout.flush()
    os._exit(0)


def main() -> int:
    """Serve with the options on the command line. The exit code is 1 if that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m stylestudio.processes.preview_server")
    add_arguments(parser)
    try:
        run(parser.parse_args())
    except Unusable as problem:
        print(problem, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
