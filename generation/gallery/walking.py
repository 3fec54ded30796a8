"""Answering what a wall is asked for, in its order and a page at a time, by the narrow tables alone.

Of all that is asked for, one thing is walked along and the others are asked of each picture on the way. The rarest is
taken, found by counting no further than a few thousand rows of each. That no other index is taken instead is made sure
of by `+ 0`, which no index knows. Words of a search are one of those things: see `generation.gallery.searching`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan
from django.utils import timezone

from generation.gallery import searching
from generation.gallery.searching import Need
from generation.gallery.wanted import Wanted
from generation.pictures.models import SearchEntry, SearchStyle
from generation.pictures.models.search_index import moment_of

FEW = 10_000  # rows of one thing that are sorted where no index has their order
WALK = 20_000  # pictures gone through before it is clear that all that say the words are older
MOST_PARTS = 150  # values of one fact that are walked along side by side
MOST_AT_ONCE = 2_000  # pictures that are looked up together
RECENT = 30 * 24 * 3600 * 1_000_000  # microseconds before a page from which pictures of documents are taken first
LATEST = 2**63 - 1  # a moment after all others

# Of what is not rare, what is likely to be rarer than the others comes first.
_LIKELY_RARE = ("seed", "named", "preset", "rating", "owner", "kind")


class Place(NamedTuple):
    """Where a picture stands in a wall."""

    moment: int
    picture: int
    rating: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a wall: how it sorts rows that have `moment` and `picture`, and what comes after a place."""

    key: Callable[[Place], tuple[int, ...]]
    is_back: bool = False  # from small to large
    by_rating: bool = False
    all_rated: bool = False  # so an index has the order by rating

    def beyond(self, place: Place) -> Q:
        """The rows after this place."""
        moment, picture, rating = place
        if self.is_back:
            further = Q(moment__gte=moment) & (Q(moment__gt=moment) | Q(picture__gt=picture))
        else:
            further = Q(moment__lte=moment) & (Q(moment__lt=moment) | Q(picture__lt=picture))
        if not self.by_rating:
            return further
        if self.all_rated and self.is_back:
            return Q(rating__gte=rating) & (Q(rating__gt=rating) | further)
        if self.all_rated:
            return Q(rating__lte=rating) & (Q(rating__lt=rating) | further)
        worth = Coalesce(F("rating"), 0)
        beyond = GreaterThan(worth, rating) if self.is_back else LessThan(worth, rating)
        return Q(beyond) | (Q(Exact(worth, rating)) & further)

    def sort(self, rows: QuerySet[Any], *, by_index: bool) -> QuerySet[Any]:
        """The rows in order; without an index that has it, so that none is taken instead of the one meant."""
        moment, picture = (F("moment"), F("picture")) if by_index else (F("moment") + 0, F("picture") + 0)
        worth = F("rating") if self.all_rated else Coalesce(F("rating"), 0)
        by = [*([worth] if self.by_rating else []), moment, picture]
        return rows.order_by(*(each.asc() if self.is_back else each.desc() for each in by))


def _newest(place: Place) -> tuple[int, ...]:
    return -place.moment, -place.picture


def _best(place: Place) -> tuple[int, ...]:
    return -place.rating, -place.moment, -place.picture


def _oldest(place: Place) -> tuple[int, ...]:
    return place.moment, place.picture


def _worst(place: Place) -> tuple[int, ...]:
    return place.rating, place.moment, place.picture


NEWEST, OLDEST = Order(_newest), Order(_oldest, is_back=True)
BEST, WORST = Order(_best, by_rating=True), Order(_worst, is_back=True, by_rating=True)
ORDERS = {"": (NEWEST, OLDEST), "oldest": (OLDEST, NEWEST), "best": (BEST, WORST)}  # forwards and backwards


@dataclass(frozen=True, slots=True)
class Source:
    """Rows with `moment` and `picture` along which a wall can be walked. `fact`: the column that it stands for."""

    rows: QuerySet[Any]
    has_order: bool  # of the wall, by an index
    fact: str = ""
    parts: Sequence[QuerySet[Any]] = ()  # each has the order

    @property
    def is_entries(self) -> bool:
        """Whether the rows are entries themselves."""
        return self.rows.model is SearchEntry

    @property
    def rank(self) -> int:
        """A guess at how rare it is, the rarest first."""
        return _LIKELY_RARE.index(self.fact) if self.fact in _LIKELY_RARE else (-1 if self.fact else len(_LIKELY_RARE))

    def within(self, meanwhile: Q) -> Source:
        """The rows of it that are of a time."""
        return replace(self, rows=self.rows.filter(meanwhile), parts=[part.filter(meanwhile) for part in self.parts])


