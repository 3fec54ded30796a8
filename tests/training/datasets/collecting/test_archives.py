"""Zips from strangers: whatever is wrong with them is said by the file's name, and the rest goes on."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.collecting import archives, sources
from training.datasets.collecting.archives import BadArchive
from training.datasets.collecting.sources import Unreadable

PICTURE = b"\x89PNG not decoded here"


def packed(*files: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file


def refusals(file: io.BytesIO) -> dict[str, str]:
    with archives.opened(file) as contents:
        return dict(contents.refused)


def pictures(file: io.BytesIO) -> list[str]:
    with archives.opened(file) as contents:
        return [member.name for member in contents.pictures]


def rewritten(file: io.BytesIO, change: Callable[[bytearray], object]) -> io.BytesIO:
    data = bytearray(file.getvalue())
    change(data)
    return io.BytesIO(bytes(data))


def central(data: bytearray) -> int:
    """Where the list of files begins."""
    return data.index(b"PK\x01\x02")


def test_pictures_captions_and_tables_are_told_apart_and_come_in_their_natural_order() -> None:
    names = ["b/10.PNG", "b/9.jpg", "a.webp", "b/9.txt", "a.caption", "metadata.jsonl", "b/x.avif"]
    with archives.opened(packed(*((name, b"x") for name in names))) as contents:
        assert [member.name for member in contents.pictures] == ["a.webp", "b/9.jpg", "b/10.PNG", "b/x.avif"]
        assert [member.name for member in contents.captions] == ["a.caption", "b/9.txt"]
        assert [member.name for member in contents.tables] == ["metadata.jsonl"]
        assert contents.refused == []
        assert contents.pictures[0].read() == b"x"


def test_folders_and_what_systems_and_trainers_leave_behind_are_passed_over() -> None:
    names = ["a/", "__MACOSX/a/._1.png", "a/.DS_Store", "a/._1.png", "Thumbs.db", ".git/1.png", "1_sdxl.npz", "a/1.png"]
    file = packed(*((name, b"x") for name in names))
    assert pictures(file) == ["a/1.png"]
    assert refusals(file) == {}


@pytest.mark.parametrize(
    "name",
    ["../1.png", "a/../../1.png", "/etc/1.png", "C:/1.png", "c:\\windows\\1.png", "..\\..\\1.png", "\\\\host\\1.png"],
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    found = refusals(packed((name, PICTURE), ("good.png", PICTURE)))
    assert list(found.values()) == ["Its name leads out of the folder."]
    assert pictures(packed((name, PICTURE), ("good.png", PICTURE))) == ["good.png"]


@pytest.mark.parametrize("name", ["set.zip", "a/more.RAR", "x.7z", "x.tar.gz"])
def test_an_archive_inside_is_not_opened(name: str) -> None:
    assert refusals(packed((name, PICTURE))) == {name: "Archives inside are not opened."}


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(stat.S_IFLNK, "Links are not followed."), (stat.S_IFIFO, "This is no file."), (stat.S_IFCHR, "This is no file.")],
)
def test_links_and_other_things_that_are_no_files_are_refused(mode: int, reason: str) -> None:
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, (mode | 0o777) << 16
    assert refusals(packed((link, b"/etc/passwd"))) == {"link.png": reason}


def test_a_locked_file_is_refused() -> None:
    def lock(data: bytearray) -> None:
        data[central(data) + 8] |= 1

    assert refusals(rewritten(packed(("1.png", PICTURE)), lock)) == {"1.png": "It is locked with a password."}


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_packing_that_cannot_be_unpacked_within_limits_are_refused(how: int) -> None:
    found = refusals(packed(("1.png", bytes(100)), how=how))
    assert found["1.png"].startswith("It is packed in a way that is not understood.")


def test_empty_and_foreign_files_and_doubles_say_why() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = packed(("0.png", b""), ("run.exe", b"MZ"), ("1.png", b"x"), ("1.png", b"y"), ("long.txt", b"x" * 70_000))
    with archives.opened(file) as contents:
        assert contents.refused == [
            ("0.png", "This file is empty."),
            ("1.png", "There is another file of this name."),
            ("long.txt", "This text is too long for captions."),
            ("run.exe", "This is neither a picture nor a caption."),
        ]
        assert [member.read() for member in contents.pictures] == [b"x"]


def test_a_picture_that_unpacks_to_a_thousand_times_its_size_is_refused_unread() -> None:
    found = refusals(packed(("bomb.png", bytes(20_000_000)), ("bomb.txt", bytes(60_000))))
    assert found == {"bomb.png": "It unpacks to far more than any picture would."}


def test_a_picture_that_unpacks_to_more_than_it_says_stops_there() -> None:
    def lie(data: bytearray) -> None:
        at = central(data)
        struct.pack_into("<I", data, at + 24, 500)

    with archives.opened(rewritten(packed(("bomb.png", bytes(5_000_000))), lie)) as contents:
        tracemalloc.start()
        with pytest.raises(Unreadable, match="broken inside the archive"):
            contents.pictures[0].read()
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
        tracemalloc.stop()


def test_a_file_that_says_it_is_huge_is_refused_unread() -> None:
    def lie(data: bytearray) -> None:
        struct.pack_into("<I", data, central(data) + 24, 2**31)
        struct.pack_into("<I", data, central(data) + 20, 2**31)

    found = refusals(rewritten(packed(("1.png", PICTURE), how=zipfile.ZIP_STORED), lie))
    assert found == {"1.png": "This picture is larger than 100 MB."}


def test_files_that_share_the_same_bytes_are_counted_as_what_they_unpack_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_TOTAL", 3_000)
    noise = bytes(range(250)) * 4
    assert pictures(packed(*((f"{at}.png", noise) for at in range(3)))) == ["0.png", "1.png", "2.png"]
    with pytest.raises(BadArchive, match="more than 4 GB"):
        pictures(packed(*((f"{at}.png", noise) for at in range(4))))


def test_more_pictures_than_a_dataset_takes_are_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArchive, match=r"more than 2,000 pictures"):
        pictures(packed(*((f"{at}.png", b"x") for at in range(2001)), how=zipfile.ZIP_STORED))
    monkeypatch.setattr(archives, "MOST_FILES", 5)
    with pytest.raises(BadArchive, match=r"more than 20,000 files"):
        pictures(packed(*((f"{at}.exe", b"x") for at in range(6))))


def test_a_list_of_files_that_would_fill_the_memory_is_not_read() -> None:
    # A row of 46 bytes for every file that there is not: zipfile reads all of it at once.
    row = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    rows = row * 500_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(rows), 0, 0)
    file = io.BytesIO(rows + end)
    tracemalloc.start()
    with pytest.raises(BadArchive, match="no zip file, or it is broken"):
        pictures(file)
    assert tracemalloc.get_traced_memory()[1] < 12_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"Rar!\x1a\x07\x00" + bytes(50), bytes(1000)])
def test_what_is_no_zip_is_refused_as_a_whole(data: bytes) -> None:
    try:
        assert pictures(io.BytesIO(data)) == []
        with pytest.raises(BadArchive, match="no picture in this archive"):
            archives.check(io.BytesIO(data))
    except BadArchive as refusal:
        assert "no zip file, or it is broken" in str(refusal)


def test_a_broken_file_inside_is_refused_when_it_is_read_and_the_others_are_not() -> None:
    file = packed(("bad.png", b"x" * 5000), ("good.png", b"y" * 5000), how=zipfile.ZIP_STORED)
    place = file.getvalue().index(b"xxxx")
    with archives.opened(rewritten(file, lambda data: data.__setitem__(place, 0))) as contents:
        bad, good = contents.pictures
        with pytest.raises(Unreadable):
            bad.read()
        assert good.read() == b"y" * 5000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("画/红色的山.png", "画/红色的山.png"),
        ("रंग/पहाड़.png", "रंग/पहाड़.png"),
        ("تلال.png", "تلال.png"),
        ("🏔️👩‍🎨.png", "🏔️👩‍🎨.png"),
        ("e\u0301te.png", "\u00e9te.png"),
        ("a\u202egnp.png", "a\N{REPLACEMENT CHARACTER}gnp.png"),
        ("tab\there.png", "tab\N{REPLACEMENT CHARACTER}here.png"),
        ("./a//b\\c.png", "a/b/c.png"),
        (" spaces / here .png", "spaces/here .png"),
    ],
)
def test_names_in_any_script_are_shown_as_they_are_without_what_deceives(name: str, shown: str) -> None:
    assert pictures(packed((name, PICTURE))) == [shown]


def test_utf8_that_does_not_say_so_is_understood() -> None:
    file = packed(("aaaaaaaaaaa.png", PICTURE))
    raw = "红色山b".encode()
    assert len(raw) == 10
    data = file.getvalue().replace(b"aaaaaaaaaaa.png", raw + b"c.png")
    assert pictures(io.BytesIO(data)) == ["红色山bc.png"]


def test_a_very_long_name_keeps_its_end() -> None:
    (name,) = pictures(packed((f"{'x' * 3000}/{'y' * 190}.jpeg", PICTURE)))
    assert len(name) <= sources.MOST_NAME
    assert name.endswith("y" * 180 + ".jpeg")


@given(st.text(min_size=1, max_size=60))
def test_no_name_at_all_leads_anywhere_or_breaks_anything(name: str) -> None:
    shown = sources.clean(name)
    assert 0 < len(shown) <= sources.MOST_NAME
    assert not shown.startswith("/")
    assert "\\" not in shown
    assert "\0" not in shown
    shown.encode()
    contents = sources.Contents()
    contents.sort_in(name, 1, bytes)
    taken = [*contents.pictures, *contents.captions, *contents.tables]
    assert len(taken) + len(contents.refused) <= 1
    assert all(".." not in member.name.split("/") for member in taken)
    sources.natural(shown)


def test_a_name_that_begins_with_a_zero_byte_is_a_name_like_others() -> None:
    def hide(data: bytearray) -> None:
        data[central(data) + 46] = 0  # zipfile shortens names there, to none at all

    assert pictures(rewritten(packed(("1.png", PICTURE), ("2.png", PICTURE)), hide)) == ["2.png", "�.png"]


@given(st.data())
def test_an_archive_with_wrong_bytes_is_read_or_refused(data: st.DataObject) -> None:
    file = bytearray(packed(("a/1.png", b"hills" * 40), ("a/1.txt", b"hills"), ("b.jpg", bytes(range(200)))).getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del file[data.draw(st.integers(0, len(file) - 1)) :]
    try:
        with archives.opened(io.BytesIO(bytes(file))) as contents:
            for member in (*contents.pictures, *contents.captions):
                try:
                    assert len(member.read()) <= member.size
                except Unreadable as refusal:
                    assert str(refusal)
            for name, reason in contents.refused:
                assert name
                assert reason
    except BadArchive as refusal:
        assert str(refusal)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_anything_but_an_archive_or_refused(data: bytes) -> None:
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(data), 0, 0)
    for file in (data, data + tail):
        try:
            with archives.opened(io.BytesIO(file)) as contents:
                assert len(contents.pictures) <= 1
        except BadArchive as refusal:
            assert str(refusal)


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["10_gouache field", "10_gouache field", "3_other"], (10, "gouache field")),
        (["5_a_b"], (5, "a_b")),
        (["7_"], (7, "")),
        (["img", "0_x", "2000_x", "x_1", "١_x"], None),
        ([], None),
    ],
)
def test_folders_of_kohyas_layout_tell_repeats_and_trigger_words(folders: list[str], found: object) -> None:
    assert sources.kohya(folders) == found


def test_a_crc_is_checked() -> None:
    file = packed(("1.png", b"z" * 100), how=zipfile.ZIP_STORED)
    wrong = struct.pack("<I", zlib.crc32(b"z" * 100) ^ 1)
    data = file.getvalue().replace(struct.pack("<I", zlib.crc32(b"z" * 100)), wrong)
    with archives.opened(io.BytesIO(data)) as contents, pytest.raises(Unreadable):
        contents.pictures[0].read()
