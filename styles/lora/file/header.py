"""Parsing the header of a safetensors file, which may be hostile. Tensor data is never read here."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from typing import IO, Any

from django.utils.translation import gettext

from styles.lora.file.long_text import LongText

# The format's own limit. Tag counts of 2,000 pictures with long captions take 4 MB, in Chinese twice that.
MOST_HEADER = 100_000_000
# A LoHa of every layer of SDXL, fully decomposed, has fewer than 9,000.
MOST_TENSORS = 200_000
MOST_METADATA = 2_000  # entries; real files have about 100
MOST_NAME = 512  # bytes of a tensor's name, or of a metadata key
MOST_NAMES = 32 * 2**20  # bytes of all names together
# Longer texts stay in the file's own encoding, and so do shorter ones beyond this total. Text may take four bytes in
# memory for one in the file.
LONG_TEXT = 256 * 2**10
MOST_SHORT_TEXTS = 8 * 2**20
MOST_DEPTH = 64  # of nested brackets
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

_SPACE = re.compile(rb"[ \t\n\r]*+")
# A JSON string without lone surrogates. Matches without backtracking.
_STRING = re.compile(
    rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]'
    rb"|u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?![dD][89a-fA-F])[0-9a-fA-F]{4}))"
    rb'[^"\\\x00-\x1f]*+)*+"'
)
# A tensor in the form in which the format's own libraries write it; other forms are parsed more slowly.
_USUAL = re.compile(
    rb'\{"dtype":"([A-Z0-9_]{2,12})","shape":\[((?:NUMBER(?:,NUMBER){0,7})?)\],"data_offsets":\[(NUMBER),(NUMBER)\]\}'.replace(
        b"NUMBER", rb"(?:0|[1-9]\d{0,17})"
    )
)
# The description of one tensor has no braces inside. Cutting it out first limits what the JSON parser can be made to
# build.
_FLAT = re.compile(rb"\{[^{}]{2,1024}\}")
_BRACKET = re.compile(rb"[\[\]{}]")


class BadLora(ValueError):
    """The file cannot be used. The text is a translated sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `start` and `end` are byte offsets from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A validated header: every byte after it belongs to exactly one tensor.

    `tensors` and `metadata` are in file order. `data_start` and `size` are bytes of the whole file. Long texts are in
    `long_texts` instead of `metadata`.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    data_start: int
    size: int
    long_texts: dict[str, LongText] = field(default_factory=dict)


