"""The pictures whose prompts contain words, newest first, without going through all of them.

The index (`generation.pictures.models.search_tables`) tells which documents may match. Their folded text is compared
with the words, so the index only has to miss none. How it is used depends on how many documents have the rarest word:

- Few have it: these documents are compared, and their pictures are taken from the newest on.
- Many have it: pictures are gone through from the newest on, and their documents compared. A page is full soon.

Who may see a picture is asked of those found, a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import connection
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from generation.pictures.models import (
    GeneratedImage,
    PictureQuerySet,
    SearchDocument,
    SearchEntry,
    SearchPart,
    SearchProgress,
    SearchUse,
    SearchWord,
)
from generation.pictures.models.search_index import moment_of, style_key, time_of, word_key
from stylestudio.text.search_words import Needle, fold, needles

MOST_NEEDLES = 4  # things looked up to narrow the documents down; the others are only compared
MOST_WORDS = 1_000  # different words that contain a part of one; a part of more narrows nothing down
MOST_DOCUMENTS = 2_500  # documents that are compared one by one before their pictures are looked for
WALK = 20_000  # pictures gone through before it is clear that all matches are older
MOST_AT_ONCE = 2_000  # pictures that are looked up together
RECENT = 30 * 24 * 3600 * 1_000_000  # microseconds before a page from which pictures of documents are taken first

M = TypeVar("M", bound=Model)
Key = tuple[int, int]  # moment and picture
EARLIEST: Key = (-(2**63), 0)
LATEST: Key = (2**63 - 1, 0)

_USES, _WORDS, _PARTS = (model._meta.db_table for model in (SearchUse, SearchWord, SearchPart))


@dataclass(frozen=True, slots=True)
class Need:
    """A word that documents must have, or one of several: a statement for their keys."""

    words: str
    keys: tuple[bytes, ...]

    @property
    def count_words(self) -> str:
        """How many words there are."""
        return f"(SELECT count(*) FROM ({self.words}) AS words)"  # noqa: S608 - names of ours

    @property
    def count_uses(self) -> str:
        """How many documents have them, up to one more than are compared one by one."""
        uses = f'SELECT 1 FROM "{_USES}" WHERE "word_id" IN ({self.words}) LIMIT {MOST_DOCUMENTS + 1}'  # noqa: S608 - names of ours
        return f"(SELECT count(*) FROM ({uses}) AS uses)"  # noqa: S608 - names of ours

    @classmethod
    def known(cls, key: bytes) -> Need:
        """The word with this key."""
        return cls(f'SELECT "id" FROM "{_WORDS}" WHERE "word" = %s', (key,))  # noqa: S608 - names of ours

    @classmethod
    def of(cls, needle: Needle) -> Need:
        """What a needle asks for: a word, or the words that contain it, some of them more than once."""
        if not needle.is_part:
            return cls.known(word_key(needle.text))
        begin = needle.text.encode()
        end = begin[:-1] + bytes([begin[-1] + 1])  # no byte of UTF-8 is the last one
        statement = f'SELECT "word_id" FROM "{_PARTS}" WHERE "part" >= %s AND "part" < %s LIMIT {MOST_WORDS + 1}'  # noqa: S608 - names of ours
        return cls(statement, (begin, end))


@dataclass(frozen=True)
class Search:
    """The pictures in `shown` whose prompts contain all of the words.

    `project`: the one that they are of. `style`: that of all in `shown`, None for any. `previews`: whether previews of
    styles are among them.
    """

    shown: PictureQuerySet
    project: int
    words: tuple[str, ...]
    style: int | None = None
    previews: bool = False

    def newest(self, size: int, before: tuple[datetime, int] | None = None) -> list[GeneratedImage]:
        """The `size` newest ones, or those before a time and picture."""
        latest = (moment_of(before[0]), before[1]) if before else LATEST
        indexed_to = self._indexed_to()
        found: list[GeneratedImage] = []
        matches: list[Key] = []
        for keys in self._matches(latest, indexed_to, size):
            matches += keys
            if len(found) + len(matches) >= size:
                found += self._seen(matches)
                matches = []
            if len(found) >= size:
                return found[:size]
        found += self._seen(matches)
        if indexed_to != EARLIEST:
            found += self._not_indexed(min(latest, indexed_to))[: size - len(found)]
        return found

    def _seen(self, keys: Sequence[Key]) -> list[GeneratedImage]:
        """Those of the pictures that are shown."""
        seen = self.shown.order_by().in_bulk([picture for _moment, picture in keys])
        return [seen[picture] for _moment, picture in keys if picture in seen]

    def _indexed_to(self) -> Key:
        """All pictures from this one on are in the index, that one too."""
        progress = SearchProgress.objects.first()
        if progress is None or progress.is_done:
            return EARLIEST
        return (progress.moment, progress.picture or 0) if progress.moment is not None else LATEST

    def _not_indexed(self, before: Key) -> PictureQuerySet:
        """The matches that are not in the index: their prompts are gone through."""
        found = self.shown
        if before < LATEST:
            found = found.before(time_of(before[0]), before[1])
        for word in self.words:
            found = found.filter(task__final_prompt__icontains=word)
        return found

    def _matches(self, latest: Key, earliest: Key, size: int) -> Iterator[list[Key]]:
        """The matches in the index before `latest` and not before `earliest`, newest first, a few at a time."""
        if earliest >= latest:
            return
        counted = _count(self._needs())
        if any(not uses for _words, uses, _need in counted):
            return
        narrow = [each for each in counted if each[0] <= MOST_WORDS]
        rarest = min(narrow, key=lambda each: each[1], default=None)
        if rarest and rarest[1] <= MOST_DOCUMENTS:
            yield from self._of_documents(rarest[2], latest, earliest, size)
            return
        reached = max(earliest, self._end_of_walk(latest)) if rarest else earliest
        yield from self._of_newest(latest, reached, size)
        if rarest and reached > earliest:
            yield from self._of_documents(rarest[2], reached, earliest, size)

    def _needs(self) -> list[Need]:
        """What documents must have, as far as it is looked up."""
        wanted = sorted(
            {needle for word in self.words for needle in needles(fold(word))},
            key=lambda needle: (-len(needle.text), needle.text),  # the longest ones are the rarest
        )
        style = [] if self.style is None else [Need.known(style_key(self.style))]
        return style + [Need.of(needle) for needle in wanted[:MOST_NEEDLES]]

    def _entries(self) -> QuerySet[SearchEntry]:
        return SearchEntry.objects.filter(project=self.project)

    def _of_documents(self, need: Need, latest: Key, earliest: Key, size: int) -> Iterator[list[Key]]:
        """The matches among the documents that meet a need."""
        has = SearchDocument.objects.filter(uses__word__in=RawSQL(need.words, need.keys))  # noqa: S611 - names of ours
        documents: QuerySet[SearchDocument] = self._like(has, "")
        pks = list(documents.order_by().values_list("pk", flat=True).distinct())
        if not pks:
            return
        entries = self._entries().filter(document__in=pks)
        # No index knows this order, so the pictures are taken by document and not in the order of all.
        entries = entries.order_by((F("moment") + 0).desc(), (F("picture") + 0).desc())
        recent = (min(latest[0], moment_of(timezone.now())) - RECENT, 0)
        yield from _in_order(entries, latest, max(earliest, recent), size)
        yield from _in_order(entries, min(latest, recent), earliest, size)

    def _of_newest(self, latest: Key, earliest: Key, size: int) -> Iterator[list[Key]]:
        """The matches, found by going through all pictures."""
        entries = self._like(self._entries(), "document__")
        yield from _in_order(entries.order_by("-moment", "-picture"), latest, earliest, size)

    def _end_of_walk(self, latest: Key) -> Key:
        """Where going through all pictures before `latest` is given up."""
        newest = self._entries().filter(_before(latest)).order_by("-moment", "-picture")
        moments = newest.values_list("moment", flat=True)[WALK : WALK + 1]
        return next(((moment, 0) for moment in moments), EARLIEST)

    def _like(self, rows: QuerySet[M], document: str) -> QuerySet[M]:
        """The rows whose document has all of the words."""
        for word in self.words:
            rows = rows.filter(**{f"{document}text__contains": fold(word)})
        if not self.previews:
            rows = rows.filter(**{f"{document}is_face": False})
        if self.style is not None:
            used = SearchUse.objects.filter(word__word=style_key(self.style), document=OuterRef(f"{document}pk"))
            rows = rows.filter(Exists(used))
        return rows


def _count(needs: Sequence[Need]) -> list[tuple[int, int, Need]]:
    """How many words meet each need and how many documents have them, in one statement."""
    if not needs:
        return []
    counts = [f"SELECT {number}, {need.count_words}, {need.count_uses}" for number, need in enumerate(needs)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(counts), [key for need in needs for key in need.keys * 2])
        return [(words, uses, needs[number]) for number, words, uses in cursor.fetchall()]


def _before(key: Key) -> Q:
    moment, picture = key
    return Q(moment__lte=moment) & (Q(moment__lt=moment) | Q(picture__lt=picture))


def _in_order(entries: QuerySet[SearchEntry], latest: Key, earliest: Key, size: int) -> Iterator[list[Key]]:
    """The keys of entries before `latest` and not before `earliest`, a few at first and ever more."""
    moment, picture = earliest
    entries = entries.filter(Q(moment__gte=moment) & (Q(moment__gt=moment) | Q(picture__gte=picture)))
    number = size + size // 2
    while latest > earliest:
        keys = list(entries.filter(_before(latest)).values_list("moment", "picture_id")[:number])
        yield keys
        if len(keys) < number:
            return
        latest, number = keys[-1], min(4 * number, MOST_AT_ONCE)
