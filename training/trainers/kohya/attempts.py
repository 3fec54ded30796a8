"""The starts of sd-scripts in one training's folder, and how far each was followed: what survives the worker."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "starts"
_FILE = "start.json"


@dataclass(slots=True)
class Attempt:
    """One start of sd-scripts. It counts its steps from 0; `first_step` were done before."""

    folder: Path
    first_step: int
    logged: int = 0  # bytes of its output whose lines are in the log of the training
    over: bool = False  # its end has been handled

    def save(self) -> None:
        """Write it to disk."""
        facts = asdict(self)
        del facts["folder"]
        aside = self.folder / f"{_FILE}.new"
        aside.write_text(json.dumps(facts))
        aside.replace(self.folder / _FILE)


def newest(training: Path) -> Attempt | None:
    """The last start; None before the first."""
    found = sorted((training / FOLDER).glob(f"*/{_FILE}"))
    return Attempt(found[-1].parent, **json.loads(found[-1].read_text())) if found else None


def begin(training: Path, first_step: int) -> Attempt:
    """Create the folder of another start."""
    numbers = [int(folder.name) for folder in (training / FOLDER).glob("[0-9]*")]
    folder = training / FOLDER / f"{max(numbers, default=0) + 1:04}"
    folder.mkdir(parents=True)
    return Attempt(folder, first_step)
