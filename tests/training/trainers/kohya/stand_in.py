"""Stands in for accelerate and sd-scripts: prints and writes what they do, in their order, without learning anything.

    stand_in.py launch [options] SCRIPT --config_file FILE    starts the next as its child, as accelerate does
    stand_in.py train SCRIPT --config_file FILE

What happens is in `script.json` beside SCRIPT: {"batches": of an epoch, "hold": step, "at": step, "trouble": name}.
With "hold" it waits before that step until a file `go` appears there.
"""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

PICTURE_BAR = "{percent:3}%|{bar}| {done}/{total} [00:00<00:00, 39290.90it/s]"
STEP_BAR = "\rsteps: {percent:3}%|{bar}| {done}/{total} [00:0{done}<00:09,  1.03s/it{more}]"
OUT_OF_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 7.79 GiB of"
    " which 12.38 MiB is free."
)


def launch(arguments: list[str]) -> int:
    """As accelerate: run it as a child, and say of a failure that the command failed."""
    at = next(place for place, word in enumerate(arguments) if word.endswith(".py"))
    command = [sys.executable, __file__, "train", *arguments[at:]]
    child = subprocess.Popen(command)
    code = child.wait()
    if code:
        how = "died with <Signals.SIGKILL: 9>" if code == -9 else f"returned non-zero exit status {code}"
        print("Traceback (most recent call last):", file=sys.stderr)
        print(f"subprocess.CalledProcessError: Command '{command}' {how}.", file=sys.stderr)
        return 1
    return 0


def train(arguments: list[str]) -> int:
    """As sdxl_train_network.py."""
    home = Path(arguments[0]).parent
    script = json.loads((home / "script.json").read_text())
    (home / "pids").open("a").write(f"{os.getpid()}\n")
    told = tomllib.loads(Path(arguments[arguments.index("--config_file") + 1]).read_text(encoding="utf-8"))
    data = tomllib.loads(Path(told["dataset_config"]).read_text(encoding="utf-8"))
    folder = Path(data["datasets"][0]["subsets"][0]["image_dir"])
    pictures = sorted(folder.glob("*.png"))
    print(f"Loading settings from {arguments[-1]}...")
    print("loading image sizes.")
    for done in range(len(pictures) + 1):
        bar = PICTURE_BAR.format(percent=100 * done // len(pictures), bar="█" * done, done=done, total=len(pictures))
        print(f"\r{bar}", end="", file=sys.stderr)
    print(file=sys.stderr)
    time.sleep(script.get("wait", 0))
    total, batches = told["max_train_steps"], script.get("batches", 4)
    accumulation = told["gradient_accumulation_steps"]
    print("running training / 学習開始")
    print(f"  num batches per epoch / 1epochのバッチ数: {batches}")
    print(f"  total optimization steps / 学習ステップ数: {total}")
    output = Path(told["output_dir"])
    output.mkdir(parents=True, exist_ok=True)
    events = Path(told["logging_dir"]) / "20260101000000" / "network_train"
    events.mkdir(parents=True)
    with (events / "events.out.tfevents.1.here").open("ab", buffering=0) as log:
        log.write(record(0, {"other": 1.0}))
        for step in range(1, total + 1):
            if script.get("hold") == step:
                while not (home / "go").exists():
                    time.sleep(0.01)
            if script.get("at") == step and (code := trouble(script["trouble"])):
                return code
            for batch in range(accumulation):
                print(
                    STEP_BAR.format(percent=100 * step // total, bar="█", done=step, total=total, more=""),
                    end="",
                    file=sys.stderr,
                )
                if batch == accumulation - 1 and step % told["save_every_n_steps"] == 0:
                    save(output / f"style-step{step:08}", step, script)
                loss = math.nan if step >= script.get("nan_from", total + 1) else 1 / (step + batch)
                more = f", avr_loss={loss:.3g}"
                print(
                    STEP_BAR.format(percent=100 * step // total, bar="█", done=step, total=total, more=more),
                    end="",
                    file=sys.stderr,
                )
                if not script.get("no_events"):
                    log.write(
                        record(step if batch == accumulation - 1 else step - 1, {"loss/current": loss, "lr/unet": 1e-4})
                    )
            time.sleep(script.get("pause", 0))
    save(output / "style", total, script)
    print("model saved.")
    return 0


def save(stem: Path, step: int, script: dict[str, Any]) -> None:
    """A LoRA and its state, in the order of sd-scripts: at the end the state comes first, else last."""
    file = stem.with_name(f"{stem.name}.safetensors")
    print(f"\nsaving checkpoint: {file}")
    write_lora(file, step)
    if script.get("state", True):
        state = stem.with_name(f"{stem.name}-state")
        state.mkdir()
        (state / "train_state.json").write_text(json.dumps({"current_epoch": 1, "current_step": step}))
        write_lora(state / "model.safetensors", step)
        for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
            with zipfile.ZipFile(state / name, "w") as archive:
                archive.writestr("data", b"x")


def write_lora(file: Path, step: int) -> None:
    """A small one in kohya's layout."""
    stem = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    shapes = {f"{stem}.lora_down.weight": [4, 2048], f"{stem}.lora_up.weight": [640, 4], f"{stem}.alpha": []}
    header: dict[str, Any] = {"__metadata__": {"ss_steps": str(step)}}
    data = b""
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + size]}
        data += struct.pack("<f", step) * (size // 4)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def record(step: int, values: dict[str, float]) -> bytes:
    """One record of a TensorBoard file."""
    summary = b""
    for tag, value in values.items():
        name = tag.encode()
        entry = b"\x0a" + bytes([len(name)]) + name + b"\x15" + struct.pack("<f", value)
        summary += b"\x0a" + bytes([len(entry)]) + entry
    number = step
    varint = b""
    while True:
        number, low = number >> 7, number & 127
        varint += bytes([low | (128 if number else 0)])
        if not number:
            break
    message = b"\x09" + struct.pack("<d", 0.0) + b"\x10" + varint + b"\x2a" + bytes([len(summary)]) + summary
    return struct.pack("<Q", len(message)) + bytes(4) + message + bytes(4)


def trouble(name: str) -> int:
    """The exit status, after the last words."""
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return 0
    words = {
        "out_of_memory": OUT_OF_MEMORY,
        "crash": "RuntimeError: mat1 and mat2 shapes cannot be multiplied (77x768 and 2048x640)",
        "bad_picture": "Error loading file: dataset/10_x/0002.png\nOSError: image file is truncated (5 bytes left)",
        "disk": "OSError: [Errno 28] No space left on device",
        "options": "sdxl_train_network.py: error: unrecognized arguments: --colour",
    }[name]
    print(f'\nTraceback (most recent call last):\n  File "train_network.py", line 1\n{words}', file=sys.stderr)
    return 2 if name == "options" else 1


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit({"launch": launch, "train": train}[sys.argv[1]](sys.argv[2:]))
