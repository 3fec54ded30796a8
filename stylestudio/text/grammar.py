"""How people write prompts, trigger words and captions, parsed in one place.

Phrases are separated by commas. A comma inside a number (1,000), a quotation or brackets belongs to its phrase.

Parentheses have two meanings. `(words:1.2)`, and `(words)` as a whole phrase, are *emphasis*, as engines use it. All
others, such as those of `artoria pendragon (fate)`, are *letters*, whether they are written like that or as
`\\(fate\\)`. ComfyUI reads every parenthesis without a backslash as emphasis; sd-scripts knows neither emphasis nor
backslashes. Stored text is therefore converted to the spelling of each: see `for_comfyui` and `for_sd_scripts`. Prompts
that people type for an engine are already in that engine's spelling and are never changed.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_MARKS = ",，、\n"
_MARK = re.compile(f"[{_MARKS}]")
# Digits separated by commas: 1,000 or 3,5; or thousands followed by a unit: 1,000m.
_NUMBER = re.compile(r"(?<!\w)(?:\d+(?:[,，]\d+)+(?!\w)|\d{1,3}(?:[,，]\d{3})+(?!\d))")
_PAIRS = {"(": ")", "[": "]", "{": "}", "（": "）", "【": "】"}
_CLOSING = set(_PAIRS.values())
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "《": "》", "«": "»", "„": "“"}
_EYES = ":;="  # before a parenthesis without words, they form a face
_DECADE = re.compile(r"\d\ds?\b")  # '90s
_LATIN = re.compile(r"[0-9A-Za-z]")
_DEEPEST = 24  # levels of nested emphasis; anything deeper is letters
_MOST_WEIGHT = 10.0
_WEIGHT = re.compile(r"(.*\S)\s*:\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\Z", re.DOTALL)


# --- Phrases


def pieces(text: str) -> list[tuple[str, str]]:
    """The phrases of `text`, each with the comma or line break after it; joined they give `text` again."""
    found, begin = [], 0
    for place in _separators(text):
        found.append((text[begin:place], text[place]))
        begin = place + 1
    return [*found, (text[begin:], "")]


def split(text: str) -> list[str]:
    """The phrases in order, with single spaces between words and without empty ones."""
    return [phrase for piece, _mark in pieces(text) if (phrase := " ".join(piece.split()))]


def join(phrases: Iterable[str]) -> str:
    """Join phrases into a text."""
    return ", ".join(phrases)


def _separators(text: str) -> list[int]:
    """The positions of commas and line breaks that separate phrases."""
    places = [found.start() for found in _MARK.finditer(text)]
    if not places:
        return []
    inside = _whole(text)
    begins = [begin for begin, _end in inside]
    kept = []
    for place in places:
        nearest = bisect_right(begins, place) - 1
        if nearest < 0 or inside[nearest][1] <= place:
            kept.append(place)
    return kept


def _whole(text: str) -> list[tuple[int, int]]:
    """Spans that no comma splits, in order, not nested."""
    spans = sorted([*(found.span() for found in _NUMBER.finditer(text)), *_enclosed(text)])
    outer: list[tuple[int, int]] = []
    for begin, end in spans:
        if outer and begin < outer[-1][1]:
            outer[-1] = outer[-1][0], max(end, outer[-1][1])
        else:
            outer.append((begin, end))
    return outer


def _enclosed(text: str) -> Iterator[tuple[int, int]]:
    """Quotations, and the contents of brackets."""
    closers = _Closers(text)
    opened: list[tuple[str, int]] = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign in _QUOTES and (end := closers.of(sign, place)):
            yield place, end
            place = end
            continue
        if (sign in _PAIRS or sign in _CLOSING) and not _is_face(text, place):
            yield from _bracket(opened, sign, place)
        place += 1


def _bracket(opened: list[tuple[str, int]], sign: str, place: int) -> Iterator[tuple[int, int]]:
    """Record an opening bracket; at a closing one, yield the span back to the bracket that it closes, if any."""
    if sign in _PAIRS:
        opened.append((_PAIRS[sign], place))
        return
    wanted = next((depth for depth in reversed(range(len(opened))) if opened[depth][0] == sign), None)
    if wanted is not None:
        yield opened[wanted][1], place + 1
        del opened[wanted:]


class _Closers:
    """The ends of quotations in a text. Each kind of mark is searched for once, so that no text takes long."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[str, list[int]] = {}

    def of(self, sign: str, place: int) -> int:
        """The end of the quotation that the mark at `place` opens; 0 if it opens none, such as an apostrophe."""
        if not self._opens(sign, place):
            return 0
        close = _QUOTES[sign]
        if close not in self._places:
            self._places[close] = self._all(close)
        places = self._places[close]
        following = bisect_right(places, place)
        return places[following] + 1 if following < len(places) else 0

    def _opens(self, sign: str, place: int) -> bool:
        if sign not in "\"'":
            return True
        before, after = self._text[place - 1 : place], self._text[place + 1 : place + 6]
        if _LATIN.match(before) or not after or after[0].isspace() or after[0] in _MARKS:
            return False
        return sign == '"' or not _DECADE.match(after)

    def _all(self, close: str) -> list[int]:
        places = [found.start() for found in re.finditer(re.escape(close), self._text)]
        if close not in "'’":
            return places
        return [place for place in places if not _LATIN.match(self._text[place + 1 : place + 2])]


