"""In which encoding a set of texts is: right, or asked, and never wrong without a word."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.datasets.collecting.foreign import EIGHT, WORDS, captions
from training.datasets.collecting import encodings, sidecars
from training.datasets.collecting.sources import Unreadable


def reads(texts: list[str], data: list[bytes], encoding: str) -> bool:
    """Whether the texts come out of their bytes."""
    return [each.decode(encoding, errors="replace") for each in data] == texts


@pytest.mark.parametrize(("encoding", "language"), EIGHT)
def test_a_set_of_captions_is_read_in_its_encoding(encoding: str, language: str) -> None:
    texts = captions(random.Random(5), language, encoding, 24)
    data = [text.encode(encoding) for text in texts]
    found = encodings.guess(data)
    assert found is not None and found.sure
    assert reads(texts, data, found.encoding)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp866", "старый_замок/осенний лес"),
        ("cp437", "schöne Hügel/grüne Wälder, Mädchen"),
        ("cp850", "forêt enneigée/château éclairé"),
        ("gbk", "10_水墨 风格/山水"),
        ("cp932", "10_水彩 スタイル/森の家"),
        ("cp949", "10_수묵화/산과 강"),
    ],
)
def test_names_in_zip_files_are_read_in_the_encodings_of_consoles_too(encoding: str, text: str) -> None:
    found = encodings.guess([text.encode(encoding)], names=True)
    assert found is not None
    likely = (found.encoding, *found.others[:2])
    assert text in {text.encode(encoding).decode(name, errors="replace") for name in likely}
    if found.sure:
        assert text.encode(encoding).decode(found.encoding) == text


@pytest.mark.parametrize("text", ["蓝天白云", "竹林月光", "灯笼樱花树下"])
def test_a_few_common_signs_are_read_without_a_question_where_another_encoding_has_rare_ones(text: str) -> None:
    found = encodings.guess([text.encode("gbk")])  # Big5 has these bytes too, as signs that hardly anybody writes
    assert found is not None and found.sure
    assert text.encode("gbk").decode(found.encoding) == text


@pytest.mark.parametrize("text", ["red hills, été, 木", "水墨，山", "акварель", "수채화"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_says_its_encoding_is_never_guessed(text: str, encoding: str) -> None:
    assert encodings.declared(text.encode(encoding)) == text


def test_old_japanese_mail_encoding_says_what_it_is() -> None:
    assert encodings.declared("桜の木, dusk".encode("iso2022_jp")) == "桜の木, dusk"


def test_utf8_that_was_cut_within_a_sign_is_utf8() -> None:
    assert encodings.declared("水墨山水".encode()[:-1]) == "水墨山"
    assert encodings.looks_broken("水墨风格的山水和小屋".encode() + b"\xff, dusk")
    assert not encodings.looks_broken("水墨风格的山水和小屋".encode("gbk"))


def test_what_is_no_text_is_refused_and_not_asked_about() -> None:
    with pytest.raises(Unreadable, match="no text"):
        sidecars.read(random.Random(3).randbytes(400))


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_guessed_or_not(texts: list[bytes]) -> None:
    found = encodings.guess(texts)
    assert found is None or found.encoding in encodings.ENCODINGS


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_hundred_sets_in_eight_encodings_are_right_or_asked(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    large: Counter[str] = Counter()
    small: Counter[str] = Counter()
    wrong = []
    for number in range(200):
        encoding, language = EIGHT[number % len(EIGHT)]
        language = "de" if language == "fr" and number % 2 else language
        size = chance.choice([1, 2, 5, 12, 20, 20, 30, 40, 60])
        texts = captions(chance, language, encoding, size)
        data = [text.encode(encoding) for text in texts]
        foreign = [each for each in data if encodings.declared(each) is None]
        if not foreign:
            continue
        found = encodings.guess(foreign)
        right = found is not None and reads(texts, data, found.encoding)
        counts = large if size >= 20 else small
        counts["sets"] += 1
        counts["asked"] += found is None or not found.sure
        counts["right"] += right
        if found is not None and found.sure and not right:
            wrong.append((encoding, found.encoding, texts[:2]))
    with capsys.disabled():
        print(f"\nseed {seed}: 20 captions or more {dict(large)}, fewer {dict(small)}, sure and wrong {len(wrong)}")
    assert wrong == []
    assert large["asked"] <= 0.1 * large["sets"]
    assert large["right"] >= 0.95 * large["sets"]


def test_the_words_of_the_tests_are_words() -> None:
    assert all(len(words.split()) > 25 for words in WORDS.values())
