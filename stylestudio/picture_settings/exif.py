"""Texts in EXIF and XMP, under the names that PNG files use for them.

EXIF is read here and not by Pillow, which copies the value of every tag: 65,000 tags that all point to the same ten
megabytes would be more than any machine has.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Iterator

MOST_TAGS = 500
_USER_COMMENT, _MAKER_NOTE, _SOFTWARE, _EXIF_POINTER, _WINDOWS = 0x9286, 0x927C, 0x0131, 0x8769, 0x9C9C
# ComfyUI counts down from Make (0x10f) for what it writes beside the graph, which is in Model (0x110); other nodes for
# it begin at ImageDescription.
_LABELLED_TAGS = range(0x0100, 0x0111)
_DESCRIPTION = 0x010E
_LABEL = re.compile(r"\s*(prompt|workflow|parameters):\s*", re.IGNORECASE)
_CHARSETS = {b"ASCII\0\0\0": "", b"UNICODE\0": "utf-16-be", bytes(8): "", b"JIS\0\0\0\0\0": "euc_jp"}
_PLAIN = {1, 2, 7}  # BYTE, ASCII, UNDEFINED
_LONGEST_XMP = 2**20  # bytes


def plain_text(data: bytes) -> str:
    """UTF-8, which many write where the format says Latin-1, or else that."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def texts_of(data: bytes) -> dict[str, str]:
    """The texts in a block of EXIF, which begins with its byte order. Raises nothing."""
    found: dict[str, str] = {}
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return found
    outer = dict(_tags(data, order, struct.unpack(f"{order}I", data[4:8])[0]))
    inner = {}
    if (pointer := outer.get(_EXIF_POINTER)) and len(pointer) == 4:
        inner = dict(_tags(data, order, struct.unpack(f"{order}I", pointer)[0]))
    # Fooocus writes it among the tags of the picture, where it does not belong.
    if comment := _comment(inner.get(_USER_COMMENT) or outer.get(_USER_COMMENT) or b""):
        found["usercomment"] = comment
    if scheme := plain_text(outer.get(_MAKER_NOTE, b"")).strip("\0 "):
        found["makernote"] = scheme
    if software := plain_text(outer.get(_SOFTWARE, b"")).strip("\0 "):
        found["software"] = software
    for tag in sorted(outer.keys() & set(_LABELLED_TAGS), reverse=True):
        text = plain_text(outer[tag]).strip("\0 ")
        if label := _LABEL.match(text):
            found.setdefault(label[1].lower(), text[label.end() :])
        elif tag == _DESCRIPTION and text:
            found["description"] = text
    if note := outer.get(_WINDOWS, b"").decode("utf-16-le", "replace").strip("\0 "):
        found.setdefault("description", note)
    return found


def _tags(data: bytes, order: str, place: int) -> Iterator[tuple[int, bytes]]:
    """The tags of a directory that may hold a text, and pointers, with their bytes."""
    if not 0 < place <= len(data) - 2:
        return
    (count,) = struct.unpack(f"{order}H", data[place : place + 2])
    # Each once: hundreds that point to the same megabytes would be copied as often.
    wanted = {_USER_COMMENT, _MAKER_NOTE, _SOFTWARE, _EXIF_POINTER, _WINDOWS, *_LABELLED_TAGS}
    for number in range(min(count, MOST_TAGS)):
        entry = data[place + 2 + 12 * number : place + 14 + 12 * number]
        if len(entry) < 12:
            return
        tag, kind, length, where = struct.unpack(f"{order}HHII", entry)
        if tag not in wanted:
            continue
        if tag == _EXIF_POINTER:
            wanted.discard(tag)
            yield tag, entry[8:12]
        elif kind in _PLAIN:
            wanted.discard(tag)
            yield tag, entry[8 : 8 + length] if length <= 4 else data[where : where + length]


def _comment(data: bytes) -> str:
    """Decode EXIF's UserComment, which begins with the name of its character set, or should."""
    charset = _CHARSETS.get(data[:8])
    if charset is None:
        return plain_text(data).strip("\0 ")
    text = data[8:]
    if charset == "utf-16-be":
        # The order of bytes is that of the machine for some, and of the file for others.
        if text[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            charset = "utf-16"
        elif text[1::2].count(0) > text[::2].count(0):
            charset = "utf-16-le"
    return (text.decode(charset, "replace") if charset else plain_text(text)).strip("\0 ")


def texts_of_xmp(data: bytes) -> dict[str, str]:
    """The description and the comment in an XMP packet of at most 1 MB."""
    packet, found = data[:_LONGEST_XMP].decode("utf-8", "replace"), {}
    for name, element in (("usercomment", "exif:UserComment"), ("description", "dc:description")):
        if inner := _inside(packet, element):
            found[name] = html.unescape(re.sub(r"<[^<>]*>", " ", inner)).strip()
    return found


def _inside(packet: str, element: str) -> str:
    """What is in the first element of this name, or in the attribute; found without going back and forth."""
    if (start := packet.find(f"<{element}")) >= 0:
        begin = packet.find(">", start) + 1
        end = packet.find(f"</{element}>", begin)
        if begin and end >= 0:
            return packet[begin:end]
    if (start := packet.find(f'{element}="')) >= 0:
        begin = start + len(element) + 2
        end = packet.find('"', begin)
        return packet[begin:end] if end >= 0 else ""
    return ""