def _is_face(text: str, place: int) -> bool:
    """Whether the bracket at `place` belongs to a face such as :) or ;-( and encloses nothing."""
    before = text[max(0, place - 3) : place].removesuffix("\\")[-2:]
    if not (before and (before[-1] in _EYES or (before[-1] == "-" and before[0] in _EYES))):
        return False
    after = text[place + 1 : place + 2]
    return text[place] in _CLOSING or not after or after.isspace() or after in _MARKS


# --- Emphasis


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Words that an engine weights: `weight` is as written, "" for bare parentheses."""

    inside: tuple[str | Emphasis, ...]
    weight: str


@lru_cache(maxsize=8192)
def parse(text: str) -> tuple[str | Emphasis, ...]:
    """Letters and emphasised parts, in order. The letters contain parentheses with and without backslashes."""
    return _parsed(text, _DEEPEST)


def _parsed(text: str, depth: int) -> tuple[str | Emphasis, ...]:
    if "(" not in text or not depth:
        return (text,) if text else ()
    found: list[str | Emphasis] = []
    for piece, mark in pieces(text):
        found += [*_phrase(piece, depth), *([mark] if mark else [])]
    return tuple(found)


def _phrase(piece: str, depth: int) -> Iterator[str | Emphasis]:
    """Parse one phrase. Parentheses are emphasis if they contain a weight or enclose the whole phrase."""
    begin = 0
    trimmed = len(piece) - len(piece.lstrip()), len(piece.rstrip())
    for opens, closes in _groups(piece):
        words, weight = _weighted(piece[opens + 1 : closes])
        if not weight and not ((opens, closes + 1) == trimmed and _stays_bare(words)):
            continue
        if opens > begin:
            yield from _letters(piece[begin:opens], depth)
        yield Emphasis(_parsed(words, depth - 1), weight)
        begin = closes + 1
    if begin < len(piece):
        yield from _letters(piece[begin:], depth)


def _letters(text: str, depth: int) -> Iterator[str | Emphasis]:
    """Letters with parentheses that are not emphasis; inside them there may be some."""
    begin = 0
    for opens, closes in _groups(text):
        yield text[begin : opens + 1]
        yield from _parsed_inside(text[opens + 1 : closes], depth - 1)
        begin = closes
    if begin < len(text):
        yield text[begin:]


def _parsed_inside(text: str, depth: int) -> tuple[str | Emphasis, ...]:
    """The contents of parentheses that are letters: inside them bare parentheses are letters too."""
    if "(" not in text or depth <= 0:
        return (text,) if text else ()
    found: list[str | Emphasis] = []
    begin = 0
    for opens, closes in _groups(text):
        words, weight = _weighted(text[opens + 1 : closes])
        found.append(text[begin : opens + (0 if weight else 1)])
        found += [Emphasis(_parsed(words, depth - 1), weight)] if weight else _parsed_inside(words, depth - 1)
        begin = closes + (1 if weight else 0)
    return tuple(part for part in (*found, text[begin:]) if part)


def _groups(text: str) -> list[tuple[int, int]]:
    """The outermost pairs of parentheses without backslashes: where each opens and closes."""
    found: list[tuple[int, int]] = []
    opened: list[int] = []
    for place, sign in enumerate(text):
        if sign not in "()" or text[place - 1 : place] == "\\" or _is_face(text, place):
            continue
        if sign == "(":
            opened.append(place)
        elif opened:
            begin = opened.pop()
            while found and found[-1][0] > begin:
                found.pop()
            found.append((begin, place))
    return found


def _weighted(content: str) -> tuple[str, str]:
    """The words and the weight in a pair of parentheses; the weight is "" if there is none."""
    found = _WEIGHT.match(content)
    if found is None or abs(float(found[2])) > _MOST_WEIGHT:
        return content, ""
    # 16:9 and 12:30 are not weights.
    is_ratio = found[1][-1].isdigit() and "." not in found[2]
    return (content, "") if is_ratio else (found[1], found[2])


def _stays_bare(words: str) -> bool:
    """Whether ComfyUI would find no unintended weight: it takes whatever follows the last colon."""
    try:
        float(words.rpartition(":")[2] if words.rfind(":") > 0 else "none")
    except ValueError:
        return bool(words.strip())
    return False


def for_comfyui(text: str) -> str:
    """A trigger or caption in ComfyUI's spelling: parentheses that are letters get exactly one backslash."""
    return _written(parse(text)) if "(" in text or ")" in text else text


