"""Which pictures the captions page shows: filters, pages, tags with their counts.

A dataset has at most 2,000 pictures and filters need few columns, so one query fetches those for all pictures and
Python does the rest. Whole rows are only fetched for one page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms
from stylestudio.people.access import whole_numbers
from training.datasets.captions import tags, tokens
from training.datasets.captions.tags import TagCount
from training.datasets.models import MOST_CAPTION, Dataset, DatasetImage, ImageQuerySet

PAGE = 48
MOST_TAGS = 150  # shown at a time; the others are found by typing
MOST_PICKED = 500  # pictures named in a URL

# The choices of "Show", each a property of pictures.
ONLY: dict[str, Promise] = {
    "empty": _("No caption"),
    "long": _("Too long"),
    "proposal": _("With a proposal"),
    "flagged": _("Flagged by the health check"),
    "excluded": _("Left out of training"),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters in the query string. All must match; `tags` are keys that a caption must all have.

    `picked` are primary keys of pictures, for links from elsewhere; empty for all.
    """

    words: str = ""
    tags: tuple[str, ...] = ()
    only: str = ""
    picked: tuple[int, ...] = ()

    @classmethod
    def read(cls, query: QueryDict) -> Filters:
        """Read ?q=, ?tag= (several), ?only= and ?pictures=1,2,3. Invalid values are ignored."""
        chosen = dict.fromkeys(tags.key(tag)[:200] for tag in query.getlist("tag"))
        only = query.get("only", "")
        return cls(
            query.get("q", "").strip()[:200],
            tuple(tag for tag in chosen if tag)[:50],
            only if only in ONLY else "",
            tuple(whole_numbers(query.get("pictures", "").split(","))[:MOST_PICKED]),
        )

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return self != Filters()

    @property
    def query(self) -> str:
        """The filters as a query string."""
        return self._encoded(self.tags)

    def _encoded(self, chosen: Sequence[str], **more: str) -> str:
        single = {"q": self.words, "only": self.only, "pictures": self.pictures, **more}
        pairs = [(name, text) for name, text in single.items() if text]
        return urlencode([*pairs, *(("tag", tag) for tag in chosen)])

    @property
    def pictures(self) -> str:
        """The picked pictures as in a query string."""
        return ",".join(map(str, self.picked))

    @property
    def chips(self) -> list[tuple[str, str]]:
        """Each chosen tag, and the query string without it."""
        return [(tag, self._encoded([other for other in self.tags if other != tag])) for tag in self.tags]

    def after(self, key: str) -> str:
        """The query string of the page after the picture `key`."""
        return self._encoded(self.tags, after=key)


