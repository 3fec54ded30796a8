"""Which documents contain the words of a search, without comparing all of them.

The index (`generation.pictures.models.search_tables`) tells which documents may match. Their folded text is compared
with the words, so the index only has to miss none. `counted` says how many have the rarest word: few of them are
compared at once, and where there are many, pictures are gone through in their order and their documents compared
(`generation.gallery.walking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from generation.pictures.models import SearchDocument, SearchPart, SearchUse, SearchWord
from generation.pictures.models.search_index import word_key
from stylestudio.text.search_language import Words
from stylestudio.text.search_words import Needle, fold, needles

MOST_NEEDLES = 4  # things looked up to narrow the documents down; the others are only compared
MOST_WORDS = 1_000  # different words that contain a part of one; a part of more narrows nothing down
MOST_DOCUMENTS = 2_500  # documents that are compared one by one before their pictures are looked for

_USES, _WORDS, _PARTS = (model._meta.db_table for model in (SearchUse, SearchWord, SearchPart))


@dataclass(frozen=True, slots=True)
class Need:
    """A word that documents must have, or one of several: a statement for their keys."""

    words: str
    keys: tuple[bytes, ...]

    @property
    def counts(self) -> str:
        """A statement for how many words there are, and how many documents have them: up to one more than are compared
        one by one.
        """
        uses = f'SELECT 1 FROM "{_USES}" WHERE "word_id" IN ({self.words}) LIMIT {MOST_DOCUMENTS + 1}'  # noqa: S608 - names of ours
        return f"(SELECT count(*) FROM ({self.words}) AS words), (SELECT count(*) FROM ({uses}) AS uses)"  # noqa: S608 - names of ours

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

    @classmethod
    def one_of(cls, needs: Sequence[Need]) -> Need:
        """What meets one of several needs."""
        if len(needs) == 1:
            return needs[0]
        each = (f"SELECT * FROM ({need.words}) AS some" for need in needs)  # noqa: S608 - names of ours
        return cls(" UNION ALL ".join(each), tuple(key for need in needs for key in need.keys))

    def documents(self) -> QuerySet[SearchDocument]:
        """Those that meet it."""
        return SearchDocument.objects.filter(uses__word__in=RawSQL(self.words, self.keys))  # noqa: S611 - names of ours


def needs(words: Iterable[Words]) -> list[Need]:
    """What documents must have that say all of these, as far as it is looked up."""
    single: set[Needle] = set()
    joined: list[Need] = []
    for each in words:
        if len(each.texts) == 1:
            single |= set(needles(fold(each.texts[0])))
        elif all(found := [needles(fold(text)) for text in each.texts]):
            joined.append(Need.one_of([Need.of(max(some, key=_rarity)) for some in found]))
    rarest = sorted(single, key=_rarity, reverse=True)[: max(0, MOST_NEEDLES - len(joined))]
    return [*joined[:MOST_NEEDLES], *(Need.of(needle) for needle in rarest)]


def _rarity(needle: Needle) -> tuple[int, str]:
    return len(needle.text), needle.text  # the longest ones are the rarest


def says(words: Iterable[Words], document: str = "") -> Q:
    """Whether a document says all of these; `document` leads to it, such as "document__"."""
    found = Q()
    for each in words:
        any_of = Q()
        for text in each.texts:
            any_of |= Q((f"{document}text__contains", fold(text)))
        found &= any_of
    return found


def is_named(words: Iterable[Words]) -> Q:
    """For an entry: whether the name of its file says all of these."""
    named = SearchDocument.objects.filter(says(words), pk=OuterRef("named"))
    return Q(named__isnull=False) & Q(Exists(named))


def is_found(words: Iterable[Words]) -> Q:
    """For an entry: whether its prompt, or the name of its file, says all of these that are wanted, and none of the
    others.
    """
    every = list(words)
    wanted = [each for each in every if not each.is_not]
    found = says(wanted, "document__") | is_named(wanted) if wanted else Q()
    for each in every:
        if each.is_not:
            found &= ~says([each], "document__") & ~is_named([each])
    return found


@dataclass(frozen=True, slots=True)
class Count:
    """How many different words meet a need, and how many rows there are, both no further than is asked."""

    words: int
    rows: int


def counted(asked: Sequence[Need], rows: Sequence[QuerySet[Any]], most: int) -> tuple[list[Count], list[int]]:
    """How much there is of each need, and of each of `rows` up to `most` and one, in one statement."""
    statements: list[str] = []
    parameters: list[Any] = []
    for need in asked:
        statements.append(f"SELECT {len(statements)}, {need.counts}")
        parameters += need.keys * 2
    for each in rows:
        some = each.order_by().values_list("moment")[: most + 1]
        sql, values = some.query.get_compiler(connection=connection).as_sql()
        statements.append(f"SELECT {len(statements)}, 0, (SELECT count(*) FROM ({sql}) AS some)")  # noqa: S608 - as Django made it
        parameters += values
    if not statements:
        return [], []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(statements), parameters)
        found = {number: Count(words, uses) for number, words, uses in cursor.fetchall()}
    every = [found[number] for number in range(len(statements))]
    return every[: len(asked)], [count.rows for count in every[len(asked) :]]
