"""The header of a safetensors file, read as if an enemy had written it. Tensor data is never read here."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import IO, Any

from django.utils.translation import gettext

# Headers of real LoRAs are below 2 MB: 3,000 tensors take half of one, captions and a thumbnail the rest. Text may take
# four bytes in memory for one in the file, and is held twice for a moment, so this keeps any header below 50 MB.
MOST_HEADER = 4 * 2**20
# A LoHa of every layer of SDXL, decomposed all the way, has fewer than 9,000.
MOST_TENSORS = 12_000
MOST_METADATA = 2_000  # entries; real files have about 100
MOST_NAME = 512  # characters of a tensor's name
MOST_DIMENSIONS = 8
MOST_SIDE = 2**40  # of one dimension

BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}

_SPACE = re.compile(r"[ \t\n\r]*")
# The description of one tensor has no braces inside. Cutting it out first bounds what the parser can be made to build.
_FLAT = re.compile(r"\{[^{}]{2,1024}\}")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DECODER = json.JSONDecoder()


class BadLora(ValueError):
    """The file cannot be used. The text is a translated sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `start` and `end` are bytes, counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was found sound: every byte after it belongs to exactly one tensor.

    `tensors` and `metadata` keep the order of the file. `data_start` and `size` are bytes of the whole file.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    data_start: int
    size: int


def read_header(file: IO[bytes]) -> Header:
    """The header of `file`, which must be seekable. BadLora says why a file is refused."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    first = file.read(64)
    if not first:
        raise BadLora(gettext("This file is empty. Copy or download it again."))
    if first[8:9] != b"{":
        raise BadLora(_what_it_is(first))
    length = int.from_bytes(first[:8], "little")
    if length > MOST_HEADER:
        text = gettext("The header of this file says it is larger than %(limit)d MB. No LoRA needs that.")
        raise BadLora(text % {"limit": MOST_HEADER // 2**20})
    if length > size - 8:
        raise _cut_off()
    file.seek(8)
    tensors, metadata = _parsed(file, length)
    data_start = 8 + length
    _check_coverage(tensors, size - data_start)
    return Header(tensors, metadata, data_start, size)


def _parsed(file: IO[bytes], length: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        # The bytes are let go before the text is taken apart.
        parser = _Parser(file.read(length).decode())
        return parser.header()
    except BadLora:
        raise
    except (ValueError, RecursionError) as error:
        raise _broken() from error


class _Parser:
    """Reads the few forms of JSON that a header may have, and nothing else, so that nesting cannot grow."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def header(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        tensors: dict[str, Tensor] = {}
        metadata: dict[str, str] = {}
        for name in self.names():
            if name == "__metadata__":
                for key in self.names():
                    metadata[key] = self.string()
                    if len(metadata) > MOST_METADATA:
                        raise BadLora(gettext("This file has more metadata than any LoRA needs."))
                continue
            if len(tensors) == MOST_TENSORS or len(name) > MOST_NAME:
                raise BadLora(gettext("This file has more weights, or longer names, than any LoRA for SDXL."))
            tensors[name] = self.tensor()
        self.skip_space()
        if self.at != len(self.text):
            raise _broken()
        return tensors, metadata

    def names(self) -> Iterator[str]:
        """The names in the object that begins here; before it is asked for the next, the value must be consumed."""
        seen: set[str] = set()
        self.expect("{")
        if self.accept("}"):
            return
        while True:
            name = self.string()
            if name in seen:
                raise BadLora(gettext("The header of this file names the same thing twice. The file is broken."))
            seen.add(name)
            self.expect(":")
            yield name
            if self.accept("}"):
                return
            self.expect(",")

    def string(self) -> str:
        self.skip_space()
        if self.text[self.at : self.at + 1] != '"':
            raise _broken()
        text, self.at = _DECODER.raw_decode(self.text, self.at)
        if not isinstance(text, str) or _LONE_SURROGATE.search(text):
            raise _broken()
        return text

    def tensor(self) -> Tensor:
        self.skip_space()
        flat = _FLAT.match(self.text, self.at)
        if flat is None:
            raise _broken()
        self.at = flat.end()
        pairs = json.loads(flat.group(), object_pairs_hook=list)
        if sorted(name for name, _value in pairs) != ["data_offsets", "dtype", "shape"]:
            raise _broken()
        return _checked(**dict(pairs))

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise _broken()

    def accept(self, mark: str) -> bool:
        self.skip_space()
        found = self.text.startswith(mark, self.at)
        self.at += found
        return found

    def skip_space(self) -> None:
        space = _SPACE.match(self.text, self.at)
        assert space is not None
        self.at = space.end()


def _checked(dtype: Any, shape: Any, data_offsets: Any) -> Tensor:
    if not isinstance(dtype, str) or dtype not in BITS:
        raise BadLora(gettext("This file uses a number format that is not known here."))
    if not _whole(shape, MOST_SIDE) or len(shape) > MOST_DIMENSIONS or not _whole(data_offsets, 2**63):
        raise _broken()
    if len(data_offsets) != 2:
        raise _broken()
    start, end = data_offsets
    if (end - start) * 8 != prod(shape) * BITS[dtype]:
        raise BadLora(gettext("The header of this file gives a weight another size than its data has. It is broken."))
    return Tensor(dtype, tuple(shape), start, end)


def _whole(numbers: Any, below: int) -> bool:
    """Whether it is a list of integers from 0 up to `below`; True and False are not."""
    return isinstance(numbers, list) and all(type(number) is int and 0 <= number < below for number in numbers)


def _check_coverage(tensors: dict[str, Tensor], size: int) -> None:
    if not tensors:
        raise BadLora(gettext("This file holds no weights."))
    position = 0
    for start, end in sorted((tensor.start, tensor.end) for tensor in tensors.values()):
        if start < position:
            raise BadLora(gettext("Weights overlap in this file. It is broken, or was made to do harm."))
        if start > position:
            raise BadLora(gettext("This file has gaps between its weights. It is broken, or was made to do harm."))
        position = end
    if position > size:
        raise _cut_off()
    if position < size:
        raise BadLora(gettext("This file has data after its last weight. It is broken, or was made to do harm."))


def _cut_off() -> BadLora:
    return BadLora(gettext("This file is not complete. Copy or download it again."))


def _broken() -> BadLora:
    return BadLora(gettext("The header of this file is broken. Copy or download it again."))


def _what_it_is(first: bytes) -> str:
    """A sentence about a file that is no safetensors file, by its first bytes."""
    text = first.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if first.startswith(b"PK") or (first[0] == 0x80 and first[1:2] <= b"\x05"):
        return gettext(
            "This is a .pt, .ckpt or zip file, whatever its name says. Such files can run programs, so they are never "
            "opened. Get the LoRA as .safetensors."
        )
    if first.startswith(b"GGUF"):
        return gettext("This is a GGUF model, not a LoRA. Get the LoRA as .safetensors.")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return gettext("This is a web page, not a LoRA. The download probably asked for a login; download it again.")
    if text.startswith(b"version https://git-lfs"):
        return gettext("This is only a pointer of Git LFS. Download the file that it points to.")
    return gettext("This is not a safetensors file.")
