"""Two trainings of six steps on a real ComfyUI, one by the command and one on the page, while processes are killed.

    python -m tests.chaos.real_training --port 8191 --start 'start-comfyui {port}' --kill 'kill-comfyui {port}'

The first is followed by a picture with its checkpoint and one without; the second is stopped by force. Prints what was
seen, a line each; the exit code is 0 if all of it is as it should be. A training takes minutes on a processor.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, Studio
from tests.chaos.studio import RealEngine, answers, ask, held_prompts, wait_until

STEPS, SEGMENTS, PICTURES, SIDE = 6, 3, 4, 256
PATIENCE = 1500.0  # seconds for a training on a processor
OWNER = """
from django.contrib.auth.models import User
from generation.previews.models import Probe
User.objects.create_superuser("ada", password="drawing-room-7")
Probe.objects.exclude(position=Probe.objects.order_by("position").first().position).update(active=False)
"""  # one test prompt: a sample picture takes a minute on a processor
SETTINGS = {
    "steps": STEPS, "segments": SEGMENTS, "resolution": SIDE, "rank": 4, "batch_size": 1, "learning_rate": 0.01,
    "dtype": "fp32",  # processors compute bf16 many times slower
}  # fmt: skip
LABELS = {
    "steps": "Steps", "segments": "Segments", "resolution": "Resolution", "rank": "Rank", "batch_size": "Batch size",
    "learning_rate": "Learning rate", "dtype": "Precision",
}  # fmt: skip


def options() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start", required=True, help="command that starts the one on {port}")
    parser.add_argument("--kill", required=True, help="command that kills the one on {port} with SIGKILL")
    parser.add_argument("--data", type=Path, help="data folder (default: a temporary one)")
    return parser.parse_args()


class Trial:
    """The engine, the studio, and what is wrong."""

    def __init__(self, told: argparse.Namespace, folder: Path) -> None:
        self.folder, self.problems = folder, list[str]()
        self.engine = RealEngine(told.port, told.start, told.kill, folder)
        self.studio = Studio(folder / "data", COMFYUI_URL=self.engine.url, COMFYUI_TIMEOUT="600")

    def run(self) -> bool:
        """All of it. Whether nothing is wrong."""
        self.engine.start()
        self.check("the engine answers", wait_until(lambda: answers(self.engine), 240, 1))
        self.studio.start()
        try:
            self.studio.manage("shell", "-c", OWNER)
            self._dataset()
            self._by_command()
            self._pictures()
            self._on_the_page()
        finally:
            self.studio.stop()
        print(f"{len(self.problems)} wrong, data in {self.folder}", flush=True)
        return not self.problems

    def check(self, what: str, holds: object) -> None:
        """Say whether it holds."""
        print("ok   " if holds else "WRONG", what, flush=True)
        if not holds:
            self.problems.append(what)

    def _dataset(self) -> None:
        source = self.folder / "pictures"
        source.mkdir()
        for number in range(PICTURES):
            across, down = np.mgrid[0:SIDE, 0:SIDE]
            colours = np.stack([across * (number + 1) % 256, down, np.full_like(down, 40 * number)], axis=-1)
            Image.fromarray(colours.astype(np.uint8)).save(source / f"{number}.png")
            (source / f"{number}.txt").write_text(f"embers painting, number {number}")
        self.studio.manage("import_dataset", str(source), "--name", "Embers")

    def _by_command(self) -> None:
        wishes = [word for name, value in SETTINGS.items() if name != "steps" for word in ("--set", f"{name}={value}")]
        order = ("train", "--dataset", "embers", "--style", "By command", "--preset", "quick", "--steps", str(STEPS))
        command = [sys.executable, "manage.py", *order, *wishes, "--wait", "--json"]
        process = subprocess.Popen(command, env=self.studio.environment, stdout=subprocess.PIPE, text=True)
        heard: list[dict[str, Any]] = []
        threading.Thread(target=_listen, args=(process, heard), daemon=True).start()
        self.check("the training begins", wait_until(lambda: _step(heard) >= 1, PATIENCE))
        self.studio.kill("manage.py worker")
        print("      the worker was killed at step", _step(heard), flush=True)
        self.check("it goes on after that", wait_until(lambda: _step(heard) >= STEPS // SEGMENTS + 1, PATIENCE))
        self.engine.kill()
        print("      the engine was killed at step", _step(heard), flush=True)
        time.sleep(3)
        self.engine.start()
        self.check("it ends with 0", _ended(process) == 0)
        last = heard[-1]
        self.check(f"all steps are done: {last.get('step')}, {last.get('status')}", last.get("step") == STEPS)
        self.check(f"checkpoints after {last.get('checkpoints')}", last.get("checkpoints") == [2, 4, 6])
        print(f"      {len(heard)} lines, the last: {json.dumps(last)}", flush=True)

    def _pictures(self) -> None:
        def make(name: str, *style: str) -> np.ndarray[Any, Any]:
            folder = self.folder / name
            order = ("generate", "--prompt", "embers painting, a hill", "--size", f"{SIDE}x{SIDE}", "--seed", "7")
            command = [sys.executable, "manage.py", *order, *style, "--output", str(folder)]
            subprocess.run(
                command, env=self.studio.environment, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE
            )
            with Image.open(next(folder.glob("*.png"))) as picture:
                return np.asarray(picture.convert("RGB"), float)

        apart = float(np.abs(make("styled", "--style", "by-command") - make("plain")).mean())
        self.check(f"the checkpoint changes a picture, by {apart:.2f} grey levels", apart > 0.05)

    def _on_the_page(self) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page()
            page.set_default_timeout(60_000)
            try:
                self._train_on(page)
            finally:
                page.screenshot(path=str(self.folder / "page.png"), full_page=True)
                browser.close()

    def _train_on(self, page: Page) -> None:
        page.goto(f"{self.studio.url}/sign-in/")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill("drawing-room-7")
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"{self.studio.url}/datasets/embers/")
        page.get_by_role("link", name="Train", exact=True).click()
        # Another version of the style that the command trained on this dataset is proposed.
        page.get_by_role("radio", name="Quick look").check()
        page.get_by_text("All settings").click()
        for name, label in LABELS.items():
            field = page.get_by_label(label, exact=True)
            field.select_option(str(SETTINGS[name])) if name == "dtype" else field.fill(str(SETTINGS[name]))
        page.get_by_role("button", name="Start training").click()
        page.wait_for_url(re.compile(r"/training/\d+/$"))
        progress = page.get_by_role("region", name="Progress")
        self.check("on the page it reaches step 3", _shows(progress.inner_text, r"Step [3-6] of 6"))
        self.studio.kill("manage.py worker")
        self.engine.kill()
        time.sleep(3)
        self.engine.start()
        said = f"{page.url}log/?all=1"
        goes_on = _shows(lambda: page.request.get(said).text(), "from step 2")
        self.check("it goes on from its checkpoint after both were killed", goes_on)
        page.get_by_text("It does not stop?").click()
        page.get_by_role("button", name="Force stop").click()
        # Stopped where it stood, or done if it was faster.
        self.check("it is stopped", _shows(progress.inner_text, r"(?i)stopped|cancelled|done"))
        print("      the page says:", " | ".join(progress.inner_text().splitlines()), flush=True)
        self.check("the engine has nothing of it left", wait_until(lambda: not held_prompts(self.engine), 120, 1))
        page.goto(f"{page.url}log/")
        print("      the log:", " | ".join(page.locator("main").inner_text().splitlines()[-14:]), flush=True)
        self.check("the engine still works", ask(f"{self.engine.url}/queue") is not None)


def _listen(process: subprocess.Popen[str], heard: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            heard.append(json.loads(line))


def _step(heard: list[dict[str, Any]]) -> int:
    return max((int(line.get("step", 0)) for line in heard), default=0)


def _ended(process: subprocess.Popen[str]) -> int | None:
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return None


def _shows(text: Callable[[], str], pattern: str) -> bool:
    """Whether the page comes to show it."""
    return wait_until(lambda: re.search(pattern, text()) is not None, PATIENCE, 1)


def main() -> None:
    """Try, tell, exit. The folder stays."""
    told = options()
    folder = (told.data or Path(tempfile.mkdtemp(prefix="real-training-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sys.exit(0 if Trial(told, folder).run() else 1)


if __name__ == "__main__":
    main()
