"""What the bar above a wall shows: the choices of each filter, with numbers, and chips for those that are set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby, islice
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils import formats
from django.utils.translation import gettext as _

from generation.engines.models import Engine
from generation.gallery import narrowing
from generation.gallery.counting import Counts
from generation.gallery.filters import ME, Filters
from generation.gallery.models import SavedFilter
from generation.gallery.wanted import ORIENTATIONS
from generation.pictures.models import PictureCount, SearchEntry, SearchKind, SearchName
from styles.models import BASE_SLUG, Style, StyleVersion
from stylestudio.people import projects
from stylestudio.picture_settings.settings import stem

MOST_CHOICES = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter. `number`: how many pictures it leaves, None if that is not known."""

    value: str
    label: str
    is_chosen: bool
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Menu:
    """A filter with several values; `name` is the one in the address. `anything` filters nothing."""

    name: str
    title: str
    anything: str
    choices: list[Choice] = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        """Whether something is chosen."""
        return any(choice.is_chosen for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the query of the wall without it."""

    label: str
    without: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar of a wall. `first` stand in it, `further` behind "More filters"; `saved` are this person's filters."""

    first: list[Menu]
    further: list[Menu]
    switches: list[Menu]  # checkboxes of other rooms
    chips: list[Chip]
    saved: list[SavedFilter]

    @property
    def is_more_open(self) -> bool:
        """Whether something behind "More filters" is set."""
        return any(menu.is_set for menu in self.further)


Numbers = Mapping[int, int] | None


def bar(person: User, filters: Filters, counts: Counts | None = None) -> Bar:
    """The bar for a person; with numbers if they are known."""
    numbers = counts.by if counts else {}
    known = _known(person, filters)
    first = [
        _people(person, filters, known, numbers.get("owner")),
        _styles(filters, known, numbers.get("style")),
        _versions(filters, known),
        _periods(filters),
        _shapes(filters, numbers.get("shape")),
    ]
    switches: list[Menu] = []
    for each in narrowing.filters():
        menu = _other(each, person, filters, known, counts.others.get(each.name) if counts else None)
        (first if each.anything else switches).append(menu)
    further = [
        _averages(filters),
        _checkpoints(filters, known, numbers.get("checkpoint")),
        _presets(filters, known, numbers.get("preset")),
        _engines(filters, known, numbers.get("engine")),
    ]
    by_name = sorted(known.rows["saved"], key=lambda row: row[1])
    saved = [SavedFilter(pk=pk, name=name, query=query) for pk, name, query in by_name]
    shown = Bar(first, further, switches, [], saved)
    shown.chips.extend(chips(filters, [*shown.first, *shown.further, *switches]))
    return shown


def _menu(
    filters: Filters, name: str, words: tuple[str, str], choices: Iterable[tuple[str, str, int | None]]
) -> Menu:  # fmt: skip
    chosen = filters.pairs().get(name, "")
    return Menu(name, *words, [Choice(value, label, value == chosen, number) for value, label, number in choices])


@dataclass(frozen=True, slots=True)
class Known:
    """What stands in the menus: (key, text, another text) by the menu's name."""

    rows: dict[str, list[tuple[int, str, str]]]


def _known(person: User, filters: Filters) -> Known:
    """Everything that menus offer, those of other rooms and saved filters too, in one question."""
    counts = PictureCount.objects.visible_to(person).filter(pictures__gt=0)
    versions = StyleVersion.objects.filter(style__in=Style.objects.visible_to(person).filter(slug=filters.style))
    seen = SearchEntry.objects.filter(project=projects.of(person))
    if not person.is_superuser:
        seen = seen.filter(Q(is_private=False) | Q(owner=person.pk))
    kinds = SearchKind.objects.filter(Exists(seen.filter(kind=OuterRef("pk"))))
    used = Q(pk__in=kinds.values("checkpoint")) | Exists(seen.filter(preset=OuterRef("pk")))
    names = SearchName.objects.filter(used).exclude(name="")
    found: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    questions = [
        _of(counts.order_by(), "by", F("owner_id"), F("owner__username")).distinct(),
        _of(names.order_by().filter(kind=SearchName.Kind.CHECKPOINT), "checkpoint", F("pk"), F("name")),
        _of(names.order_by().filter(kind=SearchName.Kind.PRESET), "preset", F("pk"), F("name")),
        _of(Engine.objects.order_by(), "engine", F("pk"), F("name"), F("address")),
        _of(Style.objects.visible_to(person).order_by(), "style", F("pk"), F("name"), F("slug")),
        _of(SavedFilter.objects.visible_to(person).order_by(), "saved", F("pk"), F("name"), F("query")),
    ]
    for each in narrowing.filters():
        if (rows := each.rows(person)) is not None:
            questions.append(_of(rows, each.name, F("pk"), F("name"), F("updated_at")))
    if filters.style:
        questions.append(_of(versions.order_by(), "version", F("number"), Value("")))
    for menu, key, text, more in questions[0].union(*questions[1:], all=True):
        found[menu].append((key, text, more))
    return Known(found)


def _of(rows: QuerySet[Any], menu: str, key: Any, text: Any, more: Any = Value("")) -> QuerySet[Any]:  # noqa: B008 - never changed
    return rows.values_list(
        Value(menu),
        key,
        Cast(text, TextField()),
        Cast(more, TextField()),
    )


def _people(person: User, filters: Filters, known: Known, numbers: Numbers) -> Menu:
    mine = (ME, _("Mine"), None if numbers is None else numbers.get(person.pk, 0))
    people = sorted(known.rows["by"], key=lambda row: row[1].lower())
    others = [
        (name, name, None if numbers is None else numbers.get(pk, 0)) for pk, name, _more in people if pk != person.pk
    ]
    return _menu(filters, "by", (_("Person"), _("Anyone")), [mine, *others[:MOST_CHOICES]])


def _styles(filters: Filters, known: Known, numbers: Numbers) -> Menu:
    styles = [Style(pk=pk, name=name, slug=slug, is_base=slug == BASE_SLUG) for pk, name, slug in known.rows["style"]]
    choices = [
        (style.slug, style.title, None if numbers is None or style.is_base else numbers.get(style.pk, 0))
        for style in sorted(styles, key=lambda style: (not style.is_base, style.name, style.pk))
    ]
    return _menu(filters, "style", (_("Style"), _("Any style")), choices)


def _versions(filters: Filters, known: Known) -> Menu:
    """The versions of the style that is chosen."""
    numbers = sorted({number for number, _text, _more in known.rows["version"] if number}, reverse=True)
    choices = [(str(number), f"v{number}", None) for number in numbers[:MOST_CHOICES]]
    return _menu(filters, "version", (_("Version"), _("Any version")), choices)


def _periods(filters: Filters) -> Menu:
    choices = [("today", _("Today"), None), ("7", _("Last 7 days"), None), ("30", _("Last 30 days"), None)]
    return _menu(filters, "days", (_("Date"), _("Any date")), choices)


def _shapes(filters: Filters, numbers: Numbers) -> Menu:
    choices = [
        (name, str(shape.label), None if numbers is None else numbers.get(shape.value, 0))
        for name, shape in ORIENTATIONS.items()
    ]
    return _menu(filters, "shape", (_("Shape"), _("Any shape")), choices)


def _averages(filters: Filters) -> Menu:
    choices = [(str(stars), _("%d stars or more") % stars, None) for stars in (5, 4, 3, 2)]
    return _menu(filters, "average", (_("Team's average"), _("Any average")), choices)


def _checkpoints(filters: Filters, known: Known, numbers: Numbers) -> Menu:
    """One choice for each, whether the program that made a picture wrote its folder and ending or not."""
    rows = sorted(known.rows["checkpoint"], key=lambda row: (stem(row[1]), row[1] != filters.checkpoint, -len(row[1])))
    choices = []
    for _stem, same in islice(groupby(rows, key=lambda row: stem(row[1])), MOST_CHOICES):
        (key, name, _more), *others = same
        number = None if numbers is None else sum(numbers.get(each, 0) for each in (key, *(row[0] for row in others)))
        choices.append((name, name.removesuffix(".safetensors"), number))
    return _menu(filters, "checkpoint", (_("Checkpoint"), _("Any checkpoint")), choices)


def _presets(filters: Filters, known: Known, numbers: Numbers) -> Menu:
    rows = sorted(known.rows["preset"], key=lambda row: row[1].lower())
    choices = [(name, name, None if numbers is None else numbers.get(pk, 0)) for pk, name, _more in rows[:MOST_CHOICES]]
    return _menu(filters, "preset", (_("Preset"), _("Any preset")), choices)


def _engines(filters: Filters, known: Known, numbers: Numbers) -> Menu:
    choices = [
        (str(pk), name or address, None if numbers is None else numbers.get(pk, 0))
        for pk, name, address in sorted(known.rows["engine"])[:MOST_CHOICES]
    ]
    return _menu(filters, "engine", (_("Engine"), _("Any engine")), choices)


def _other(
    each: narrowing.WallFilter, person: User, filters: Filters, known: Known, numbers: Mapping[str, int] | None
) -> Menu:  # fmt: skip
    rows = sorted(known.rows[each.name], key=lambda row: (row[2], row[0]), reverse=True)
    choices = each.choices(person) if each.anything else [("1", each.title)]
    every = [*choices, *((str(pk), name) for pk, name, _moment in rows)]
    found = numbers or {}
    return _menu(
        filters, each.name, (each.title, each.anything), [(value, label, found.get(value)) for value, label in every]
    )


def chips(filters: Filters, menus: Iterable[Menu]) -> list[Chip]:
    """A chip for each filter that is set."""
    labels = {
        menu.name: f"{menu.title}: {choice.label}" if menu.anything else choice.label
        for menu in menus
        for choice in menu.choices
        if choice.is_chosen
    }
    labels |= {
        "q": filters.words,
        "from": _("From %s") % _day(filters.since),
        "to": _("Until %s") % _day(filters.until),
        "clear": _("Transparent"),
        "previews": _("With previews"),
    }
    return [
        # A chosen version means nothing without its style.
        Chip(labels.get(name, f"{name}: {value}"), filters.without(name, *(["version"] if name == "style" else [])))
        for name, value in filters.pairs(with_looks=False).items()
    ]


def _day(day: str) -> str:
    return formats.date_format(date.fromisoformat(day), "DATE_FORMAT") if day else ""