def places(wanted: Wanted, after: Place | None = None, size: int = 60, *, back: bool = False) -> Iterator[Place]:
    """The pictures wanted, in order, from the first one after a place on, or `back` from the one before it. They are
    looked up as far as they are taken, at first `size` of them.
    """
    if wanted.nothing:
        return iter(())
    order = ORDERS[wanted.sort][back]
    walks = [_walk(each, order, after, size) for each in wanted.meanings]
    if len(walks) == 1:
        return walks[0]
    return _once(heapq.merge(*walks, key=order.key))


def _once(sorted_places: Iterator[Place]) -> Iterator[Place]:
    last = None
    for place in sorted_places:
        if place.picture != last:
            yield place
        last = place.picture


@dataclass(frozen=True, slots=True)
class Choice:
    """What is walked along: the source with the fewest rows, which are `fewest` or so, or, if there is a `need`, the
    documents that meet it.
    """

    source: Source
    fewest: int
    need: Need | None = None
    in_names: bool = False
    by_documents: bool = False

    @property
    def is_small(self) -> bool:
        """Whether the source is so small that its rows are sorted."""
        return self.fewest <= FEW and (self.fewest <= searching.MOST_DOCUMENTS or not self.by_documents)


def _choice(wanted: Wanted, needs: Sequence[tuple[Need, bool]], sources: Sequence[Source]) -> Choice | None:
    """What to walk along; None if nothing can be found."""
    if wanted.counted is None:
        wanted.counted = searching.counted([need for need, _names in needs], [each.rows for each in sources], FEW)
    counts, rows = wanted.counted
    if any(not count.rows for count in counts) or not all(rows):
        return None
    pairs = zip(counts, needs, strict=True)
    narrow = [(each.rows, *need) for each, need in pairs if each.words <= searching.MOST_WORDS]
    none = (searching.MOST_DOCUMENTS + 1, None, False)
    documents, need, in_names = min(narrow, key=lambda each: each[0], default=none)
    fewest, source = _rarest(sources, rows)
    return Choice(source, fewest, need, in_names, need is not None and documents <= searching.MOST_DOCUMENTS)


def _is_plain(needs: Sequence[tuple[Need, bool]], sources: Sequence[Source]) -> bool:
    """Whether there is but one way to go."""
    return not needs and len(sources) == 1 and sources[0].has_order


def _walk(wanted: Wanted, order: Order, after: Place | None, size: int) -> Iterator[Place]:
    needs, sources = _needs(wanted), _sources(wanted)
    if _is_plain(needs, sources) and not order.by_rating:
        return _along(sources[0], wanted, order, after, size)
    choice = _choice(wanted, needs, sources)
    if choice is None:
        return iter(())
    source, need, in_names = choice.source, choice.need, choice.in_names
    if choice.is_small:
        return _few(source, wanted, order, after, size)
    if need is not None and choice.by_documents:
        return _of_documents(need, in_names, wanted, order, after, size)
    if order.by_rating:
        return _best_first(source, wanted, order, after, size)
    if size >= MOST_AT_ONCE:  # all of them are taken, so each is come by once
        return _along(source, wanted, order, after, size)
    rest = next((each for each in sources if 0 < len(each.parts) <= MOST_PARTS), None)
    if need is not None:
        return _along_until(
            source, lambda on: _of_documents(need, in_names, wanted, order, on, size), wanted, order, after, size
        )
    if rest is not None:
        return _along_until(source, lambda on: _merged(rest, wanted, order, on, size), wanted, order, after, size)
    return _along(source, wanted, order, after, size)


def pictures(wanted: Wanted) -> Iterator[int]:
    """The keys of all pictures wanted, each once, in no order: counting them takes half of the time of `places`."""
    seen: set[int] = set()
    for meant in [] if wanted.nothing else wanted.meanings:
        for rows in _unsorted(meant):
            for key in rows.order_by().values_list("picture", flat=True).iterator(MOST_AT_ONCE):
                if key not in seen:
                    seen.add(key)
                    yield key


