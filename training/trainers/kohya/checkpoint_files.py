"""What sd-scripts has saved: LoRA files and states, and whether they are complete."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from training.trainers.kohya.config import OUTPUT_NAME

_NAME = re.compile(rf"{OUTPUT_NAME}-step(\d{{8}})\.safetensors")
LAST = f"{OUTPUT_NAME}.safetensors"
LAST_STATE = f"{OUTPUT_NAME}-state"
MOST_HEADER = 100 * 2**20  # bytes
# Written in this order; the weights come first and the random states last.
_STATE_FILES = ("optimizer.bin", "scheduler.bin", "random_states_0.pkl")


@dataclass(frozen=True, slots=True)
class Saved:
    """A complete LoRA file after `step` steps of this start, and the folder of its state if that is complete too."""

    step: int
    file: Path
    state: Path | None


def state_name(step: int) -> str:
    """The folder in which the state of a step is saved."""
    return f"{OUTPUT_NAME}-step{step:08}-state"


def saved(output: Path, last_step: int) -> list[Saved]:
    """All complete files, by step. The file written at the very end belongs to `last_step`."""
    found: dict[int, Saved] = {}
    for file in sorted(output.glob("*.safetensors")):
        named = _NAME.fullmatch(file.name)
        if (named or file.name == LAST) and is_whole(file):
            step = int(named[1]) if named else last_step
            state = output / f"{file.stem}-state"
            one = Saved(step, file, state if is_whole_state(state) else None)
            # A last file that repeats the one of its step adds nothing, unless that one has lost its state.
            if step not in found or (found[step].state is None and one.state):
                found[step] = one
    return [found[step] for step in sorted(found)]


def is_whole(file: Path) -> bool:
    """Whether a safetensors file has all the bytes that its header promises."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > MOST_HEADER:
                return False
            header = json.loads(opened.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return bool(ends) and file.stat().st_size == 8 + length + max(ends)
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error):
        return False


def is_whole_state(folder: Path) -> bool:
    """Whether a training can be resumed from a saved state."""
    # torch writes zip files, whose table of contents comes last.
    return is_whole(folder / "model.safetensors") and all(zipfile.is_zipfile(folder / name) for name in _STATE_FILES)