def _written(parts: Iterable[str | Emphasis]) -> str:
    return "".join(
        re.sub(r"(?<!\\)[()]", r"\\\g<0>", part)
        if isinstance(part, str)
        else f"({_written(part.inside)}{':' if part.weight else ''}{part.weight})"
        for part in parts
    )


def for_sd_scripts(text: str) -> str:
    """A caption in the spelling of sd-scripts, which reads every letter: words without weights and backslashes."""
    return _spoken(parse(text)) if "(" in text or ")" in text else text


def _spoken(parts: Iterable[str | Emphasis]) -> str:
    return "".join(unescaped(part) if isinstance(part, str) else _spoken(part.inside) for part in parts)


def unescaped(text: str) -> str:
    """The text with `\\(` and `\\)` as parentheses."""
    return text.replace("\\(", "(").replace("\\)", ")")


def has_emphasis(text: str) -> bool:
    """Whether the text contains a weight, which sd-scripts does not know."""
    return any(isinstance(part, Emphasis) for part in parse(text))


def as_comfyui_reads(text: str) -> list[tuple[str, float]]:
    """Read a prompt as ComfyUI's text encoder does: words with their weights.

    Every pair of parentheses without backslashes means 1.1 times, or the number after its last colon, whatever it
    contains (0.3.64 to 0.33.0). An unmatched closing one makes everything after it plain words.
    """
    hidden = text.replace("\\)", "\0\1").replace("\\(", "\0\2")
    found = _comfy_weights(hidden, 1.0, _DEEPEST)
    return [(words.replace("\0\1", ")").replace("\0\2", "("), weight) for words, weight in found]


def _comfy_weights(text: str, weight: float, depth: int) -> Iterator[tuple[str, float]]:
    for part in _comfy_parts(text):
        if not (depth and len(part) >= 2 and part[0] == "(" and part[-1] == ")"):
            yield part, weight
            continue
        words, inner = part[1:-1], weight * 1.1
        colon = words.rfind(":")
        if colon > 0:
            with contextlib.suppress(ValueError):
                inner, words = float(words[colon + 1 :]), words[:colon]
        yield from _comfy_weights(words, inner, depth - 1)


def _comfy_parts(text: str) -> Iterator[str]:
    """Split the text around its outermost parentheses, counted as the engine does."""
    level, begin = 0, 0
    for found in re.finditer(r"[()]", text):
        level += 1 if found[0] == "(" else -1
        if found[0] == "(" and level == 1:
            if found.start() > begin:
                yield text[begin : found.start()]
            begin = found.start()
        elif found[0] == ")" and level == 0:
            yield text[begin : found.end()]
            begin = found.end()
    if begin < len(text):
        yield text[begin:]


# --- Spellings

