"""Which pictures are meant: those with these keys, or all that a filter of the gallery shows.

All that a filter shows is frozen when it is counted: the query string and the largest key, so that the number that was
said is the number that is meant, whatever arrives meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.http import QueryDict
from django.utils.translation import gettext as _

from generation.gallery import query as wall
from generation.pictures.models import GeneratedImage, PictureQuerySet
from stylestudio.people.access import whole_numbers

MOST = 200_000  # pictures of one selection
PAGE = 1000  # pictures of a filter that are read together
MOST_FILTER = 2_000  # characters of a query string


@dataclass(frozen=True, slots=True)
class Selection:
    """Pictures by key, in order, or a frozen filter: then `upto` is not None and `pictures` is empty."""

    pictures: tuple[int, ...] = ()
    filters: str = ""
    upto: int | None = None

    @classmethod
    def read(cls, post: QueryDict) -> Selection:
        """Read a form: `pictures` with keys and commas, or `picture` once for each, or `filters` with `upto`.

        Raises ValidationError if it names none, or more than MOST.
        """
        if upto := whole_numbers([post.get("upto", "")]):
            return cls((), post.get("filters", "").replace("\0", "")[:MOST_FILTER], upto[0])
        given = post.get("pictures", "").split(",") + post.getlist("picture")
        pictures = tuple(dict.fromkeys(whole_numbers(text.strip() for text in given)))
        if not pictures:
            raise ValidationError(_("Select pictures first."))
        if len(pictures) > MOST:
            raise ValidationError(_("Select at most 200,000 pictures at a time."))
        return cls(pictures)

    @property
    def is_filter(self) -> bool:
        """Whether it is all that a filter shows."""
        return self.upto is not None

    @property
    def fields(self) -> dict[str, str]:
        """It as the fields of a form, which `read` understands."""
        if self.is_filter:
            return {"filters": self.filters, "upto": str(self.upto)}
        return {"pictures": ",".join(map(str, self.pictures))}

    def first(self, user: User, most: int) -> list[int]:
        """The keys of the first `most`; those of pictures that the person may not see may be among them."""
        if not self.is_filter:
            return list(self.pictures[:most])
        found: list[int] = []
        for keys, _reached in pages(user, self.filters, self.upto or 0, size=min(most, PAGE)):
            found += keys
            if len(found) >= most:
                break
        return found[:most]


def newest_key() -> int:
    """The largest key of a picture now; 0 if there is none."""
    return GeneratedImage.everything.aggregate(most=Max("pk"))["most"] or 0


def shown(user: User, filters: str) -> wall.Found:
    """What the gallery shows this person with these filters."""
    return wall.pictures(user, wall.Filters.read(QueryDict(filters)))


def pages(user: User, filters: str, upto: int, reached: str = "", size: int = PAGE) -> Iterator[tuple[list[int], str]]:
    """The keys of what the filter shows, up to `upto`, a page at a time, each with the key to go on after it.

    Raises ValueError if `reached` is no such key.
    """
    found = shown(user, filters)
    after = wall.read_key(reached) if reached else None
    while rows := found.newest(size, after):
        after = wall.place_of(found, rows[-1])
        yield [row.pk for row in rows if row.pk <= upto], wall.key_of(found, rows[-1])
        if len(rows) < size:
            return


def count(user: User, filters: str, upto: int) -> int:
    """How many pictures the filter shows up to this key; one more than MOST if there are more."""
    return shown(user, filters).count(MOST, upto)


def visible_of(user: User, pictures: Sequence[int]) -> PictureQuerySet:
    """Those of the pictures that are in the gallery and that the person may see, in no order."""
    return GeneratedImage.with_previews.visible_to(user).filter(pk__in=pictures).order_by()
