"""What the bar above a wall shows: the choices of each filter, with numbers, and chips for those that are set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.utils import formats
from django.utils.translation import gettext as _

from generation.engines.models import Engine
from generation.gallery import narrowing
from generation.gallery.counting import Counts
from generation.gallery.filters import ME, Filters
from generation.gallery.wanted import ORIENTATIONS
from generation.pictures.models import PictureCount, SearchEntry, SearchKind, SearchName
from styles.models import Style, StyleVersion
from stylestudio.people import projects

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
    def is_useful(self) -> bool:
        """Whether there is something to choose."""
        return bool(self.choices)

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
    """The bar of a wall. `first` stand in it, `further` behind "More filters"."""

    first: list[Menu]
    further: list[Menu]
    switches: list[Menu]  # checkboxes of other rooms
    chips: list[Chip]

    @property
    def is_more_open(self) -> bool:
        """Whether something behind "More filters" is set."""
        return any(menu.is_set for menu in self.further)


Numbers = Mapping[int, int] | None


def bar(person: User, filters: Filters, counts: Counts | None = None) -> Bar:
    """The bar for a person; with numbers if they are known."""
    known = counts.by if counts else {}
    styles = list(Style.objects.visible_to(person).in_picker_order())
    first = [
        _people(person, filters, known.get("owner")),
        _styles(styles, filters, known.get("style")),
        *_versions(styles, filters),
        _periods(filters),
        _shapes(filters, known.get("shape")),
    ]
    switches: list[Menu] = []
    for each in narrowing.filters():
        menu = _other(each, person, filters, counts.others.get(each.name) if counts else None)
        (first if each.anything else switches).append(menu)
    further = [
        _averages(filters),
        _named(person, filters, SearchName.Kind.CHECKPOINT, known.get("checkpoint")),
        _named(person, filters, SearchName.Kind.PRESET, known.get("preset")),
        _engines(filters, known.get("engine")),
    ]
    useful: Callable[[Iterable[Menu]], list[Menu]] = lambda menus: [menu for menu in menus if menu.is_useful]  # noqa: E731
    shown = Bar(useful(first), useful(further), switches, [])
    shown.chips.extend(chips(filters, [*shown.first, *shown.further, *switches]))
    return shown


def _menu(
    filters: Filters, name: str, words: tuple[str, str], choices: Iterable[tuple[str, str, int | None]]
) -> Menu:  # fmt: skip
    chosen = filters.pairs().get(name, "")
    return Menu(name, *words, [Choice(value, label, value == chosen, number) for value, label, number in choices])


def _people(person: User, filters: Filters, numbers: Numbers) -> Menu:
    rows = PictureCount.objects.visible_to(person).filter(pictures__gt=0).order_by("owner__username")
    people = dict(rows.values_list("owner", "owner__username").distinct()[:MOST_CHOICES])
    mine = (ME, _("Mine"), None if numbers is None else numbers.get(person.pk, 0))
    others = [
        (name, name, None if numbers is None else numbers.get(pk, 0)) for pk, name in people.items() if pk != person.pk
    ]
    return _menu(filters, "by", (_("Person"), _("Anyone")), [mine, *others])


def _styles(styles: Iterable[Style], filters: Filters, numbers: Numbers) -> Menu:
    choices = [
        (style.slug, style.title, None if numbers is None or style.is_base else numbers.get(style.pk, 0))
        for style in styles
    ]
    return _menu(filters, "style", (_("Style"), _("Any style")), choices)


def _versions(styles: Iterable[Style], filters: Filters) -> Iterable[Menu]:
    """The versions of the style that is chosen."""
    style = next((each for each in styles if each.slug == filters.style and not each.is_base), None)
    if style is None:
        return
    rows = StyleVersion.objects.filter(style=style).order_by("-number").values_list("number", flat=True).distinct()
    choices = [(str(number), f"v{number}", None) for number in rows[:MOST_CHOICES] if number]
    yield _menu(filters, "version", (_("Version"), _("Any version")), choices)


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


def _named(person: User, filters: Filters, kind: SearchName.Kind, numbers: Numbers) -> Menu:
    """The checkpoints or presets of pictures that the person may see."""
    fact = kind.name.lower()
    entries = SearchEntry.objects.filter(project=projects.of(person))
    if kind == SearchName.Kind.CHECKPOINT:
        entries = entries.filter(kind__in=SearchKind.objects.filter(checkpoint=OuterRef(OuterRef("pk"))).values("pk"))
    else:
        entries = entries.filter(preset=OuterRef("pk"))
    if not person.is_superuser:
        entries = entries.filter(Q(is_private=False) | Q(owner=person.pk))
    names = SearchName.objects.filter(Exists(entries), kind=kind).order_by("name").values_list("pk", "name")
    choices = [
        (name, name.removesuffix(".safetensors"), None if numbers is None else numbers.get(pk, 0))
        for pk, name in names[:MOST_CHOICES]
    ]
    words = {
        SearchName.Kind.CHECKPOINT: (_("Checkpoint"), _("Any checkpoint")),
        SearchName.Kind.PRESET: (_("Preset"), _("Any preset")),
    }[kind]
    return _menu(filters, fact, words, choices)


def _engines(filters: Filters, numbers: Numbers) -> Menu:
    choices = [
        (
            str(engine.pk),
            _("Preview engine") if engine.is_preview else str(engine),
            None if numbers is None else numbers.get(engine.pk, 0),
        )
        for engine in Engine.objects.order_by("pk")[:MOST_CHOICES]
    ]
    return _menu(filters, "engine", (_("Engine"), _("Any engine")), choices)


def _other(
    each: narrowing.WallFilter, person: User, filters: Filters, numbers: Mapping[str, int] | None
) -> Menu:  # fmt: skip
    choices = each.choices(person) if each.anything else [("1", each.title)]
    known = numbers or {}
    return _menu(
        filters, each.name, (each.title, each.anything), [(value, label, known.get(value)) for value, label in choices]
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
