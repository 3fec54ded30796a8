"""Sets of captions in encodings of other days, made from words of captions and from Django's own translations."""

from __future__ import annotations

import gettext
import random
from functools import cache
from pathlib import Path

import django

WORDS = dict(
    line.split(": ", 1) for line in (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()
)
TAGS = ["1girl", "solo", "masterpiece", "best quality", "highres", "smile", "outdoors", "8k", "looking at viewer"]
# Encoding as programs name it, and the language of its text.
EIGHT = (
    ("gbk", "zh_Hans"),
    ("big5", "zh_Hant"),
    ("shift_jis", "ja"),
    ("euc_jp", "ja"),
    ("euc_kr", "ko"),
    ("koi8_r", "ru"),
    ("cp1251", "ru"),
    ("cp1252", "fr"),
)


@cache
def sentences(language: str, encoding: str) -> list[str]:
    """What Django says in a language, as far as the encoding has it."""
    found = []
    for path in sorted(Path(django.__file__).parent.glob(f"**/locale/{language}/LC_MESSAGES/django.mo")):
        with path.open("rb") as file:
            catalog: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # gettext's own
        found += [text for text in catalog.values() if 3 < len(text) < 60 and "%" not in text and "\n" not in text]
    return [text for text in found if not text.isascii() and _fits(text, encoding)]


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def captions(chance: random.Random, language: str, encoding: str, count: int) -> list[str]:
    """A set of captions: phrases of its language, now and then with English tags between."""
    words = [word for word in WORDS[language].split() if _fits(word, encoding)]
    pool = words if chance.random() < 0.6 else sentences(language, encoding)
    pool = chance.sample(pool, min(len(pool), chance.randint(6, 40)))
    tagged = chance.random() < 0.5
    made = []
    for _each in range(count):
        phrases = [chance.choice(pool) for _phrase in range(chance.randint(1, 5))]
        if tagged:
            phrases += chance.sample(TAGS, chance.randint(0, 4))
        chance.shuffle(phrases)
        made.append(", ".join(phrases))
    return made
