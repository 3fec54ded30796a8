"""What a wall is asked for: the filters of an address and the fields of its search, looked up for one person.

Whatever names nothing that there is, or that the person may not see, finds nothing; a sentence beside the search says
which part that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.engines.models import Engine
from generation.gallery import narrowing
from generation.gallery.filters import ME, Filters
from generation.pictures.models import Orientation, SearchKind, SearchName
from generation.pictures.models.search_index import moment_of
from styles.models import BASE_SLUG, Style, StyleVersion
from stylestudio.people import projects
from stylestudio.picture_settings.settings import stem
from stylestudio.text.search_language import Fault, Field, Words, read, read_days

FIELDS = (
    "seed", "by", "style", "version", "preset", "checkpoint", "engine", "file", "shape", "after", "before", "on",
)  # fmt: skip
MOST_MEANT = 50  # styles, people, checkpoints, … that a part of a name may mean
ORIENTATIONS = {"square": Orientation.SQUARE, "portrait": Orientation.PORTRAIT, "landscape": Orientation.LANDSCAPE}
_SHAPE_WORDS = {
    "方": "square",
    "方形": "square",
    "竖": "portrait",
    "纵向": "portrait",
    "横": "landscape",
    "横向": "landscape",
}
_MOST_SEED = 2**63 - 1
_SEED = re.compile(r"(?:.*-)?(\d{4,19})\.(?:png|webp|jpe?g)|(\d{4,19})", re.IGNORECASE)


@dataclass(slots=True)
class Wanted:
    """What pictures have to be. `project` and `person` decide who may see them.

    `facts`: by column of `SearchEntry` the values of which one is wanted; `not_facts`: those that are not; those of
    a kind become its keys. `styles`: of
    each group one is wanted; `versions`: the same. `others`: what other rooms narrow the wall down to.
    """

    person: User
    project: int
    facts: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    not_facts: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    styles: list[tuple[int, ...]] = field(default_factory=list)
    not_styles: list[tuple[int, ...]] = field(default_factory=list)
    versions: list[tuple[int, ...]] = field(default_factory=list)
    others: list[QuerySet[Any]] = field(default_factory=list)
    not_others: list[QuerySet[Any]] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    names: list[Words] = field(default_factory=list)  # of files
    since: int | None = None  # a moment, that one too
    until: int | None = None  # a moment, without it
    least_rating: int | None = None  # 100 times the stars
    only_unrated: bool = False
    previews: bool = False  # also those of tasks that are `is_face`
    unfolded: bool = False  # what rooms fold is asked for
    sort: str = ""
    largest: int | None = None  # no picture with a larger key
    nothing: bool = False  # nothing can be found
    faults: list[tuple[Fault, str]] = field(default_factory=list)
    counted: Any = None  # how much there is of each thing, once it was looked up: see `generation.gallery.walking`
    documents: list[tuple[int, bool]] | None = None  # that say the words, once they were looked up: see there too

    @property
    def only_words(self) -> bool:
        """Whether nothing but words is asked for."""
        narrowed = (
            self.facts, self.not_facts, self.styles, self.not_styles, self.versions, self.others, self.not_others,
            self.names,
        )  # fmt: skip
        return not (
            any(narrowed)
            or self.since
            or self.until
            or self.least_rating
            or self.sort
            or self.only_unrated
            or self.largest
        )

    @property
    def anything(self) -> bool:
        """Whether all pictures are wanted, in whatever order."""
        plain = (
            not self.nothing
            and not self.words
            and self.least_rating is None
            and self.since is None
            and self.until is None
        )
        return plain and not (
            self.nothing or self.facts or self.not_facts or self.styles or self.not_styles or self.versions
            or self.others or self.not_others or self.names or self.largest
        )  # fmt: skip

    @property
    def meanwhile(self) -> Q:
        """The rows that have a `moment` in the time that is wanted."""
        found = Q()
        if self.since is not None:
            found &= Q(moment__gte=self.since)
        if self.until is not None:
            found &= Q(moment__lt=self.until)
        return found

    @property
    def meanings(self) -> list[Wanted]:
        """What may be meant: the words as they stand, and with a number as the seed of a picture."""
        meanings = [self]
        for number, each in enumerate(self.words):
            match = None if each.is_not or each.is_phrase or len(each.texts) > 1 else _SEED.fullmatch(each.texts[0])
            seed = int(match[1] or match[2]) if match and match[0].isascii() else 0
            if not match or seed >= 2**63 or len(meanings) > 2:
                continue
            others = [*self.words[:number], *self.words[number + 1 :]]
            meant = replace(self, words=others, facts=dict(self.facts), counted=None, documents=None)
            meant.one_of("seed", (seed,))
            if not meant.nothing:
                meanings.append(meant)
        return meanings

    def one_of(self, fact: str, values: Iterable[Any], *, is_not: bool = False) -> None:
        """Narrow down to these values of a fact, or to others; if it is narrowed down already, to those in both."""
        into, given = (self.not_facts if is_not else self.facts), tuple(values)
        if is_not:
            into[fact] = (*into.get(fact, ()), *given)
            return
        into[fact] = tuple(value for value in given if value in into[fact]) if fact in into else given
        self.nothing = self.nothing or not into[fact]

    def after(self, day: date) -> None:
        """Not before this day."""
        self.since = max(self.since or 0, _begin(day))

    def before(self, day: date) -> None:
        """Before this day."""
        end = _begin(day)
        self.until = end if self.until is None else min(self.until, end)


def _begin(day: date) -> int:
    return moment_of(timezone.make_aware(datetime.combine(day, time())))


def wanted(person: User, filters: Filters) -> Wanted:
    """What these filters ask for."""
    others = {each.name: each for each in narrowing.filters()}
    asked = read(filters.words, {*FIELDS, *others})
    found = Wanted(person, projects.of(person), previews=filters.previews, sort=filters.sort)
    found.words, found.faults = list(asked.words), list(asked.faults)
    _take_filters(found, filters)
    for name, value in filters.more:
        _take_other(found, others[name], value)
    _take_fields(found, asked.fields, others)
    _fold(found)
    _look_up_kinds(found)
    return found


def _fold(found: Wanted) -> None:
    """A wall with previews shows previews alone, and one of what is folded that alone."""
    if found.unfolded:
        found.previews = True
    elif found.previews:
        folded = (each.pictures(found.person, "1") for each in narrowing.filters() if each.is_folded)
        found.not_others += [rows for rows in folded if rows is not None]


OF_A_KIND = ("engine", "checkpoint", "shape", "has_alpha", "is_base")


def _look_up_kinds(found: Wanted) -> None:
    """What pictures of a kind have in common is asked for by the keys of the kinds."""
    wanted = {f"{fact}__in": found.facts.pop(fact) for fact in OF_A_KIND if fact in found.facts}
    unwanted = {f"{fact}__in": found.not_facts.pop(fact) for fact in OF_A_KIND if fact in found.not_facts}
    if wanted or unwanted:
        kinds = SearchKind.objects.filter(**wanted)
        for lookup, values in unwanted.items():
            kinds = kinds.exclude(**{lookup: values})
        found.one_of("kind", kinds.values_list("pk", flat=True))


def _take_filters(found: Wanted, filters: Filters) -> None:
    if filters.by:
        found.one_of("owner", _people(found.person, filters.by, exactly=True))
    if filters.style:
        _take_chosen_style(found, filters)
    if filters.engine:
        found.one_of("engine", (int(filters.engine),))
    if filters.shape:
        found.one_of("shape", (ORIENTATIONS[filters.shape].value,))
    if filters.checkpoint:
        found.one_of("checkpoint", _checkpoints(filters.checkpoint))
    if filters.preset:
        presets = SearchName.objects.filter(kind=SearchName.Kind.PRESET, name=filters.preset)
        found.one_of("preset", presets.values_list("pk", flat=True))
    if filters.clear:
        found.one_of("has_alpha", (True,))
    if filters.average:
        found.least_rating = 100 * int(filters.average)
    _take_chosen_days(found, filters)


def _take_chosen_style(found: Wanted, filters: Filters) -> None:
    if filters.style == BASE_SLUG:
        found.one_of("is_base", (True,))
        return
    seen = Style.objects.visible_to(found.person).filter(slug=filters.style)
    keys = tuple(seen.values_list("pk", flat=True))
    if filters.version and keys:
        versions = StyleVersion.objects.filter(style__in=keys, number=int(filters.version))
        keys = tuple(versions.values_list("pk", flat=True))
        found.versions.append(keys)
    else:
        found.styles.append(keys)
    found.nothing = found.nothing or not keys


def _take_chosen_days(found: Wanted, filters: Filters) -> None:
    today = timezone.localdate()
    if filters.period:
        found.after(today if filters.period == "today" else today - timedelta(days=int(filters.period) - 1))
    if filters.since:
        found.after(date.fromisoformat(filters.since))
    if filters.until:
        found.before(date.fromisoformat(filters.until) + timedelta(days=1))


def _take_other(found: Wanted, other: narrowing.WallFilter, value: str, *, is_not: bool = False) -> None:
    rows = other.pictures(found.person, value)
    if rows is not None:
        (found.not_others if is_not else found.others).append(rows)
        found.unfolded = found.unfolded or (other.is_folded and not is_not)
    elif not is_not:
        found.nothing = True


def _take_fields(found: Wanted, fields: Iterable[Field], others: dict[str, narrowing.WallFilter]) -> None:
    """Fields of one name that are wanted mean any of them, but for styles and words, of which all are wanted."""
    gathered: dict[str, list[Any]] = {}
    for each in fields:
        if each.name in others:
            value = others[each.name].find(found.person, each.value)
            if value:
                _take_other(found, others[each.name], value, is_not=each.is_not)
            else:
                _complain(found, Fault.NO_SUCH, each)
        elif each.name in _DATES:
            _take_days(found, each)
        elif each.name == "file":
            found.names.append(Words((each.value,), each.is_not))
        elif each.name in ("style", "version"):
            _take_style(found, each)
        else:
            fact, meant = _MEANT[each.name](found, each.value)
            if not meant:
                _complain(found, Fault.BAD_NUMBER if fact == "seed" else Fault.NO_SUCH, each)
            elif each.is_not:
                found.one_of(fact, meant, is_not=True)
            else:
                gathered.setdefault(fact, []).extend(meant)
    for fact, values in gathered.items():
        found.one_of(fact, dict.fromkeys(values))


def _complain(found: Wanted, fault: Fault, said: Field) -> None:
    found.faults.append((fault, f"{said.name}:{said.value}"))
    found.nothing = found.nothing or not said.is_not


_DATES = ("after", "before", "on")


def _take_days(found: Wanted, said: Field) -> None:
    days = read_days(said.value, timezone.localdate())
    if days is None or said.is_not:
        found.faults.append((Fault.BAD_DATE, f"{said.name}:{said.value}"))
        return
    if said.name in ("after", "on"):
        found.after(days[0])
    if said.name in ("before", "on"):
        found.before(days[0] if said.name == "before" else days[1])


def _take_style(found: Wanted, said: Field) -> None:
    seen = Style.objects.visible_to(found.person)
    if said.name == "version":
        number = said.value.lower().removeprefix("v")
        versions: tuple[int, ...] = ()
        if number.isascii() and number.isdigit() and len(number) < 10:
            rows = StyleVersion.objects.filter(style__in=seen, number=int(number))
            versions = tuple(rows.values_list("pk", flat=True)[:1000])
        if not versions or said.is_not:
            _complain(found, Fault.BAD_NUMBER, said)
        else:
            found.versions.append(versions)
        return
    if said.value.lower() == BASE_SLUG:
        found.one_of("is_base", (True,), is_not=said.is_not)
        return
    exact = seen.filter(Q(slug__iexact=said.value) | Q(name__iexact=said.value))
    part = seen.filter(Q(slug__icontains=said.value) | Q(name__icontains=said.value))
    meant = dict(exact.values_list("pk", "is_base")[:MOST_MEANT])
    meant = meant or dict(part.values_list("pk", "is_base")[:MOST_MEANT])
    if not meant:
        _complain(found, Fault.NO_SUCH, said)
    elif any(meant.values()) and len(meant) == 1:
        found.one_of("is_base", (True,), is_not=said.is_not)
    else:
        (found.not_styles if said.is_not else found.styles).append(tuple(meant))


def _people(person: User, name: str, *, exactly: bool = False) -> list[int]:
    """The people whom a name means: that one, or everybody whose name contains it."""
    if name == ME:
        return [person.pk]
    found = list(User.objects.filter(username__iexact=name).values_list("pk", flat=True))
    if found or exactly:
        return found
    return list(User.objects.filter(username__icontains=name).values_list("pk", flat=True)[:MOST_MEANT])


def _checkpoints(name: str) -> list[int]:
    """The checkpoint of this name, however programs write it: with its folder and ending or without."""
    like = SearchName.objects.filter(kind=SearchName.Kind.CHECKPOINT, name__icontains=stem(name))
    return [pk for pk, each in like.values_list("pk", "name") if stem(each) == stem(name)]


def _named(kind: SearchName.Kind, name: str) -> list[int]:
    names = SearchName.objects.filter(kind=kind)
    found = list(names.filter(name__iexact=name).values_list("pk", flat=True))
    return found or list(names.filter(name__icontains=name).values_list("pk", flat=True)[:MOST_MEANT])


def _engines(name: str) -> list[int]:
    return [engine.pk for engine in Engine.objects.all() if name.lower() in str(engine).lower()]


def _seed(text: str) -> list[int]:
    return [int(text)] if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _MOST_SEED else []


def _shape(text: str) -> list[int]:
    meant = ORIENTATIONS.get(_SHAPE_WORDS.get(text, text.lower()))
    return [] if meant is None else [meant.value]


# By the name of a field: the fact that it asks for, and the values that are meant.
_MEANT: dict[str, Callable[[Wanted, str], tuple[str, list[int]]]] = {
    "by": lambda found, text: ("owner", _people(found.person, text)),
    "preset": lambda found, text: ("preset", _named(SearchName.Kind.PRESET, text)),
    "checkpoint": lambda found, text: ("checkpoint", _checkpoints(text) or _named(SearchName.Kind.CHECKPOINT, text)),
    "engine": lambda found, text: ("engine", _engines(text)),
    "seed": lambda found, text: ("seed", _seed(text)),
    "shape": lambda found, text: ("shape", _shape(text)),
}


def sentence(fault: Fault, text: str) -> str:
    """What a person reads about a part of the search that could not be meant as it stands."""
    said = {
        Fault.OPEN_QUOTE: _("The quotation mark before “%s” is never closed. The phrase goes on to the end."),
        Fault.EMPTY_FIELD: _("Nothing stands behind “%s”, so it is passed over."),
        Fault.LONELY_OR: _("“%s” joins two words. It needs one before and one behind it."),
        Fault.BAD_DATE: _("“%s” is no date. Write one as 2026-03-01, 2026-03 or 2026."),
        Fault.BAD_NUMBER: _("“%s” needs a whole number that there is."),
        Fault.TOO_MANY: _("This is more than a search can take. What begins with “%s” is passed over."),
        Fault.ONLY_FIELDS_JOINED: _("OR joins words only. “%s” is wanted as well."),
        Fault.NO_SUCH: _("Nothing here is called “%s”."),
    }[fault]
    return said % text
