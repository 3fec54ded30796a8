"""Parses prompts: which things they name, in which colours, time of day and weather."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from stylestudio.preview_engine.painter import lexicon
from stylestudio.preview_engine.painter.colour import rgb
from stylestudio.preview_engine.painter.fields import Field

TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z]+)*|[\u3400-\u9fff]+|[,.;:]")
REACH = 2  # how many words a colour may precede its thing by


@dataclass(frozen=True, slots=True)
class Concept:
    """The meaning of a known word: `family` is a table of the lexicon, `name` a row of it."""

    family: str
    name: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to draw. `colour` comes from the prompt, or is None; `many` if the word was a plural."""

    name: str
    family: str
    colour: Field | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a prompt names, minus what its negative prompt excludes."""

    subjects: tuple[Subject, ...]
    settings: tuple[str, ...]
    times: tuple[str, ...]
    weather: tuple[str, ...]
    moods: tuple[str, ...]
    sky: Mapping[str, Field | None]
    tints: tuple[Field, ...]
    words: tuple[str, ...]

    def of(self, *families: str) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.subjects if subject.family in families)


def _tables() -> dict[str, Mapping[str, str]]:
    return {
        "time": lexicon.TIMES,
        "weather": lexicon.WEATHER,
        "mood": lexicon.MOODS,
        "sky": lexicon.SKY,
        "setting": lexicon.SETTINGS,
        "interface": lexicon.INTERFACE,
        "effect": lexicon.EFFECTS,
        "space": lexicon.SPACE,
        "item": lexicon.ITEMS,
        "figure": lexicon.FIGURES,
        "landmark": lexicon.LANDMARKS,
        "colour": {name: words for name, (_, words) in lexicon.COLOURS.items()},
    }


def _dictionary() -> dict[str, tuple[Concept, ...]]:
    """Every known word with all its meanings: "golden" is a colour and a mood."""
    meanings: dict[str, list[Concept]] = {}
    for family, table in _tables().items():
        for name, words in table.items():
            for word in words.split():
                meanings.setdefault(word, []).append(Concept(family, name))
    return {word: tuple(concepts) for word, concepts in meanings.items()}


KNOWN = _dictionary()
_ENGLISH = {word: concepts[0].name for word, concepts in KNOWN.items() if not word.isascii()}
_ENGLISH |= lexicon.IDLE_CHINESE
LONGEST_CHINESE = max(len(word) for word in _ENGLISH)
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
DRAWN = frozenset({"effect", "space", "item", "figure", "landmark", "interface"})


def read(prompt: str, negative: str = "") -> Reading:
    """Parse a prompt. Words of `negative`, and words after "no" or "without", are excluded with all their synonyms."""
    tokens = list(_tokens(prompt))
    unwanted = {concept for token, _ in _tokens(negative) for concept in KNOWN.get(token, ())}
    silenced = _negated(tokens)
    unwanted |= {concept for index in silenced for concept in KNOWN.get(tokens[index][0], ())}

    subjects: dict[str, Subject] = {}
    named: dict[str, list[str]] = {family: [] for family in ("setting", "time", "weather", "mood")}
    sky: dict[str, Field | None] = {}
    tints: list[Field] = []
    colours: list[tuple[int, Field]] = []
    words: list[str] = []

    def paint_for(index: int) -> Field | None:
        """The colour just before the word at `index`; once taken, it no longer tints the whole picture."""
        while colours and index - colours[0][0] > REACH:
            tints.append(colours.pop(0)[1])
        return colours.pop()[1] if colours else None

    for index, (word, plural) in enumerate(tokens):
        if word in ",.;:":
            tints.extend(colour for _, colour in colours)
            colours.clear()
            continue
        if index in silenced or word in lexicon.NEGATIONS:
            continue
        concepts = [concept for concept in KNOWN.get(word, ()) if concept not in unwanted]
        if word not in lexicon.IDLE and (concepts or word not in KNOWN):
            words.append(word)
        if _is_sea_of_fog(tokens, index) or (
            word == "ring" and (_names_effect(tokens, index - 1) or "planet" in subjects)
        ):
            continue
        if word == "tree" and index > 0 and (plant := _plant_of(tokens[index - 1][0])) in subjects:
            subjects[plant] = replace(subjects[plant], many=plural)
            continue
        if word == "background" and colours:
            sky["background"] = colours.pop()[1]
            continue
        drawn = [concept for concept in concepts if concept.family in DRAWN]
        for concept in concepts:
            if concept.family == "colour" and not _names_thing(drawn, tokens, index):
                colours.append((index, rgb(lexicon.COLOURS[concept.name][0])))
            elif concept.family in named and concept.name not in named[concept.family]:
                named[concept.family].append(concept.name)
                if concept.family in ("setting", "weather") and not drawn:
                    colour = paint_for(index)
                    if colour is not None:
                        sky[concept.name] = colour
                        if concept.name == "fireflies":
                            tints.append(colour)
            elif concept.family == "sky" and concept.name not in sky:
                sky[concept.name] = paint_for(index)
        if drawn and drawn[0].name not in subjects and not _is_colour_word(concepts, drawn, tokens, index):
            several = plural or (index > 0 and tokens[index - 1][0] in lexicon.NUMBERS)
            subjects[drawn[0].name] = Subject(drawn[0].name, drawn[0].family, paint_for(index), several)
    tints.extend(colour for _, colour in colours)
    return Reading(
        tuple(subjects.values()),
        tuple(named["setting"]),
        tuple(named["time"]),
        tuple(named["weather"]),
        tuple(named["mood"]),
        sky,
        tuple(tints),
        tuple(words),
    )


def _tokens(text: str) -> Iterable[tuple[str, bool]]:
    """Lower-case words in their dictionary form, each with whether it was a plural."""
    text = text.lower()
    for phrase, word in lexicon.PHRASES.items():
        text = text.replace(phrase, word)
    for token in TOKEN.findall(text):
        if not token.isascii():
            yield from ((word, False) for word in _chinese(token, KNOWN))
        elif token in KNOWN or len(token) < 4:
            yield token, _singular(token) != token and _singular(token) in KNOWN
        else:
            singular = _singular(token)
            if singular in KNOWN:
                yield singular, singular != token
            elif "-" in token:
                # "rune-carved shield" is a shield: only the last part of a compound may name a thing.
                *first, last = token.split("-")
                yield from ((part, False) for part in first if not _drawn(part))
                yield from _tokens(last)
            else:
                yield token, False


def _drawn(word: str) -> bool:
    return any(concept.family in DRAWN for concept in KNOWN.get(word, ()))


def _singular(word: str) -> str:
    for ending, instead in (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", "")):
        if word.endswith(ending) and word[: -len(ending)] + instead in KNOWN:
            return word[: -len(ending)] + instead
    return word


def in_english(text: str) -> str:
    """A text with its Chinese words in English, as far as they are known; the others stay as they are."""
    return _CHINESE.sub(lambda run: f"{_gap(text, run.start())}{_english(run[0])}{_gap(text, run.end())}", text)


def _english(run: str) -> str:
    said: list[str] = []
    for word in _chinese(run, _ENGLISH):
        if word not in _ENGLISH and said and _CHINESE.fullmatch(said[-1]):
            said[-1] += word
        elif words := _ENGLISH.get(word, word):
            said.append(words)
    return " ".join(said)


def _gap(text: str, at: int) -> str:
    """A space where Chinese meets a letter or digit without one."""
    return " " if 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum() else ""


def _chinese(run: str, known: Container[str]) -> Iterable[str]:
    """Known words in a run without spaces, longest first; the rest character by character."""
    at = 0
    while at < len(run):
        for length in range(min(LONGEST_CHINESE, len(run) - at), 0, -1):
            word = run[at : at + length]
            if word in known or length == 1:
                yield word
                at += length
                break


def _negated(tokens: list[tuple[str, bool]]) -> set[int]:
    """The words that "no", "without" and the like exclude: the next known one."""
    silenced: set[int] = set()
    for index, (token, _) in enumerate(tokens):
        if token in lexicon.NEGATIONS:
            for after in range(index + 1, min(index + 4, len(tokens))):
                silenced.add(after)
                if tokens[after][0] in KNOWN and KNOWN[tokens[after][0]][0].family != "colour":
                    break
    return silenced


def _is_sea_of_fog(tokens: list[tuple[str, bool]], index: int) -> bool:
    """A sea of fog is fog, not a sea."""
    following = [token for token, _ in tokens[index + 1 : index + 3]]
    if tokens[index][0] not in {"sea", "ocean"} or len(following) < 2 or following[0] != "of":
        return False
    return any(concept.family == "weather" for concept in KNOWN.get(following[1], ()))


def _plant_of(word: str) -> str:
    """The plant that a word names: a pine tree is a pine and not a second tree."""
    return next((concept.name for concept in KNOWN.get(word, ()) if concept.family == "landmark"), "")


def _names_effect(tokens: list[tuple[str, bool]], index: int) -> bool:
    """Whether the word at `index` is an effect: a portal ring is a portal, not a jewel."""
    return index >= 0 and any(concept.family == "effect" for concept in KNOWN.get(tokens[index][0], ()))


def _names_thing(drawn: list[Concept], tokens: list[tuple[str, bool]], index: int) -> bool:
    """Whether a word that is both thing and colour ("rose", "ruby") names the thing: no drawable word follows it."""
    return bool(drawn) and not _thing_follows(tokens, index)


def _is_colour_word(concepts: list[Concept], drawn: list[Concept], tokens: list[tuple[str, bool]], index: int) -> bool:
    return any(c.family == "colour" for c in concepts) and not _names_thing(drawn, tokens, index)


def _thing_follows(tokens: list[tuple[str, bool]], index: int) -> bool:
    if index + 1 >= len(tokens):
        return False
    families = {concept.family for concept in KNOWN.get(tokens[index + 1][0], ())}
    return bool(families & (DRAWN | {"sky", "setting"}))
