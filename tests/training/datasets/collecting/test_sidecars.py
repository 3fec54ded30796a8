"""Captions beside pictures, in every encoding that people send."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylestudio.text import grammar
from training.datasets.collecting import archives, matching, sidecars
from training.datasets.collecting.sidecars import Captions
from training.datasets.collecting.sources import Unreadable
from training.datasets.models import MOST_CAPTION


def gathered(*files: tuple[str, bytes]) -> Captions:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    with archives.opened(file) as contents:
        return sidecars.gather(contents)


@pytest.mark.parametrize(
    "data",
    [
        "red hills, été, 木".encode(),
        "red hills, été, 木".encode("utf-8-sig"),
        "red hills, été, 木".encode("utf-16"),
        b"\xfe\xff" + "red hills, été, 木".encode("utf-16-be"),
        "red hills, été, 木".encode("utf-16-le"),
        "red hills, été, 木".encode("utf-16-be"),
        "  red hills, e\u0301té, 木 \r\n\r\n".encode(),
        "red\0 hills, été, 木".encode(),
    ],
)
def test_a_caption_is_read_in_every_encoding(data: bytes) -> None:
    assert sidecars.read(data) == "red hills, été, 木"


def test_old_files_of_western_windows_are_understood() -> None:
    assert sidecars.read("grüne Hügel – schön".encode("cp1252")) == "grüne Hügel – schön"
    assert sidecars.read("grüne Hügel".encode("latin-1")) == "grüne Hügel"


def test_lines_are_kept_and_their_ends_made_alike() -> None:
    assert sidecars.read(b"red hills \r\n  a cottage\rdusk\t!") == "red hills\na cottage\ndusk !"


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_an_empty_caption_is_none(data: bytes) -> None:
    assert sidecars.read(data) == ""


def test_what_is_no_text_or_too_long_is_refused() -> None:
    with pytest.raises(Unreadable, match="no text"):
        sidecars.read(b"\x89PNG\r\n\x1a\n\x01\x02\x03\x04\x05\x06\x07")
    with pytest.raises(Unreadable, match="more than 4,000"):
        sidecars.read(b"x" * (MOST_CAPTION + 1))
    assert len(sidecars.read(b"x" * MOST_CAPTION)) == MOST_CAPTION


def test_a_picture_has_the_caption_of_its_name_and_txt_comes_before_caption_and_both_before_the_table() -> None:
    found = gathered(
        ("a/1.txt", b"from txt"),
        ("a/1.caption", b"from caption"),
        ("a/2.caption", b"second"),
        ("a/metadata.jsonl", b'{"file_name": "1.png", "text": "row"}\n{"file_name": "3.png", "prompt": "third"}'),
    )
    names = ["a/1.png", "a/2.jpg", "a/3.png", "a/3.jpg", "1.png"]
    matched = matching.match(found, names)
    assert [matched.own.get(name, "") for name in names] == ["from txt", "second", "third", "", ""]
    assert matched.rest == {"a/1.png": "row"}


def test_a_table_takes_caption_before_text_before_prompt_and_says_which_lines_it_does_not_understand() -> None:
    rows = [
        json.dumps({"file_name": "1.png", "prompt": "p", "text": "t", "caption": "c"}),
        json.dumps({"file_name": "sub/2.png", "prompt": "p", "text": "t"}),
        "",
        "not json",
        "[1, 2]",
        json.dumps({"file_name": 3, "text": "x"}),
        json.dumps({"file_name": "4.png"}),
        json.dumps({"file_name": "5.png", "text": None}),
        "[" * 100_000,
        '{"file_name": "6.png", "text": ' + "9" * 10_000 + "}",
    ]
    found, refused = sidecars.read_table("\n".join(rows).encode(), "set")
    assert found == {"set/1.png": "c", "set/sub/2.png": "t"}
    assert [line for line, _reason in refused] == [4, 5, 6, 7, 8, 9, 10]


def test_bad_captions_are_refused_by_name_and_the_rest_is_read() -> None:
    found = gathered(("1.txt", bytes(range(1, 30))), ("2.txt", b"good"), ("metadata.jsonl", b"nonsense"))
    assert found.files == {"2": "good"}
    assert found.refused == [("1.txt", "This is no text."), ("metadata.jsonl:1", "This line is not understood.")]


@pytest.mark.parametrize(
    ("caption", "kept"),
    [
        ("gouache field, red hills", "red hills"),
        ("Gouache Field, red hills", "red hills"),
        ("gouache field", ""),
        ("gouache field.\nred hills", "red hills"),
        ("gouache fields, red hills", "gouache fields, red hills"),
        ("red hills, gouache field", "red hills, gouache field"),
    ],
)
def test_trigger_words_in_front_are_left_out(caption: str, kept: str) -> None:
    assert grammar.without_front(caption, "gouache field") == kept
    assert grammar.without_front(caption, "") == caption


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_anything_but_a_caption_or_refused(data: bytes) -> None:
    for read in (sidecars.read, lambda data: sidecars.read_table(data, "a")):
        try:
            found = read(data)
        except Unreadable as refusal:
            assert str(refusal)
        else:
            str(found).encode()
            assert "\0" not in str(found)


@given(st.text(max_size=200))
def test_tidying_twice_is_tidying_once(text: str) -> None:
    try:
        once = sidecars.tidy(text)
    except Unreadable:
        return
    assert sidecars.tidy(once) == once
