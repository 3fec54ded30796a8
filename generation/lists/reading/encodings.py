"""In which encoding a table is: those that today's spreadsheets write."""

from __future__ import annotations

import codecs
import re

BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SAMPLE = 200_000  # bytes that tell it
MOSTLY = 0.6
_FOUR = re.compile(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]")


def decode(data: bytes) -> str:
    """The text: UTF-8 and UTF-16 with and without a mark, else GB18030 or Windows-1252, whichever is likelier."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if encoding := _wide(data[:SAMPLE]):
        return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if _is_chinese(data[:SAMPLE]):
        return data.decode("gb18030", errors="replace")
    return data.decode("cp1252", errors="replace")


def _wide(data: bytes) -> str:
    """UTF-16 without a mark, by the empty half of its tabs, commas and line breaks; "" if it is none."""
    for encoding, ends in (("utf-16-le", (b"\t\0", b"\n\0", b",\0")), ("utf-16-be", (b"\0\t", b"\0\n", b"\0,"))):
        start = any(data[at : at + 2] in ends for at in range(0, min(len(data), 2_000) - 1, 2))
        if start and len(data) % 2 == 0:
            return encoding
    return ""


def _is_chinese(data: bytes) -> bool:
    """Whether most bytes beyond ASCII are pairs of the common characters, or of Chinese punctuation.

    Letters of Western languages seldom stand together, and their pairs are rare characters: "öß" would be one.
    """
    at = high = paired = 0
    while at < len(data):
        if data[at] < 0x80:
            at += 1
            continue
        follows = data[at + 1] if at + 1 < len(data) else 0
        if 0x30 <= follows <= 0x39 and _FOUR.match(data, at):  # what GBK has not: other letters, emoji
            high, paired, at = high + 4, paired + 4, at + 4
            continue
        if (0xB0 <= data[at] <= 0xD7 or 0xA1 <= data[at] <= 0xA3) and follows >= 0xA1:
            high, paired, at = high + 2, paired + 2, at + 2
        elif 0x81 <= data[at] <= 0xFE and follows >= 0x40:  # a rarer character, or a letter before another
            high, at = high + 2, at + 2
        else:
            high, at = high + 1, at + 1
    return bool(high) and paired / high >= MOSTLY
