"""Kinds of pictures that are read beside the usual ones, and the names of those that are not."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from stylestudio.images import colour_tags, decoding, picture_kinds
from stylestudio.images.decoding import BadPicture
from tests.pixels import pixel
from tests.training.datasets.collecting.test_take import scene
from training.datasets import picture_files
from training.datasets.collecting import sources
from training.datasets.models import Dataset

pytestmark = pytest.mark.django_db


def tga(picture: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, "TGA", **options)
    return file.getvalue()


def psd(picture: Image.Image, *, layers: int = 0, composite: bool = True) -> bytes:
    """A file as Photoshop saves it: a header, one resource, how many layers there are, the picture as a whole."""
    bands = picture.split()
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, len(bands), picture.height, picture.width, 8, 3)
    told = struct.pack(">IB", 1, composite) + bytes(3)
    resource = b"8BIM" + struct.pack(">H2xI", 1057, len(told)) + told
    info = struct.pack(">h", layers)
    masks = struct.pack(">I", len(info)) + info
    return b"".join(
        [head, bytes(4), struct.pack(">I", len(resource)), resource, struct.pack(">I", len(masks)), masks, bytes(2)]
        + [band.tobytes() for band in bands]
    )


def near(picture: Image.Image, data: bytes) -> bool:
    with Image.open(BytesIO(data)) as made:
        made_pixel, picture_pixel = pixel(made.convert("RGB"), (40, 20)), pixel(picture.convert("RGB"), (40, 20))
    return all(abs(one - other) < 6 for one, other in zip(made_pixel, picture_pixel, strict=True))


@pytest.mark.parametrize("compression", [None, "tga_rle"])
def test_a_targa_is_kept_as_png(compression: str | None) -> None:
    taken = picture_files.take(tga(scene(), compression=compression))
    assert (taken.format, taken.width, taken.height, taken.has_alpha) == ("PNG", 96, 64, False)
    assert near(scene(), taken.data)


def test_a_targa_whose_fourth_byte_means_nothing_is_not_transparent_all_over() -> None:
    unused, used = scene().convert("RGBA"), scene().convert("RGBA")
    unused.putalpha(0)
    used.putalpha(Image.linear_gradient("L").resize(used.size))
    taken = picture_files.take(tga(unused))
    assert not taken.has_alpha and near(scene(), taken.data)
    assert picture_files.take(tga(used)).has_alpha


def test_a_photoshop_file_is_kept_as_png_with_its_transparency_and_without_a_kept_selection() -> None:
    clear = scene().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    assert picture_files.take(psd(scene())).format == "PNG"
    assert near(scene(), picture_files.take(psd(scene())).data)
    assert picture_files.take(psd(clear, layers=-1)).has_alpha
    selection = picture_files.take(psd(clear, layers=2))
    assert not selection.has_alpha and near(scene(), selection.data)


def test_a_photoshop_file_without_its_picture_as_a_whole_is_refused_in_words() -> None:
    with pytest.raises(BadPicture, match="maximum compatibility"):
        picture_files.take(psd(scene(), composite=False))


def test_a_photoshop_file_of_sixteen_bits_is_named() -> None:
    data = bytearray(psd(scene()))
    data[22:24] = struct.pack(">H", 16)
    with pytest.raises(BadPicture, match="kind of Photoshop file"):
        picture_files.take(bytes(data))


HEADS = {
    "a.jxl": (b"\xff\x0a" + bytes(40), "JPEG XL"),
    "b.jxl": (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
    "c.jp2": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
    "d.exr": (b"v/1\x01" + bytes(40), "OpenEXR"),
    "e.hdr": (b"#?RADIANCE\n" + bytes(40), "Radiance"),
    "f.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "g.pdf": (b"%PDF-1.7" + bytes(40), "PDF"),
    "h.psb": (b"8BPS\x00\x02" + bytes(40), "drawing programs"),
    "i.dds": (b"DDS " + bytes(40), "DDS"),
}
NAMES = {"j.cr3": "Raw photographs", "k.kra": "drawing programs", "l.ico": "kind of picture", "m.MP4": "Films"}


@pytest.mark.parametrize("name", [*HEADS, *NAMES])
def test_what_is_not_read_is_named_by_its_ending(name: str) -> None:
    found = sources.Contents()
    found.sort_in(name, 40, bytes)
    [(_name, reason)] = found.refused
    assert (HEADS[name][1] if name in HEADS else NAMES[name]) in reason
    assert "aption" not in reason


@pytest.mark.parametrize("name", HEADS)
def test_what_is_not_read_is_named_by_what_it_is_where_its_name_says_something_else(name: str) -> None:
    data, words = HEADS[name]
    with pytest.raises(BadPicture, match=words):
        picture_files.take(data)


def test_what_is_no_picture_at_all_is_told_apart() -> None:
    found = sources.Contents()
    found.sort_in("notes.docx", 40, bytes)
    assert found.refused == [("notes.docx", "This is neither a picture nor a caption.")]


def test_a_large_file_of_a_kind_that_is_not_read_is_refused_before_it_is_sent(
    client: Client, ada: User, dataset: Dataset
) -> None:
    client.force_login(ada)
    facts = {"purpose": "dataset", "name": "render.exr", "size": 50_000_000, "into": dataset.slug}
    answer = client.post(reverse("upload-start"), facts)
    assert answer.status_code == 422
    assert "OpenEXR" in answer.text


@pytest.mark.skipif(not picture_kinds.HEIF, reason="no wheel of pillow-heif on this machine")
def test_a_photograph_of_a_telephone_is_kept_as_jpeg_upright_and_with_its_colours() -> None:
    profile = colour_tags.made((0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06), None)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    picture_kinds.load_heif()
    Image.new("RGB", (96, 64), (200, 60, 40)).save(file, "HEIF", quality=95, icc_profile=profile, exif=exif.tobytes())
    taken = picture_files.take(file.getvalue())
    assert (taken.format, taken.width, taken.height, taken.has_alpha) == ("JPEG", 64, 96, False)
    with Image.open(BytesIO(taken.data)) as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert pixel(image, (30, 30))[0] > 205
    for end in (-300, 60, 24):
        with pytest.raises(BadPicture, match=r"broken|HEIC picture cannot be read"):
            picture_files.take(file.getvalue()[:end])


def test_what_is_to_be_said_of_a_picture_that_was_taken_is_told_to_the_page_and_without_script(
    client: Client, ada: User, dataset: Dataset
) -> None:
    client.force_login(ada)
    file = BytesIO()
    Image.fromarray((np.arange(64 * 64, dtype=np.uint16)).reshape(64, 64)).save(file, "TIFF")
    address = reverse("training:add", args=[dataset.slug])
    upload = SimpleUploadedFile("scan.tif", file.getvalue())
    answer = client.post(address, {"file": upload}, headers={"HX-Request": "true"}).json()
    [[name, sentence]] = answer["remarks"]
    assert (name, answer["added"]) == ("scan.tif", 1) and "made brighter" in sentence
    file = BytesIO()
    Image.fromarray((np.arange(64 * 64, dtype=np.uint16)[::-1]).reshape(64, 64)).save(file, "TIFF")
    page = client.post(address, {"file": SimpleUploadedFile("other.tif", file.getvalue())})
    assert page.status_code == 200
    assert "other.tif" in page.text and "made brighter" in page.text and "1 picture added" in page.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x"/>', "Drawings such as SVG"),
        (b"<!DOCTYPE html>\n<title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of Git LFS"),
        (b"\0\0\0\x1cftypisom" + bytes(40), "Films"),
        (b"\0\0\0\x18ftypcrx " + bytes(40), "Raw photographs"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "Raw photographs"),
        (b"\x1aE\xdf\xa3" + bytes(40), "Films"),
        (b"RIFF\x40\0\0\0AVI LIST" + bytes(40), "Films"),
        (b"P6\n8 8\n255\n" + bytes(192), "This kind of picture"),
        (b"\0\0\x01\0\x01\0\x10\x10" + bytes(40), "This kind of picture"),
    ],
)
def test_a_file_that_calls_itself_a_picture_is_named_by_what_is_in_it(data: bytes, words: str) -> None:
    with pytest.raises(BadPicture, match=words):
        picture_files.take(data)


def test_an_avif_that_was_cut_off_is_called_broken() -> None:
    file = BytesIO()
    scene().save(file, "AVIF")
    for left in (200, len(file.getvalue()) // 2):
        with pytest.raises(BadPicture, match="broken or not complete"):
            picture_files.take(file.getvalue()[:left])


def test_where_heic_cannot_be_loaded_other_pictures_are_read_and_heic_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_kinds, "load_heif", lambda: False)
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    with decoding.open_picture(file.getvalue(), decoding.MORE_FORMATS) as picture:
        assert picture.size == (8, 8)
    with pytest.raises(decoding.BadPicture):
        decoding.open_picture(b"\0\0\0\x18ftypheic" + bytes(64), decoding.MORE_FORMATS)
