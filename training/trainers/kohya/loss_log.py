"""Reads the raw losses from sd-scripts' log folder. Its printed loss is an average over an epoch.

The files are TensorBoard's: records of a length (8 bytes), its checksum (4), a protobuf message, and its checksum (4).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TAG = "loss/current"
MOST_RECORD = 2**20  # bytes; ours have about a hundred
MOST_GAP = 1000  # steps without a record; more means a damaged one
_HEADER, _FOOTER = 12, 4


@dataclass(slots=True)
class Losses:
    """The mean loss of each step of one attempt, read incrementally."""

    folder: Path
    step: int = 0  # the last one returned
    _read: dict[Path, int] = field(default_factory=dict)  # bytes of each file
    _pending: list[float] = field(default_factory=list)  # of batches that belong to the next step

    def new(self) -> list[float]:
        """The losses of the steps after `step`, consecutive. With accumulation several batches make one."""
        means: list[float] = []
        for file in sorted(self.folder.rglob("events.out.tfevents.*")):
            for step, value in self._values(file):
                self._pending.append(value)
                # A batch is logged with the number of completed steps, so the one that completes a step is the first
                # with it.
                if self.step < step <= self.step + MOST_GAP:
                    means += [math.fsum(self._pending) / len(self._pending)] * (step - self.step)
                    self.step, self._pending = step, []
        return means

    def _values(self, file: Path) -> Iterator[tuple[int, float]]:
        with file.open("rb") as opened:
            opened.seek(self._read.get(file, 0))
            data = opened.read()
        at = 0
        while at + _HEADER <= len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            end = at + _HEADER + length + _FOOTER
            if length > MOST_RECORD or end > len(data):
                break
            yield from _scalars(data[at + _HEADER : end - _FOOTER])
            at = end
        self._read[file] = self._read.get(file, 0) + at


def _scalars(event: bytes) -> Iterator[tuple[int, float]]:
    """(step, value) of our tag in one record: Event{step=2, summary=5{value=1{tag=1, simple_value=2}}}."""
    step, found = 0, []
    for number, value in _fields(event):
        if number == 2 and isinstance(value, int):
            step = value
        elif number == 5 and isinstance(value, bytes):
            for _number, entry in _fields(value):
                parts = dict(_fields(entry)) if isinstance(entry, bytes) else {}
                raw = parts.get(2)
                if parts.get(1) == TAG.encode() and isinstance(raw, bytes) and len(raw) == 4:
                    found.append(struct.unpack("<f", raw)[0])
    for value in found:
        yield step, value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of a protobuf message; stops at damaged data."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            return
        if at + length > len(message):
            return
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    return value, at
