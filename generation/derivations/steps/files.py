"""Writing a finished picture: made small first, then told where it came from, then read back.

Same bytes for the same picture, facts and libraries: no time and no number of a row goes into a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

from generation.derivations.steps import digests
from generation.derivations.steps.canonical import canonical, of_settings

KEYWORD = "stylestudio"  # of the text with the facts
MOST_FACTS = 40_000  # bytes of facts; some programs drop XMP from 60,000 on
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP = "XML:com.adobe.xmp"


class NotTheSame(Exception):
    """What was written does not read back as what was meant."""


def write(
    image: Image.Image, *, format: str, keep_hidden: bool, profile: bytes | None, facts: Mapping[str, Any]
) -> bytes:
    """The file of an RGBA picture: a "png" or a "webp", both without loss. Opaque ones have no alpha.

    `keep_hidden`: whether the colours of clear pixels are kept, which engines blend into edges; else they become black.
    `profile`: an ICC profile for its colours, or None. Raises NotTheSame.
    """
    if not keep_hidden:
        image = digests.without_hidden(image)
    told = canonical(facts)
    if len(told) > MOST_FACTS:
        told = canonical({"sha256": of_settings(facts)})
    data = _webp(image, keep_hidden, profile, told) if format == "webp" else _png(image, profile, told)
    _require_same(data, image, profile, told)
    return data


def read_facts(data: bytes) -> str:
    """The facts in a file that `write` wrote, as JSON; "" if there are none."""
    with Image.open(BytesIO(data)) as image:
        image.load()  # only then are texts behind the pixels known
        found = image.info.get(KEYWORD) or _from_xmp(image.info.get("xmp", b""))
    return str(found)


def _require_same(data: bytes, image: Image.Image, profile: bytes | None, told: str) -> None:
    with Image.open(BytesIO(data)) as again:
        pixels = again.convert("RGBA")
        if pixels.tobytes() != image.tobytes() or (again.info.get("icc_profile") or None) != profile:
            raise NotTheSame
    if read_facts(data) != told:
        raise NotTheSame


def _png(image: Image.Image, profile: bytes | None, told: str) -> bytes:
    stored = BytesIO()
    indexed = _indexed(image)
    made = indexed or (image.copy() if _has_clear(image) else image.convert("RGB"))
    clear = {"transparency": indexed.info["clear"]} if indexed and indexed.info["clear"] else {}
    made.info = {}
    made.save(stored, "PNG", optimize=True, icc_profile=profile, **clear)
    text = _chunk(b"tEXt", KEYWORD.encode() + b"\0" + told.encode("ascii"))
    xmp = _chunk(b"iTXt", _XMP.encode() + b"\0\0\0\0\0" + _packet(told).encode())
    data = stored.getvalue()
    at = _first_data(data)
    return data[:at] + text + xmp + data[at:]


def _indexed(image: Image.Image) -> Image.Image | None:
    """The same picture with a palette, clear colours first, if it has no more than 256; `info["clear"]`: its alphas."""
    found = image.getcolors(256)
    if found is None:
        return None
    colours: list[Any] = sorted((pixel for _number, pixel in found), key=lambda pixel: (pixel[3] == 255, pixel))
    pixels = np.ascontiguousarray(np.asarray(image)).view(np.uint32)[..., 0]
    known = np.array(colours, np.uint8).view(np.uint32)[:, 0]
    order = np.argsort(known)
    places = order[np.searchsorted(known, pixels, sorter=order)].astype(np.uint8)
    made = Image.fromarray(places, "L")
    made.putpalette([value for pixel in colours for value in pixel[:3]])
    made.info["clear"] = bytes(pixel[3] for pixel in colours if pixel[3] < 255)
    return made


def _webp(image: Image.Image, keep_hidden: bool, profile: bytes | None, told: str) -> bytes:
    stored = BytesIO()
    made = image.copy() if _has_clear(image) else image.convert("RGB")
    made.info = {}
    known = {"icc_profile": profile} if profile else {}
    xmp = _packet(told).encode()
    made.save(stored, "WEBP", lossless=True, quality=100, method=4, exact=keep_hidden, xmp=xmp, exif=b"", **known)
    return stored.getvalue()


def _has_clear(image: Image.Image) -> bool:
    return image.getchannel("A").getextrema() != (255, 255)


def _packet(told: str) -> str:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:stylestudio="urn:stylestudio:1" stylestudio:facts={quoteattr(told, {chr(34): "&quot;"})}/></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    )


def _from_xmp(packet: bytes) -> str:
    _before, begins, rest = packet.decode(errors="replace").partition('stylestudio:facts="')
    told = rest.partition('"')[0] if begins else ""
    return told.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _first_data(data: bytes) -> int:
    """Where the pixels begin: what is behind them some programs never read."""
    at = len(_SIGNATURE)
    while data[at + 4 : at + 8] != b"IDAT":
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return at