def _unsorted(wanted: Wanted) -> list[QuerySet[Any]]:
    """Rows that are all the pictures wanted, some perhaps twice."""
    needs, sources = _needs(wanted), _sources(wanted)
    if _is_plain(needs, sources):
        return [_rows(sources[0], wanted)]
    choice = _choice(wanted, needs, sources)
    if choice is None:
        return []
    if choice.is_small:
        return [_rows_of_few(choice.source, wanted)]
    if choice.need is None or (choice.source.fact and not choice.by_documents):
        return [_rows(choice.source, wanted)]
    documents = choice.need.documents().values("pk")
    named = _named(documents, wanted)
    return [named] if choice.in_names else [_prompted(documents, wanted), named]


def _needs(wanted: Wanted) -> list[tuple[Need, bool]]:
    """What documents must have, and whether it is those of names of files that must."""
    found: list[tuple[Need, bool]] = []
    for words, in_names in ((wanted.words, False), (wanted.names, True)):
        found += [(need, in_names) for need in searching.needs(each for each in words if not each.is_not)]
    return found


def _rarest(sources: Sequence[Source], rows: Sequence[int]) -> tuple[int, Source]:
    """How many rows the source has that is walked along, and the source. One without order is walked if it is small."""
    counted = zip(rows, sources, strict=True)
    usable = [(number, source.rank, source) for number, source in counted if source.has_order or number <= FEW]
    number, _rank, source = min(usable, key=lambda each: each[:2])
    return number, source


def _sources(wanted: Wanted) -> list[Source]:
    """What can be walked along; the last one is all that there is."""
    entries = SearchEntry.objects.filter(project=wanted.project)
    found = [Source(rows, has_order=True, fact="other") for rows in wanted.others]
    rows: QuerySet[Any]
    for name, groups in (("version", wanted.versions), ("style", wanted.styles)):
        for keys in groups:
            rows = SearchStyle.objects.filter(Q((name, keys[0]) if len(keys) == 1 else (f"{name}__in", keys)))
            found.append(Source(rows.filter(project=wanted.project), has_order=len(keys) == 1, fact="style"))
    for fact, values in wanted.facts.items():
        rows = entries.filter(Q((fact, values[0]) if len(values) == 1 else (f"{fact}__in", values)))
        parts = [] if len(values) == 1 else [entries.filter(Q((fact, value))) for value in values]
        found.append(Source(rows, len(values) == 1, fact, parts))
    if wanted.least_rating is not None:
        found.append(Source(entries.filter(rating__gte=wanted.least_rating), has_order=False, fact="rating"))
    if not any(source.has_order for source in found) or wanted.since is not None or wanted.until is not None:
        found.append(Source(entries, has_order=True))
    return [source.within(wanted.meanwhile) for source in found]


def _asked(entries: QuerySet[SearchEntry], wanted: Wanted, *, but: str = "") -> QuerySet[SearchEntry]:
    """The entries that are all that is wanted; what stands in the column `but` is known."""
    entries = entries.filter(project=wanted.project)
    for fact, values in wanted.facts.items():
        if fact != but:
            entries = entries.filter(In(F(fact) + 0, list(values)))
    for fact, values in wanted.not_facts.items():
        entries = entries.filter(Q(IsNull(F(fact) + 0, True)) | ~Q(In(F(fact) + 0, list(values))))
    if wanted.least_rating is not None and but != "rating":
        # 0 for none: a sum alone is as null as the rating, so SQLite would take the index of those that have one.
        entries = entries.filter(GreaterThanOrEqual(Coalesce(F("rating"), 0) + 0, wanted.least_rating))
    if wanted.only_unrated:
        entries = entries.filter(IsNull(F("rating") + 0, True))
    if wanted.largest is not None:
        entries = entries.filter(picture__lte=wanted.largest)
    entries = entries.filter(_styles(wanted))
    for rows in wanted.others:
        entries = entries.filter(Exists(rows.filter(picture=OuterRef("picture"))))
    for rows in wanted.not_others:
        entries = entries.filter(~Exists(rows.filter(picture=OuterRef("picture"))))
    return _seen(entries, wanted).filter(_words(wanted))


def _styles(wanted: Wanted) -> Q:
    found = Q()
    here = SearchStyle.objects.filter(project=wanted.project, moment=OuterRef("moment"), picture=OuterRef("picture"))
    for keys in wanted.styles:
        found &= Q(Exists(here.filter(style__in=keys)))
    for keys in wanted.not_styles:
        found &= ~Q(Exists(here.filter(style__in=keys)))
    for keys in wanted.versions:
        of_version = SearchStyle.objects.filter(
            project=wanted.project, version__in=keys, moment=OuterRef("moment"), picture=OuterRef("picture")
        )
        found &= Q(Exists(of_version))
    return found