def read_header(file: IO[bytes]) -> Header:
    """Read the header of `file`, which must be seekable. Raises BadLora with the reason."""
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
        raise BadLora(text % {"limit": MOST_HEADER // 10**6})
    if length > size - 8:
        raise _cut_off()
    file.seek(8)
    parser = _parsed(file.read(length))
    data_start = 8 + length
    _check_coverage(parser.tensors, size - data_start)
    return Header(parser.tensors, parser.metadata, data_start, size, parser.long_texts)


def _parsed(data: bytes) -> _Parser:
    if len(data) < 2:
        raise _broken()
    parser = _Parser(data)
    try:
        parser.read()
    except BadLora:
        raise
    except (ValueError, RecursionError) as error:
        raise _broken() from error
    return parser


class _Parser:
    """Parses only the few forms of JSON a header may have, so that nesting cannot grow."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.tensors: dict[str, Tensor] = {}
        self.metadata: dict[str, str] = {}
        self.long_texts: dict[str, LongText] = {}
        self._names = self._short_texts = 0  # bytes so far

    def read(self) -> None:
        """Fill `tensors`, `metadata` and `long_texts`. Raises BadLora or ValueError if the header is broken or too
        large.
        """
        for name in self.names(self.tensors):
            if name == "__metadata__":
                for key in self.names(self.metadata, self.long_texts):
                    self.text(key)
                continue
            if len(self.tensors) == MOST_TENSORS or self._names > MOST_NAMES:
                raise BadLora(gettext("This file has more weights, or longer names, than any LoRA for SDXL."))
            self.tensors[name] = self.tensor()
        self.skip_space()
        if self.at != len(self.data):
            raise _broken()

    def names(self, *seen: Container[str]) -> Iterator[str]:
        """Yield the names in the object that starts here.

        The caller must consume each value before the next name, and add its name to one of `seen`.
        """
        met_metadata = False
        self.expect(b"{")
        if self.accept(b"}"):
            return
        while True:
            name = self.name()
            if any(name in one for one in seen) or (met_metadata and name == "__metadata__"):
                raise BadLora(gettext("The header of this file names the same thing twice. The file is broken."))
            met_metadata |= name == "__metadata__"
            self.expect(b":")
            yield name
            if self.accept(b"}"):
                return
            self.expect(b",")

    def name(self) -> str:
        """Parse the short string that starts here."""
        raw = self.string()
        if len(raw) - 2 > MOST_NAME:
            raise BadLora(gettext("This file has more weights, or longer names, than any LoRA for SDXL."))
        self._names += len(raw)
        return _unescaped(raw)

    def text(self, key: str) -> None:
        """Store the string that starts here as the text of `key`."""
        if len(self.metadata) + len(self.long_texts) == MOST_METADATA:
            raise BadLora(gettext("This file has more metadata than any LoRA needs."))
        raw = self.string()
        if len(raw) <= LONG_TEXT and self._short_texts + len(raw) <= MOST_SHORT_TEXTS:
            self._short_texts += len(raw)
            self.metadata[key] = _unescaped(raw)
            return
        self.long_texts[key] = LongText(raw)
        self.long_texts[key].check()

    def string(self) -> memoryview:
        """The string that starts here, in the file's own encoding."""
        self.skip_space()
        found = _STRING.match(self.data, self.at)
        if found is None:
            raise self.no_string()
        self.at = found.end()
        return memoryview(self.data)[found.start() : found.end()]

    def tensor(self) -> Tensor:
        self.skip_space()
        if usual := _USUAL.match(self.data, self.at):
            self.at = usual.end()
            shape = [int(side) for side in usual[2].split(b",")] if usual[2] else []
            return _checked(usual[1].decode(), shape, [int(usual[3]), int(usual[4])])
        flat = _FLAT.match(self.data, self.at)
        if flat is None:
            raise self.no_string()
        self.at = flat.end()
        pairs = json.loads(flat.group().decode(), object_pairs_hook=list)
        if sorted(name for name, _value in pairs) != ["data_offsets", "dtype", "shape"]:
            raise _broken()
        return _checked(**dict(pairs))

    def no_string(self) -> BadLora:
        """The error if neither a string nor a tensor starts here."""
        depth = 1  # the header itself
        for bracket in islice(_BRACKET.finditer(self.data, self.at), 10_000):
            depth += 1 if bracket.group() in b"[{" else -1
            if depth > MOST_DEPTH:
                text = gettext("The header of this file nests deeper than %(limit)d levels. It was made to do harm.")
                return BadLora(text % {"limit": MOST_DEPTH})
            if depth <= 0:
                break
        return _broken()

    def expect(self, mark: bytes) -> None:
        if not self.accept(mark):
            raise _broken()

    def accept(self, mark: bytes) -> bool:
        self.skip_space()
        found = self.data.startswith(mark, self.at)
        self.at += found
        return found

    def skip_space(self) -> None:
        space = _SPACE.match(self.data, self.at)
        assert space is not None
        self.at = space.end()


def _unescaped(raw: memoryview) -> str:
    token = bytes(raw)
    return str(json.loads(token.decode())) if b"\\" in token else token[1:-1].decode()


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
    """Whether this is a list of integers from 0 up to but excluding `below`; True and False do not count."""
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
    """A sentence about a file that is not safetensors, from its first bytes."""
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