_NO_EDGES = re.compile(  # scripts without spaces between words
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_ONE_BY_ONE = re.compile(rf"{_NO_EDGES.pattern}|(?:(?!{_NO_EDGES.pattern}).)+", re.DOTALL)
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")  # words, whose endings are attached to them
_SPACE_AROUND = re.compile(rf"\s+(?={_NO_EDGES.pattern})|(?<={_NO_EDGES.pattern})\s+")
_NUMBER_BEFORE_END = re.compile(r"\s*:\s*[+-]?[\d.]+\s*\)")
_GAPS = re.compile(r"[\s_\-\u2010-\u2015]+")
_APOSTROPHES = re.compile(r"[\u2018\u2019\u02bc\u00b4`]")


def key(phrase: str) -> str:
    """A key shared by all spellings of one phrase: case, width, underscores for spaces, backslashes and weights are
    ignored.
    """
    words = for_sd_scripts(phrase)
    return " ".join(re.sub(r"(?<=\w)_(?=\w)", " ", _flat(words)).split())


def _flat(text: str) -> str:
    """Normalise case and width."""
    once = unicodedata.normalize("NFKC", text).casefold()
    return _APOSTROPHES.sub("'", unicodedata.normalize("NFKC", once))


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Words alone: no parentheses, no weights, one space between words, and none next to scripts without spaces."""
    words = _NUMBER_BEFORE_END.sub(")", unescaped(_flat(text)))
    spaced = _GAPS.sub(" ", re.sub(r"[()（）]", " ", words))
    return _SPACE_AROUND.sub("", spaced).strip()


@lru_cache(maxsize=4096)
def _level(text: str) -> str:
    """If a phrase has no words, such as :), its signs count."""
    return " ".join(unescaped(_flat(text)).split())


def contains(text: str, phrase: str) -> bool:
    """Whether `text` contains `phrase` as whole words, in any spelling of either."""
    has_words = any(sign.isalnum() for sign in _folded(phrase))
    inside, wanted = (_folded(text), _folded(phrase)) if has_words else (_level(text), _level(phrase))
    place = inside.find(wanted) if wanted else -1
    while place >= 0:
        end = place + len(wanted)
        behind = inside[end : end + 1]
        if _is_edge(inside[place - 1 : place], wanted[0]) and (
            _is_edge(wanted[-1], behind) or _HANGUL.match(wanted[-1])
        ):
            return True
        place = inside.find(wanted, place + 1)
    return False


def _is_edge(before: str, after: str) -> bool:
    """Whether a word can end between two adjacent characters; "" is the end of the text."""
    if not (before and after) or not (_in_word(before) and _in_word(after)):
        return True
    return bool(_NO_EDGES.match(before) or _NO_EDGES.match(after))


def _in_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def missing(text: str, phrases: Iterable[str]) -> list[str]:
    """The phrases that `text` does not contain yet, in order, without duplicates."""
    left: list[str] = []
    for phrase in phrases:
        if phrase.strip() and not contains(text, phrase) and not any(contains(other, phrase) for other in left):
            left.append(phrase)
    return left


_GAP, _OPEN = r"(?:[\s_]|\\?[()])+", r"(?:[\s_]|\\?[()])*"


def _apart(word: str) -> list[str]:
    """Split scripts without spaces into single characters, because spaces may occur between any of them."""
    return [part for part in _ONE_BY_ONE.findall(word) if part]


def _touch(one: str, other: str) -> bool:
    return bool(_NO_EDGES.match(one) or _NO_EDGES.match(other))


def pattern(phrase: str) -> re.Pattern[str] | None:
    """A pattern that finds `phrase` as whole words in its usual spellings; None for a phrase without words."""
    words = [word for part in re.split(r"[\s_]+|\\?[()]", unescaped(phrase)) for word in _apart(part)]
    if not words:
        return None
    gaps = [_OPEN if _touch(one[-1], other[0]) else _GAP for one, other in pairwise(words)]
    core = "".join(map("".join, zip(map(re.escape, words), [*gaps, ""], strict=True)))
    head, tail = (r"\\?\(" if phrase.lstrip("\\")[:1] == "(" else ""), (r"\\?\)" if phrase[-1:] == ")" else "")
    left = "" if _NO_EDGES.match(words[0][0]) else r"(?<![0-9A-Za-z_])" if words[0][0].isascii() else r"(?<!\w)"
    right = "" if _NO_EDGES.match(words[-1][-1]) or tail else r"(?![0-9A-Za-z_])" if words[-1].isascii() else r"(?!\w)"
    return re.compile(f"{left}(?:{head})?{core}(?:{tail})?{right}", re.IGNORECASE)


def without_front(text: str, words: str) -> str:
    """Remove the trigger words at the front of a caption, in any spelling; otherwise return it unchanged."""
    rest = text.strip()
    for phrase in split(words):
        found = pattern(phrase)
        match = found.match(rest) if found else None
        behind = rest[match.end() :] if match else ""
        if match is None or (behind.strip() and behind.lstrip(" ")[0] not in ",.;:，。、；：\n"):
            return text
        rest = behind.lstrip(" ,.;:，。、；：\n")
    return rest if split(words) else text


# --- Templates

_PLACE = re.compile(r"\{trigger\}|\{caption\}")
_SEAM = " ,，、"  # not repeated if two parts meet


def compose(template: str, trigger_words: str, caption: str) -> str:
    """Fill the template with trigger words and caption. Commas of the template disappear with empty parts; what people
    wrote is not changed. Trigger words that the caption already contains are not repeated in front of it.
    """
    wanted = split(trigger_words)
    left = missing(caption, wanted) if caption else wanted
    trigger = trigger_words if len(left) == len(wanted) else join(left)
    made, between = "", ""
    for piece, mark in pieces(template):
        alone = piece.strip() == "{trigger}"
        values = {"{trigger}": trigger if alone else trigger_words, "{caption}": caption}
        if filled := _filled(piece, values).strip():
            made = f"{made.rstrip(_SEAM)}{between}{filled.lstrip(_SEAM)}" if made else filled
            between = ", " if mark == "," else mark
    return made


def _filled(piece: str, values: Mapping[str, str]) -> str:
    """Substitute all at once, so that words that look like a placeholder remain words."""
    return _PLACE.sub(lambda found: values[found[0]], piece)
