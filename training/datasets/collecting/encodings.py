"""Guessing the encoding of legacy texts: captions and names in zip files, all of a set together.

Texts that declare their encoding (UTF-8, UTF-16, ISO-2022-JP) are never guessed. For the others, every encoding is
scored by the likelihood of its reading: how frequent the resulting characters are in texts of its languages.
charset-normalizer, which judges by how messy a reading is and by its language, is the second opinion: if the
likelihoods are close, both must agree, or people are asked.
"""

from __future__ import annotations

import math
import re
import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import pairwise

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from training.datasets.collecting.common_signs import (
    ARABIC,
    BALTIC,
    CENTRAL,
    CYRILLIC,
    GREEK,
    HANGUL,
    KANJI,
    SIMPLIFIED,
    THAI,
    THAI_MARKS,
    TRADITIONAL,
    TURKISH,
    WESTERN,
)

# UTF-32 first: its byte order mark starts with that of UTF-16.
_BOMS = (
    (BOM_UTF8, "utf-8-sig"),
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_ESCAPES = (b"\x1b$@", b"\x1b$B", b"\x1b$(D", b"\x1b(J")  # of ISO-2022-JP
MOST_LOOKED_AT = 200_000  # bytes of a set that are scored
SURE, NEAR = 14.0, 5.0  # lead (natural logarithm) of the best reading: to be sure alone, or with the second opinion
MOST_BY_CHANCE = 12  # two-byte characters up to which UTF-8 may be a coincidence
UNREAD = -24.0  # for a phrase that an encoding cannot decode at all
MOST_UNREAD = 0.01  # share of phrases that may fail to decode: files are truncated, or of another origin
LONG, ODD = 6, -6.2  # bytes of a phrase, and its likelihood per byte below which it makes no sense
MOST_ODD = 0.05  # share of phrases
_JUNK = -13.0  # per non-ASCII character: less likely than that in every encoding is not text


@dataclass(frozen=True, slots=True)
class Guess:
    """`encoding` is a Python codec and a key of ENCODINGS. `others`: the alternatives, the likeliest first."""

    encoding: str
    sure: bool
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Encoding:
    """`languages`: functions that score a text in each; all texts of a set are in the same one.

    `handicap`: natural logarithm of how much rarer the encoding is than the usual ones.
    """

    label: str | Promise
    languages: tuple[Callable[[str], float], ...]
    handicap: float = 0.0
    names_only: bool = False  # of consoles, in which old zip programs write names


def declared(data: bytes) -> str | None:
    """The text of a file that declares its encoding; None for others. A character truncated at the end is dropped."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    # UTF-16 without a mark: every other byte of Latin letters is zero.
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = data[offset::2]
        if len(data) % 2 == 0 and half and half.count(0) > 0.6 * len(half):
            return data.decode(encoding, errors="replace")
    if any(escape in data for escape in _ESCAPES):
        try:
            return data.decode("iso2022_jp_2")
        except UnicodeDecodeError:
            pass
    return _utf8(data)


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # Some programs truncate at a number of bytes. A complete character before that shows that it is UTF-8.
        cut = error.reason == "unexpected end of data" and any(byte > 0x7F for byte in data[: error.start])
        return data[: error.start].decode() if cut else None


def is_doubtful(data: bytes) -> bool:
    """Whether UTF-8 may be a coincidence: a few byte pairs also occur in other encodings (GBK's 猫 reads è)."""
    text = data.decode(errors="ignore")
    pairs = [sign for sign in text if sign > "\x7f"]
    return 0 < len(pairs) <= MOST_BY_CHANCE and max(pairs) < "\u0800" and not data.startswith(BOM_UTF8)


def rather(data: bytes, encoding: str) -> bool:
    """Whether a text that could be UTF-8 is more likely in the encoding of the rest of its set."""
    try:
        read = data.decode(encoding)
    except UnicodeDecodeError:
        return False
    plain = data.decode()
    alphabets = (language for other in _ALPHABETS for language in ENCODINGS[other].languages)
    as_utf8 = max(language(plain) for language in alphabets)
    return max(language(read) for language in ENCODINGS[encoding].languages) > as_utf8


def looks_broken(data: bytes) -> bool:
    """Whether it is mostly UTF-8 with a few damaged bytes: nobody should be asked for an encoding then."""
    kept = data.decode(errors="ignore")
    good, bad = sum(sign > "\x7f" for sign in kept), len(data) - len(kept.encode())
    return good >= 8 and bad <= good // 8


def decoded(data: bytes, encoding: str) -> str:
    """Decode the text. Raises UnicodeDecodeError."""
    return data.decode(encoding)


def guess(texts: Iterable[bytes], *, names: bool = False) -> Guess | None:
    """Guess the encoding of a set of texts; None if no encoding makes sense of them. `names`: of files in a zip."""
    phrases = _phrases(texts)
    signs = max(1, sum(byte > 0x7F for phrase in phrases for byte in phrase))
    readings = {
        name: reading
        for name, encoding in ENCODINGS.items()
        if (names or not encoding.names_only) and (reading := _reading(phrases, name, encoding))
    }
    ranked = sorted(readings.values(), key=lambda reading: -reading.likelihood)
    if not ranked or ranked[0].likelihood / signs < _JUNK:
        return None
    best = ranked[0]
    # Encodings that decode to the same words count as one answer.
    others = [reading for reading in ranked[1:] if reading.words != best.words]
    margin = best.likelihood - others[0].likelihood if others else math.inf
    if best.odd > MOST_ODD * len(phrases):
        margin = 0.0  # some of the set is in another encoding
    sure = margin >= SURE or (margin >= NEAR and _second_opinion(phrases, [best, *others[:4]]) == best.name)
    return Guess(best.name, sure, tuple(reading.name for reading in others))


@dataclass(frozen=True, slots=True)
class _Reading:
    name: str
    likelihood: float
    words: tuple[str, ...]
    odd: int  # phrases that make no sense in its language


def _phrases(texts: Iterable[bytes]) -> list[bytes]:
    """The phrases between commas and line ends, each once: a phrase all captions share is no further evidence."""
    found: dict[bytes, None] = {}
    size = 0
    for text in texts:
        for phrase in re.split(rb"[,\r\n/]", text):
            stripped = phrase.strip()
            if stripped not in found and not stripped.isascii():
                found[stripped] = None
                size += len(stripped)
        if size > MOST_LOOKED_AT:
            break
    return list(found)


def _reading(phrases: Sequence[bytes], name: str, encoding: Encoding) -> _Reading | None:
    """The likelihood of the phrases in an encoding; None if too many of them cannot be decoded."""
    words: list[str] = []
    unread = 0
    for phrase in phrases:
        try:
            words.append(phrase.decode(name))
        except UnicodeDecodeError:
            unread += 1
            words.append("")
            if unread > MOST_UNREAD * len(phrases):
                return None
    rated = max(([language(text) for text in words] for language in encoding.languages), key=sum)
    likelihood = sum(rated) + unread * UNREAD + encoding.handicap
    sizes = [len(phrase) - sum(sign.isascii() for sign in text) for phrase, text in zip(phrases, words, strict=True)]
    odd = sum(size >= LONG and rate < ODD * size for rate, size in zip(rated, sizes, strict=True))
    return _Reading(name, likelihood, tuple(words), odd)


def _second_opinion(phrases: Sequence[bytes], readings: Sequence[_Reading]) -> str:
    """Which of these encodings charset-normalizer chooses."""
    # Most files of captions are UTF-8, and need no second opinion.
    import charset_normalizer

    names = [reading.name for reading in readings]
    found = charset_normalizer.from_bytes(b"\n".join(phrases), cp_isolation=names, enable_fallback=False).best()
    if found is None:
        return ""
    return next((name for name in names if found.encoding.replace("-", "_") == name), found.encoding)


# --- Likelihoods of characters in a language, as natural logarithms


def _share(share: float, signs: int) -> float:
    return math.log(share / signs)


# Where letters of an alphabet meet ASCII: mostly half a two-byte character.
_SEAM = re.compile(r"[^\W\d_](?<![\x00-\x7f])(?=[@-~])|[@-~](?=[^\W\d_])(?![\x00-\x7f])")
_AT_A_SEAM = -6.0


def _by_sign(rate: Callable[[str], float]) -> Callable[[str], float]:
    """The likelihood of a text as the sum over its non-ASCII characters."""
    known = cache(rate)
    return lambda text: sum(known(sign) for sign in text if sign > "\x7f")


def _lead(sign: str, codec: str) -> int:
    """The first byte of a two-byte character in a codec; 0 for others."""
    try:
        data = sign.encode(codec)
    except UnicodeEncodeError:
        return 0
    return data[0] if len(data) == 2 else 0


def _simplified(sign: str) -> float:
    lead = _lead(sign, "gb2312")
    if sign in SIMPLIFIED:
        return _share(0.6, len(SIMPLIFIED))
    if 0xB0 <= lead <= 0xD7:
        return _share(0.38, 3755)
    if 0xD8 <= lead <= 0xF7:
        return _share(0.02, 3008)
    return -5.0 if lead in (0xA1, 0xA3) else -11.0 if lead else -14.0


def _traditional(sign: str) -> float:
    lead = _lead(sign, "big5")
    if sign in TRADITIONAL:
        return _share(0.6, len(TRADITIONAL))
    if 0xA4 <= lead <= 0xC6:
        return _share(0.38, 5401)
    if 0xC9 <= lead <= 0xF9:
        return _share(0.02, 7652)
    return -5.0 if lead in (0xA1, 0xA2) else -11.0 if lead else -14.0


def _japanese(sign: str) -> float:
    if "\u3041" <= sign <= "\u3093":
        return _share(0.4, 83)
    if "\u30a1" <= sign <= "\u30fc":
        return _share(0.2, 90)
    if sign in KANJI:
        return _share(0.3, len(KANJI))
    lead = _lead(sign, "euc_jp")
    if 0xB0 <= lead <= 0xCF:
        return _share(0.15, 2965)
    if 0xD0 <= lead <= 0xF4:
        return _share(0.005, 3390)
    if "\uff61" <= sign <= "\uff9f":
        return -9.5  # half-width, one byte
    return -5.5 if lead in (0xA1, 0xA3) else -11.0 if lead else -14.0


def _korean(sign: str) -> float:
    if sign in HANGUL:
        return _share(0.85, len(HANGUL))
    lead = _lead(sign, "euc_kr")
    if 0xB0 <= lead <= 0xC8:
        return _share(0.13, 2350)
    if 0xCA <= lead <= 0xFD:
        return _share(0.01, 4888)
    return -5.5 if lead in (0xA1, 0xA3) else -11.0 if lead else -13.0


_WORD = re.compile(r"[^\W\d_]+")
_USUAL = frozenset("«»„“”‘’–—…°№©®™\u00a0•·€£§")  # characters beside letters


def _letters(rate: Callable[[str], float], *, latin: bool = False) -> Callable[[str], float]:
    """The likelihood of a text in an alphabet: words of one alphabet, with capitals first or throughout."""
    known = cache(rate)

    @lru_cache(maxsize=20_000)
    def of_word(word: str) -> float:
        foreign = [sign for sign in word if sign > "\x7f"]
        if not foreign:
            return 0.0
        found = sum(known(sign.lower()[:1]) for sign in foreign)
        if latin:
            alone = len(foreign) == len(word)
            found -= 3.0 * max(0, len(foreign) - 1 - len(word) // 3) + (4.0 if alone else 0.0)
        # Capitals come first. Words in capitals are rare; capitals after small letters do not occur in words.
        bumps = sum(one.islower() and other.isupper() for one, other in pairwise(word))
        shouts = sum(one.isupper() and other.isupper() for one, other in pairwise(word))
        return found - 7.0 * bumps - 0.7 * shouts

    def likelihood(text: str) -> float:
        marks = sum(_mark(sign) for sign in text if sign > "\x7f" and not sign.isalpha())
        seams = 0 if latin else len(_SEAM.findall(text))
        return marks + sum(map(of_word, _WORD.findall(text))) + _AT_A_SEAM * seams

    return likelihood


def _mark(sign: str) -> float:
    """A character that is not a letter."""
    if sign in _USUAL:
        return -6.0
    return -20.0 if unicodedata.category(sign).startswith("C") else -10.0


def _shared(shares: Mapping[str, float], sign: str) -> float:
    share = shares.get(sign)
    return math.log(share / 100) if share else -11.0


def _thai(text: str) -> float:
    """Marks are only above and below consonants; half of the letters are rare."""
    found = 0.0
    for before, sign in pairwise(f" {text}"):
        if sign in THAI_MARKS:
            found -= 3.6 if before in THAI or before in THAI_MARKS else 12.0
        elif sign > "\x7f":
            found -= 3.5 if sign in THAI else 9.0
    return found + _AT_A_SEAM * len(_SEAM.findall(text))


def _ends(text: str, rate: Callable[[str], float], last: str, inner: str) -> float:
    """Some letters have a final form, which is used only, and always, at the end of words."""
    wrong = sum(
        (word[-1] in inner) + sum(sign in last for sign in word[:-1]) for word in _WORD.findall(text) if len(word) > 1
    )
    return rate(text) - 5.0 * wrong


def _latin(languages: Iterable[str]) -> tuple[Callable[[str], float], ...]:
    """Each language has a few letters beside ASCII; others occur in foreign names."""
    return tuple(_letters(partial(_latin_sign, letters), latin=True) for letters in languages)


def _latin_sign(letters: str, sign: str) -> float:
    if sign in letters:
        return _share(0.9, len(letters)) - 1.5
    return -8.0 if unicodedata.name(sign, "").startswith("LATIN") else -11.0


def _script(script: str, usual: float) -> Callable[[str], float]:
    def rate(sign: str) -> float:
        return usual if unicodedata.name(sign, "").startswith(script) else -11.0

    return rate


_russian = _letters(partial(_shared, CYRILLIC))
_hellenic = _letters(partial(_shared, GREEK))
_arabic = _letters(partial(_shared, ARABIC))
_hebrew = _letters(_script("HEBREW", -3.2))
_western, _central, _turkish, _baltic = map(_latin, (WESTERN, CENTRAL, TURKISH, BALTIC))

ENCODINGS: dict[str, Encoding] = {
    "gb18030": Encoding(_("GBK (simplified Chinese)"), (_by_sign(_simplified),)),
    "cp950": Encoding(_("Big5 (traditional Chinese)"), (_by_sign(_traditional),)),
    "big5hkscs": Encoding(_("Big5 of Hong Kong (traditional Chinese)"), (_by_sign(_traditional),), -3.0),
    "cp932": Encoding(_("Shift JIS (Japanese)"), (_by_sign(_japanese),)),
    "euc_jp": Encoding(_("EUC-JP (Japanese)"), (_by_sign(_japanese),), -1.0),
    "cp949": Encoding(_("EUC-KR (Korean)"), (_by_sign(_korean),)),
    "cp1251": Encoding(_("Windows-1251 (Cyrillic)"), (_russian,)),
    "koi8_r": Encoding(_("KOI8-R (Russian)"), (_russian,), -1.0),
    "koi8_u": Encoding(_("KOI8-U (Ukrainian)"), (_russian,), -2.0),
    "cp866": Encoding(_("DOS 866 (Cyrillic)"), (_russian,), -2.0),
    "iso8859_5": Encoding(_("ISO 8859-5 (Cyrillic)"), (_russian,), -4.0),
    "mac_cyrillic": Encoding(_("Mac Cyrillic"), (_russian,), -4.0),
    "cp1252": Encoding(_("Windows-1252 (western Europe)"), _western),
    "mac_roman": Encoding(_("Mac Roman (western Europe)"), _western, -5.0),
    "cp1250": Encoding(_("Windows-1250 (central Europe)"), _central, -1.0),
    "iso8859_2": Encoding(_("ISO 8859-2 (central Europe)"), _central, -3.0),
    "cp1254": Encoding(_("Windows-1254 (Turkish)"), _turkish, -1.0),
    "cp1253": Encoding(_("Windows-1253 (Greek)"), (lambda text: _ends(text, _hellenic, "ς", "σ"),), -3.0),
    "cp1255": Encoding(_("Windows-1255 (Hebrew)"), (lambda text: _ends(text, _hebrew, "ךםןףץ", "כמנצ"),), -3.0),
    "cp1256": Encoding(_("Windows-1256 (Arabic)"), (lambda text: _ends(text, _arabic, "ةى", ""),), -3.0),
    "cp1257": Encoding(_("Windows-1257 (Baltic)"), _baltic, -4.0),
    "cp1258": Encoding(_("Windows-1258 (Vietnamese)"), _western, -4.0),
    "cp874": Encoding(_("Windows-874 (Thai)"), (_thai,), -3.0),
    "cp437": Encoding(_("DOS 437 (western Europe)"), _western, -1.0, names_only=True),
    "cp850": Encoding(_("DOS 850 (western Europe)"), _western, -1.0, names_only=True),
    "cp852": Encoding(_("DOS 852 (central Europe)"), _central, -2.0, names_only=True),
}
# Their letters take two bytes in UTF-8.
_ALPHABETS = ("cp1251", "cp1252", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257")