def _seen(entries: QuerySet[SearchEntry], wanted: Wanted) -> QuerySet[SearchEntry]:
    """Those that the person may see. Entries whose facts are not known yet pass a search of words: it asks again."""
    person = wanted.person
    if wanted.only_words:
        if not person.is_superuser:
            mine = Exact(F("owner") + 0, person.pk)
            entries = entries.filter(Q(is_private=False) | Q(mine) | Q(is_private__isnull=True))
        return entries if wanted.previews else entries.filter(document__is_face=False)
    if not person.is_superuser:
        entries = entries.filter(Q(is_private=False) | Q(Exact(F("owner") + 0, person.pk)))
    # Only facts that are known say so.
    return entries.filter(is_face__isnull=False) if wanted.previews else entries.filter(is_face=False)


def _words(wanted: Wanted) -> Q:
    found = searching.is_found(wanted.words)
    for each in wanted.names:
        named = searching.is_named([each])
        found &= ~named if each.is_not else named
    return found


def _rows(source: Source, wanted: Wanted) -> QuerySet[Any]:
    """The rows of a source that are all that is wanted."""
    if source.is_entries:
        return _asked(source.rows, wanted, but=source.fact)
    entry = SearchEntry.objects.filter(picture=OuterRef("picture"))
    return source.rows.filter(Exists(_asked(entry, wanted)))


def _along(source: Source, wanted: Wanted, order: Order, after: Place | None, size: int) -> Iterator[Place]:
    """Along a source that has the order of the wall."""
    found = _taken(order.sort(_rows(source, wanted), by_index=True), order, after, size)
    return found if source.is_entries else _once(found)  # two versions of a style are two rows


def _few(source: Source, wanted: Wanted, order: Order, after: Place | None, size: int) -> Iterator[Place]:
    """The pictures of a small source."""
    if source.has_order and not order.by_rating:
        return _along(source, wanted, order, after, size)
    return _taken(order.sort(_rows_of_few(source, wanted), by_index=False), order, after, size)


def _rows_of_few(source: Source, wanted: Wanted) -> QuerySet[Any]:
    """The rows of a small source that are all that is wanted."""
    entries = source.rows
    if not source.is_entries:
        entries = SearchEntry.objects.filter(picture__in=source.rows.values("picture"))
    return _asked(entries, wanted, but=source.fact if source.is_entries else "").filter(wanted.meanwhile)


def _best_first(source: Source, wanted: Wanted, order: Order, after: Place | None, size: int) -> Iterator[Place]:
    """The rated ones by their rating, then the others along a source; or all of it backwards."""
    entries = SearchEntry.objects.filter(wanted.meanwhile, project=wanted.project, rating__isnull=False)
    if wanted.least_rating is not None:
        entries = entries.filter(rating__gte=wanted.least_rating)
    rated = _asked(entries, wanted, but="rating")
    by_rating = replace(order, all_rated=True)
    unrated = NEWEST if order is BEST else OLDEST
    in_rated, in_unrated = (after, None) if after is None or after.rating else (None, after)

    def of_rated() -> Iterator[Place]:
        return _taken(by_rating.sort(rated, by_index=True), by_rating, in_rated, size)

    def of_unrated() -> Iterator[Place]:
        if wanted.least_rating is None:
            yield from _along(source, replace(wanted, only_unrated=True), unrated, in_unrated, size)

    if order is BEST:
        if in_unrated is None:
            yield from of_rated()
        yield from of_unrated()
    else:
        if in_rated is None:
            yield from of_unrated()
        yield from of_rated()


def _along_until(
    source: Source,
    rest: Callable[[Place], Iterator[Place]],
    wanted: Wanted,
    order: Order,
    after: Place | None,
    size: int,
) -> Iterator[Place]:
    """Along a source; if what is wanted turns out to be rare there, in another way from then on."""
    border = _end_of_walk(source, order, after)
    if order.is_back:
        near = Q(moment__lte=Coalesce(Subquery(border), LATEST))
    else:
        near = Q(moment__gte=Coalesce(Subquery(border), -LATEST))
    yield from _along(replace(source, rows=source.rows.filter(near)), wanted, order, after, size)
    moment = next(iter(border), None)
    if moment is not None:
        yield from rest(Place(moment, LATEST if order.is_back else 0))


