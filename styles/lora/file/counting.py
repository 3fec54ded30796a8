"""Takes the census of a LoRA: checks every number while it is hashed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from styles.lora.file.census import Census
from styles.lora.file.header import Header, Tensor


@dataclass(frozen=True, slots=True)
class _Format:
    """How to read a number's bits: without the sign bit, values from `limit` on are NaN or infinity."""

    kind: str
    sign_off: int
    limit: int | None


# From IEEE 754, and for 8-bit numbers from the OCP standard of 2023. The FNUZ formats have one NaN: minus zero.
_FORMATS = {
    "F16": _Format("<u2", 0x7FFF, 0x7C00),
    "BF16": _Format("<u2", 0x7FFF, 0x7F80),
    "F32": _Format("<u4", 0x7FFF_FFFF, 0x7F80_0000),
    "C64": _Format("<u4", 0x7FFF_FFFF, 0x7F80_0000),
    "F64": _Format("<u8", 0x7FFF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000),
    "F8_E4M3": _Format("u1", 0x7F, 0x7F),
    "F8_E5M2": _Format("u1", 0x7F, 0x7C),
    "F8_E8M0": _Format("u1", 0xFF, 0xFF),
}
_FNUZ = {"F8_E4M3FNUZ", "F8_E5M2FNUZ"}
_PLAIN = _Format("u1", 0xFF, None)  # integers, and formats of less than 8 bits: only checked for zero
_NAN_OF_FNUZ = b"\x80"
_BEGINNING = 64  # bytes; weights that are not zero nearly always differ within these


class Counter:
    """Consumes the tensors' bytes from first to last, in pieces of any length."""

    def __init__(self, header: Header) -> None:
        self._order = sorted(header.tensors.items(), key=lambda item: (item[1].start, item[1].end))
        self._next = 0  # index of the first tensor that has not ended yet
        self._position = 0  # offset of the next byte
        self._rest = b""  # of a number that was split between pieces
        self._zeros = {name for name, _tensor in self._order}
        self._broken = ""
        self._room: dict[str, NDArray[np.unsignedinteger]] = {}

    def see(self, piece: bytes) -> None:
        """Consume the next bytes."""
        data = self._rest + piece if self._rest else piece
        first = self._position - len(self._rest)
        self._position += len(piece)
        self._rest = b""
        run: list[tuple[str, Tensor]] = []
        at = self._next
        while at < len(self._order) and self._order[at][1].start < self._position:
            name, tensor = self._order[at]
            if run and run[-1][1].dtype != tensor.dtype:
                self._look(data, first, run)
                run = []
            run.append((name, tensor))
            if tensor.end > self._position:
                break
            at += 1
        self._next = at
        if run:
            self._look(data, first, run)

    def result(self) -> Census:
        """The result. Tensors without any number count as zero."""
        return Census(self._broken, frozenset(self._zeros))

    def _look(self, data: bytes, first: int, run: list[tuple[str, Tensor]]) -> None:
        """Check consecutive tensors of one format in `data`, whose first byte is at offset `first`."""
        dtype = run[0][1].dtype
        size = np.dtype(_FORMATS.get(dtype, _PLAIN).kind).itemsize
        start, end = max(run[0][1].start, first), min(run[-1][1].end, self._position)
        if cut := (end - start) % size:
            self._rest = data[-cut:]
            end -= cut
        for name, tensor in run:
            if name in self._zeros:
                low, high = max(tensor.start, start) - first, min(tensor.end, end) - first
                # Most differ in their first byte.
                if high > low and (data[low] & 0x7F or not self._is_zero(data, low, high, dtype)):
                    self._zeros.discard(name)
        if not self._broken and end > start and self._has_none(data, start - first, end - first, dtype):
            self._broken = next(
                name
                for name, tensor in run
                if self._has_none(data, max(tensor.start, start) - first, min(tensor.end, end) - first, dtype)
            )

    def _is_zero(self, data: bytes, low: int, high: int, dtype: str) -> bool:
        if data[low : min(high, low + _BEGINNING)].strip(b"\x00\x80"):
            return False
        return high == low or int(self._absolute(data, low, high, dtype).max()) == 0

    def _has_none(self, data: bytes, low: int, high: int, dtype: str) -> bool:
        """Whether there is NaN or infinity between the two offsets."""
        if dtype in _FNUZ:
            return data.find(_NAN_OF_FNUZ, low, high) >= 0
        limit = _FORMATS.get(dtype, _PLAIN).limit
        return limit is not None and high > low and int(self._absolute(data, low, high, dtype).max()) >= limit

    def _absolute(self, data: bytes, low: int, high: int, dtype: str) -> NDArray[np.unsignedinteger]:
        """The numbers' bits without their sign, in a buffer that is reused."""
        form = _FORMATS.get(dtype, _PLAIN)
        bits = np.frombuffer(data, form.kind, (high - low) // np.dtype(form.kind).itemsize, low)
        room = self._room.get(form.kind)
        if room is None or len(room) < len(bits):
            room = self._room[form.kind] = np.empty(len(bits), form.kind)
        here = room[: len(bits)]
        np.bitwise_and(bits, bits.dtype.type(form.sign_off), out=here)
        return here