class Row(NamedTuple):
    """The columns that filters need."""

    pk: int
    position: int
    caption: str
    source_name: str
    included: bool
    proposed: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One picture on the page; `number` is its place in the whole dataset, from 1."""

    image: DatasetImage
    number: int
    dataset: Dataset

    @property
    def reads(self) -> str:
        """The text a trainer will read."""
        return self.dataset.compose(self.image.caption)

    @property
    def tokens(self) -> tokens.Read:
        """Its token count, for each reader."""
        return tokens.read(self.reads)

    @property
    def longest(self) -> int:
        """Characters that a caption may have."""
        return MOST_CAPTION

    @property
    def limit(self) -> int:
        """Tokens read at a time."""
        return tokens.LIMIT

    @property
    def tag_count(self) -> int:
        """The number of tags in the caption."""
        return len(tags.split(self.image.caption))


@dataclass(frozen=True, slots=True)
class Page:
    """Cards in order. `more` is the key after which the next page starts, "" at the end;
    `last` is the last card's key.
    """

    cards: list[Card]
    more: str
    last: str


class Grid:
    """All pictures of a dataset as filters see them, queried once."""

    def __init__(self, dataset: Dataset, filters: Filters) -> None:
        self.dataset = dataset
        self.filters = filters

    @cached_property
    def rows(self) -> list[Row]:
        """Every picture, in order."""
        proposed = ExpressionWrapper(~Q(proposal=""), output_field=BooleanField())
        names = ("pk", "position", "caption", "source_name", "included", "proposed")
        found = self.dataset.images.annotate(proposed=proposed).order_by("position", "pk").values_list(*names)
        return [Row(*values) for values in found]

    @cached_property
    def shown(self) -> list[tuple[int, Row]]:
        """Number and row of the pictures that pass the filters."""
        fits = self._tests()
        return [(number, row) for number, row in enumerate(self.rows, 1) if all(test(row) for test in fits)]

    @property
    def total(self) -> int:
        """The number of pictures in the dataset."""
        return len(self.rows)

    @property
    def count(self) -> int:
        """The number of pictures shown."""
        return len(self.shown)

    def images(self) -> ImageQuerySet:
        """The pictures shown, as a queryset."""
        found = DatasetImage.objects.filter(dataset=self.dataset).order_by("position", "pk")
        return found.filter(pk__in=[row.pk for _number, row in self.shown]) if self.filters.any else found

    def page(self, after: str = "") -> Page:
        """The next 48 after the key `after` ("" for the first). Raises ValueError if the key is malformed."""
        shown = self.shown
        if after:
            place = _read_key(after)
            shown = [(number, row) for number, row in shown if (row.position, row.pk) > place]
        chosen = shown[:PAGE]
        images = DatasetImage.objects.in_bulk([row.pk for _number, row in chosen])
        cards = [Card(images[row.pk], number, self.dataset) for number, row in chosen if row.pk in images]
        last = _key(chosen[-1][1]) if chosen else after
        return Page(cards, last if len(shown) > PAGE else "", last)

    def choices(self) -> list[tuple[str, Promise, int]]:
        """The choices of "Show" with their numbers of pictures, without empty ones."""
        counted = [(name, label, sum(map(self._only(name), self.rows))) for name, label in ONLY.items()]
        return [choice for choice in counted if choice[2] or choice[0] == self.filters.only]

    @cached_property
    def counts(self) -> list[TagCount]:
        """All tags of the dataset."""
        return tags.counts(row.caption for row in self.rows)

    def tag_rows(self, words: str = "") -> tuple[list[tuple[TagCount, bool]], int]:
        """Tags that contain `words`, each with whether it is chosen, and all chosen ones;
        and how many are not listed.
        """
        wanted, chosen = tags.key(words), set(self.filters.tags)
        marked = [(entry, tags.key(entry.tag) in chosen) for entry in self.counts]
        found = [(entry, on) for entry, on in marked if on or wanted in tags.key(entry.tag)]
        cut = [pair for place, pair in enumerate(found) if place < MOST_TAGS or pair[1]]
        return cut, len(found) - len(cut)

    def _tests(self) -> list[Callable[[Row], bool]]:
        filters, wanted, picked = self.filters, frozenset(self.filters.tags), set(self.filters.picked)
        words = filters.words.casefold().split()
        tests: list[Callable[[Row], bool]] = []
        if picked:
            tests.append(lambda row: row.pk in picked)
        if wanted:
            tests.append(lambda row: wanted <= tags.keys(row.caption))
        if words:
            tests.append(lambda row: all(word in f"{row.caption}\n{row.source_name}".casefold() for word in words))
        if filters.only:
            tests.append(self._only(filters.only))
        return tests

    def _only(self, name: str) -> Callable[[Row], bool]:
        tests: Mapping[str, Callable[[Row], bool]] = {
            "empty": lambda row: not row.caption,
            "long": lambda row: tokens.read(self.dataset.compose(row.caption)).too_many,
            "proposal": lambda row: row.proposed,
            "flagged": lambda row: row.pk in self._flagged,
            "excluded": lambda row: not row.included,
        }
        return tests[name]

    @cached_property
    def _flagged(self) -> set[int]:
        return {pk for find in rooms.contributed("flagged_pictures") for pk in find(self.dataset)}


def _key(row: Row) -> str:
    return f"{row.position}-{row.pk}"


def _read_key(text: str) -> tuple[int, int]:
    position, pk = whole_numbers(text.partition("-")[::2])
    return position, pk


def before(image: DatasetImage) -> Q:
    """The pictures before this one. Restored pictures may share a position with others."""
    return Q(position__lt=image.position) | Q(position=image.position, pk__lt=image.pk)


def card(image: DatasetImage) -> Card:
    """The card of a single picture."""
    return Card(image, image.dataset.images.filter(before(image)).count() + 1, image.dataset)
