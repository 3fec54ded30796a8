"""Parses what sd-scripts prints: the progress bar of its steps, its messages, and why it ended."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stylestudio.comfy.memory import says_memory_ran_out

_STEP = re.compile(r"^steps:\s*\d+%\|[^|]*\|\s*(?P<step>\d+)/(?P<total>\d+)\s*\[(?P<rest>[^\]]*)")
_LOSS = re.compile(r"\bavr_loss=(?P<loss>[^,\s\]]+)")
_BAR = re.compile(r"\d+%\|[^|]*\|\s*(?P<done>\d+)/(?P<total>\d+)\s*\[")
_BATCHES = re.compile(r"num batches per epoch\b.*:\s*(?P<count>\d+)\s*$")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
MOST_LINE = 2000  # characters of a line that are stored


@dataclass(frozen=True, slots=True)
class Step:
    """`step` of `total` is done; `loss` is the average shown by the bar, None if it does not show one yet."""

    step: int
    total: int
    loss: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """Another progress bar, before the first step: pictures are read and encoded."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Batches:
    """The number of batches per epoch."""

    count: int


@dataclass(frozen=True, slots=True)
class Line:
    """Anything else."""

    text: str


Event = Step | Bar | Batches | Line


def read(data: bytes, *, final: bool = False) -> tuple[list[Event], int]:
    """The events in the complete lines of `data`, and how many bytes those are. A bar's line ends with a carriage
    return.

    With `final` the last line counts even without a line end.
    """
    end = len(data) if final else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    events: list[Event] = []
    for raw in re.split(rb"[\r\n]+", data[:end]):
        text = _ESCAPES.sub("", raw.decode("utf-8", "replace")).strip()
        if text:
            events += _events(text[:MOST_LINE])
    return events, end


def _events(text: str) -> Iterator[Event]:
    if found := _STEP.match(text):
        yield Step(int(found["step"]), int(found["total"]), _loss(found["rest"]))
    elif found := _BAR.search(text):
        yield Bar(int(found["done"]), int(found["total"]))
    else:
        if found := _BATCHES.search(text):
            yield Batches(int(found["count"]))
        yield Line(text)


def _loss(rest: str) -> float | None:
    found = _LOSS.search(rest)
    if found is None:
        return None
    try:
        return float(found["loss"])
    except ValueError:
        return math.nan


# In this order, after out of memory: that or the disk causes what follows.
_CAUSES: Sequence[tuple[str, re.Pattern[str]]] = (
    ("storage", re.compile(r"No space left on device|Disk quota exceeded", re.I)),
    ("black_pictures", re.compile(r"NaN detected in latents")),
    ("no_package", re.compile(r"ModuleNotFoundError|^ImportError|No module named")),
    ("no_gpu", re.compile(r"no CUDA-capable device|Torch not compiled with CUDA|requires a GPU|NVIDIA driver", re.I)),
    ("bad_pictures", re.compile(r"UnidentifiedImageError|image file is truncated|cannot identify image file")),
    ("no_tokenizer", re.compile(r"Can't load tokenizer|couldn't connect to 'https://huggingface\.co'")),
    ("no_file", re.compile(r"FileNotFoundError|No such file or directory|config\.toml not found")),
    ("bad_options", re.compile(r"error: (unrecognized arguments|argument |the following arguments)|voluptuous\.error")),
)  # fmt: skip
_PYTHON_ERROR = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit)\b(:|$)")
# Its launcher reports every failure as a failed command.
_LAUNCHER = re.compile(r"CalledProcessError")
_KILLED = re.compile(r"SIGKILL: 9")


def cause(lines: Sequence[str], code: int | None) -> tuple[str, str]:
    """Why it failed: a kind of `faults`, and the line that says so. `code`: its exit status, None if unknown."""
    if said := next((line for line in reversed(lines) if says_memory_ran_out(line)), None):
        return "out_of_memory", said
    for kind, pattern in _CAUSES:
        for line in reversed(lines):
            if pattern.search(line):
                return kind, line
    if code == 137 or any(_KILLED.search(line) for line in lines[-5:]):
        return "killed", f"It was killed from outside (status {code})."
    for line in reversed(lines):
        if _PYTHON_ERROR.match(line) and not _LAUNCHER.search(line):
            return "trainer", line
    last = lines[-1] if lines else "It said nothing."
    return "trainer", last if code in (None, 0) else f"{last} (status {code})"
