"""Less common picture formats: those that can be read, those that are named when rejected, and their quirks."""

from __future__ import annotations

import struct
from functools import cache
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import IO, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from PIL import Image, ImageFile

# Without a wheel for this machine the format is named when rejected.
HEIF = ("HEIF",) if find_spec("pillow_heif") else ()

READ = ("PSD", *HEIF, "TGA")  # TGA comes last: its files have no signature, so anything might be one
SUFFIXES = (".psd", ".tga", *((".heic", ".heif", ".hif") if HEIF else ()))

_HEIC = gettext_noop("HEIC pictures cannot be read on this machine. Save it as JPEG or PNG.")
_UNREAD_HEIC = gettext_noop("This HEIC picture cannot be read. Save it as JPEG or PNG.")
_JXL = gettext_noop("JPEG XL pictures are not read here. Save it as PNG.")
_JP2 = gettext_noop("JPEG 2000 pictures are not read here. Save it as PNG.")
_EXR = gettext_noop("OpenEXR pictures are not read here. Save it as PNG with 8 bits.")
_HDR = gettext_noop("Radiance HDR pictures are not read here. Save it as PNG with 8 bits.")
_SVG = gettext_noop("Drawings such as SVG are not read here. Save it as PNG in the size of training.")
_PAGE = gettext_noop("Pages such as PDF, EPS and Illustrator files are not read here. Save it as PNG.")
_RAW = gettext_noop("Raw photographs are not read here. Develop it and save it as JPEG or PNG.")
_WORK = gettext_noop("Working files of drawing programs are not read here. Save it as PNG.")
_GAME = gettext_noop("Textures of games such as DDS and KTX are not read here. Save it as PNG.")
_OTHER = gettext_noop("This kind of picture is not read here. Save it as PNG.")
_FILM = gettext_noop("Films are not read here. Save single pictures of it as PNG.")
_PAGE_OF_WEB = gettext_noop(
    "This is a web page, not a picture. The download probably asked for a login; download it again."
)
_POINTER = gettext_noop("This is only a pointer of Git LFS. Download the file that it points to.")
_BY_ENDING = {
    _JXL: ".jxl",
    _JP2: ".jp2 .j2k .j2c .jpf .jpx .jpm .jph",
    _EXR: ".exr .sxr",
    _HDR: ".hdr .rgbe .pic",
    _SVG: ".svg .svgz .emf .wmf",
    _PAGE: ".pdf .eps .ps .ai .indd",
    _RAW: ".dng .cr2 .cr3 .crw .nef .nrw .arw .sr2 .raf .orf .rw2 .pef .srw .x3f .3fr .iiq .raw",
    _WORK: ".psb .xcf .kra .clip .csp .sai .sai2 .mdp .afphoto .afdesign .procreate .ora .pdn .sketch .fig .blend",
    _GAME: ".dds .ktx .ktx2 .vtf .basis",
    _OTHER: ".ico .icns .cur .pcx .ppm .pgm .pbm .pnm .pam .pfm .qoi .sgi .rgb .jxr .wdp .bpg .flif .xbm .xpm .ras "
    ".mng .jng .jls .fits .fit .dcm .dicom",
    _FILM: ".mp4 .mov .webm .mkv .avi .m4v .mpg .mpeg .wmv .flv",
    **({} if HEIF else {_HEIC: ".heic .heif .hif"}),
}
_REASONS = {ending: sentence for sentence, endings in _BY_ENDING.items() for ending in endings.split()}
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_BY_CONTENT = {
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": _JXL,
    b"\xff\x0a": _JXL,
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": _JP2,
    b"\xff\x4f\xff\x51": _JP2,
    b"v/1\x01": _EXR,
    b"#?RADIANCE": _HDR,
    b"#?RGBE": _HDR,
    b"%PDF": _PAGE,
    b"%!PS": _PAGE,
    b"8BPS\x00\x02": _WORK,
    b"gimp xcf": _WORK,
    b"DDS ": _GAME,
    b"\xabKTX ": _GAME,
    b"CSFCHUNK": _WORK,
    b"\x1aE\xdf\xa3": _FILM,
    **dict.fromkeys((b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR"), _RAW),
    **dict.fromkeys((b"qoif", b"II\xbc", b"BPG\xfb", b"FLIF", b"icns", b"\x8aMNG", b"\x01\xda", b"SIMPLE  ="), _OTHER),
    **dict.fromkeys((b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"P7\n", b"Pf\n", b"PF\n"), _OTHER),
    b"\0\0\1\0": _OTHER,  # Windows icons
    b"version https://git-lfs": _POINTER,
}
_HEAD = 1024  # bytes in which a text file shows what it is
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_TAGS = 4096  # per picture in a TIFF; twenty are usual
_BROKEN = gettext_noop("This picture is broken or not complete. Save it again and send the new file.")
_READABLE = (*_TIFF, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"8BPS\x00\x01")


@cache
def load_heif() -> bool:
    """Let Pillow read HEIC. Call it before a picture that may be one: its decoders are large, and few need them. False
    if they cannot be loaded on this machine.
    """
    try:
        import pillow_heif
    except ImportError:
        return False
    # Embedded previews and depth maps are not needed, and we decide on the number of threads.
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
    return True


def refusal(name: str) -> str:
    """Why a file of this name is rejected, in a translated sentence; "" if its suffix is not of a known format."""
    sentence = _REASONS.get(PurePosixPath(name.lower()).suffix)
    return _(sentence) if sentence else ""


def refusal_of(file: IO[bytes]) -> str:
    """Why a picture could not be opened; "" if unknown."""
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith(_TIFF) and head[8:10] == b"CR":
        return _(_RAW)
    if head.startswith(_TIFF) and _is_whole_tiff(file, head):
        return _("This kind of TIFF is not read here. Save it as PNG, or as TIFF with 8 bits for each colour.")
    if head.startswith(b"8BPS\x00\x01"):
        return _("This kind of Photoshop file is not read here. Save it as PNG.")
    if head.startswith(_READABLE) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return _(_BROKEN)
    found = next((sentence for mark, sentence in _BY_CONTENT.items() if head.startswith(mark)), "")
    found = found or _of_boxes(head) or _of_text(head)
    return _(found) if found else ""


def _of_boxes(head: bytes) -> str:
    """The contents of an ISO 14496-12 box file: pictures and films share this container."""
    if head.startswith(b"RIFF"):
        return _FILM if head[8:12] == b"AVI " else ""
    if head[4:8] != b"ftyp":
        return ""
    brand = head[8:12]
    if brand in _BRANDS:
        return _UNREAD_HEIC if HEIF else _HEIC
    return _BROKEN if brand in {b"avif", b"avis"} else _RAW if brand == b"crx " else _FILM


def _of_text(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text.startswith(b"<"):
        return ""
    if b"<svg" in text:
        return _SVG
    return _PAGE_OF_WEB if text.startswith((b"<!doctype html", b"<html")) else ""


def _is_whole_tiff(file: IO[bytes], head: bytes) -> bool:
    """Whether the TIFF's directory is complete, wherever it is."""
    order: Literal["little", "big"] = "little" if head.startswith(b"II") else "big"
    is_big = head[2:4] in {b"+\0", b"\0+"}
    file.seek(int.from_bytes(head[8:16] if is_big else head[4:8], order))
    count = int.from_bytes(file.read(8 if is_big else 2), order)
    length = count * (20 if is_big else 12)
    return 0 < count <= MOST_TAGS and len(file.read(length)) == length


def adjust_unusual_format(image: Image.Image, file: IO[bytes]) -> str:
    """Adjust an opened picture of an unusual format to its program's meaning. Returns why it is unusable, or ""."""
    return _photoshop(image, file) if image.format == "PSD" else ""


_COMPOSITE = 1057  # the resource that says whether the composite picture is in the file (Photoshop file format, 2019)


def _photoshop(image: Image.Image, file: IO[bytes]) -> str:
    """Only the composite made by Photoshop is read, not layers, and it exists only if the author chose so."""
    for number, _name, data in getattr(image, "resources", ()):
        if number == _COMPOSITE and len(data) > 4 and not data[4]:
            return _(
                "This Photoshop file holds its layers alone. Save it with maximum compatibility, or save it as PNG."
            )
    if image.mode == "RGBA" and not _has_transparency(file):
        # The fourth channel is a saved selection, not transparency.
        assert isinstance(image, ImageFile.ImageFile)
        image._mode = "RGB"  # noqa: SLF001 - nothing public changes it before the pixels are read
        image.tile = image.tile[:3]
    return ""


def _has_transparency(file: IO[bytes]) -> bool:
    """Whether the first extra channel is the transparency of the composite: its layer count is negative then."""
    place = file.tell()
    try:
        file.seek(26)
        for _section in range(2):  # colours of the mode, resources
            file.seek(_long(file), 1)
        if not _long(file) or not _long(file):  # layers and masks, and within that the layers
            return False
        (count,) = struct.unpack(">h", file.read(2))
        return int(count) < 0
    except struct.error:
        return False
    finally:
        file.seek(place)


def _long(file: IO[bytes]) -> int:
    return int(struct.unpack(">I", file.read(4))[0])


def is_blank(image: Image.Image) -> bool:
    """Whether a decoded TGA has a meaningless fourth byte per pixel, with which all of it would be transparent."""
    return image.format == "TGA" and image.mode in {"RGBA", "LA"} and image.getchannel("A").getextrema() == (0, 0)