def _end_of_walk(source: Source, order: Order, after: Place | None) -> QuerySet[Any]:
    """The moment at which going through a source is given up; none where it ends before."""
    rows = source.rows if after is None else source.rows.filter(order.beyond(after))
    return order.sort(rows, by_index=True).values_list("moment", flat=True)[WALK : WALK + 1]


def _merged(source: Source, wanted: Wanted, order: Order, after: Place | None, size: int) -> Iterator[Place]:
    """Along the parts of a source, each of which has the order of the wall, in one statement at a time."""
    sorted_parts = [order.sort(_asked(part, wanted, but=source.fact), by_index=True) for part in source.parts]
    number = size
    while True:
        parts = sorted_parts if after is None else [part.filter(order.beyond(after)) for part in sorted_parts]
        compiled = [
            part.values_list("moment", "picture")[:number].query.get_compiler(connection=connection).as_sql()
            for part in parts
        ]
        statement = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS part" for sql, _values in compiled)  # noqa: S608 - as Django made it
        with connection.cursor() as cursor:
            cursor.execute(statement, [value for _sql, values in compiled for value in values])
            rows = sorted((Place(*row) for row in cursor.fetchall()), key=order.key)[:number]
        yield from rows
        if len(rows) < number:
            return
        after, number = rows[-1], min(4 * number, MOST_AT_ONCE)


def _of_documents(
    need: Need, in_names: bool, wanted: Wanted, order: Order, after: Place | None, size: int
) -> Iterator[Place]:  # fmt: skip
    """The pictures of the documents that meet a need, or of the names that do."""
    documents = _documents(need, in_names, wanted)
    names = [pk for pk, is_name in documents if is_name]
    of_names = _taken(order.sort(_named(names, wanted), by_index=False), order, after, size) if names else iter(())
    if in_names or not documents:
        return of_names
    prompted = order.sort(_prompted([pk for pk, _is_name in documents], wanted), by_index=False)
    return _once(heapq.merge(_recent_first(prompted, order, after, size), of_names, key=order.key))


def _named(names: Sequence[int] | QuerySet[Any], wanted: Wanted) -> QuerySet[Any]:
    return _asked(SearchEntry.objects.filter(wanted.meanwhile, named__in=names), wanted)


def _prompted(documents: Sequence[int] | QuerySet[Any], wanted: Wanted) -> QuerySet[Any]:
    return _asked(SearchEntry.objects.filter(wanted.meanwhile, document__in=documents), wanted)


def _documents(need: Need, in_names: bool, wanted: Wanted) -> list[tuple[int, bool]]:
    """The documents that meet a need, and whether each is a name of files: hardly any is, so these are asked for only
    if there are any.
    """
    if wanted.documents is None:  # which both directions from a picture ask for
        compared = [each for each in (wanted.names if in_names else wanted.words) if not each.is_not]
        named = SearchEntry.objects.filter(project=wanted.project, named=OuterRef("pk"))
        found = need.documents().filter(searching.says(compared)).order_by().annotate(is_name=Exists(named))
        wanted.documents = list(found.values_list("pk", "is_name").distinct())
    return wanted.documents


def _recent_first(rows: QuerySet[Any], order: Order, after: Place | None, size: int) -> Iterator[Place]:
    """Those of the last days before all others, so that not all are sorted for the first page."""
    if order is not NEWEST:
        yield from _taken(rows, order, after, size)
        return
    recent = min(after.moment if after else LATEST, moment_of(timezone.now())) - RECENT
    yield from _taken(rows.filter(moment__gte=recent), order, after, size)
    border = Place(recent, 0)
    yield from _taken(rows, order, min(after, border) if after else border, size)


def _taken(rows: QuerySet[Any], order: Order, after: Place | None, size: int) -> Iterator[Place]:
    """The places of sorted rows after a place, a page at first and then ever more."""
    columns = ("moment", "picture", "rating") if order.by_rating else ("moment", "picture")
    number = size
    while True:
        some = rows if after is None else rows.filter(order.beyond(after))
        found = [_place(*row) for row in some.values_list(*columns)[:number]]
        yield from found
        if len(found) < number:
            return
        after, number = found[-1], min(4 * number, MOST_AT_ONCE)


def _place(moment: int, picture: int, rating: int | None = None) -> Place:
    return Place(moment, picture, rating or 0)
