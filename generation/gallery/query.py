"""Which pictures the gallery shows, page by page, and the neighbours of a picture.

Pages are cut by key (created_at, pk) and never counted: page 1,000 costs as much as page 1, and a picture that arrives
meanwhile neither repeats nor hides another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import islice, takewhile

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from generation.gallery import walking
from generation.gallery.filters import Filters as Filters
from generation.gallery.walking import Place
from generation.gallery.wanted import Wanted, wanted
from generation.keeping import marks
from generation.pictures.models import GeneratedImage, GenerationTask, PictureQuerySet, SearchEntry, SearchProgress
from generation.pictures.models.search_index import moment_of, time_of
from generation.pictures.upkeep import facts
from stylestudio.host import rooms
from stylestudio.people.access import StudioRequest

PAGE = 60
SLICE = 2_000  # keys that are found together
NEAR = 3  # pictures that are looked at for the next one, in case one is gone
STRIP = 12  # newest pictures on the page of a style
# What a tile shows, and where it is on the wall: a page has sixty.
OF_A_TILE = "created_at", "file", "thumbnail", "width", "height", "has_alpha", "task__prompt"


@dataclass(frozen=True, slots=True)
class Day:
    """Pictures of one day in a row. `heading` is "" if the previous page already started that day."""

    heading: str
    pictures: list[GeneratedImage]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the wall. `more` is the key of the next one, "" at the end."""

    days: list[Day]
    more: str

    @property
    def empty(self) -> bool:
        """Whether it has no pictures."""
        return not self.days

    @property
    def pictures(self) -> list[GeneratedImage]:
        """All of them."""
        return [picture for day in self.days for picture in day.pictures]


@dataclass(frozen=True)
class Found:
    """The pictures of a wall, looked up when they are asked for.

    `shown`: all that the person may see, whatever is filtered, for the tiles.
    """

    wanted: Wanted
    shown: PictureQuerySet

    def newest(self, size: int, after: Place | None = None) -> list[GeneratedImage]:
        """The first `size` in the order of the wall, or those after a place."""
        if self.wanted.nothing:
            return []
        if self.wanted.anything and self.wanted.sort != "best":
            return list(self._everything(after)[:size])
        found: list[GeneratedImage] = []
        indexed_to = _indexed_to() if self.wanted.only_words else None
        places = self._places(after, size, indexed_to)
        while len(found) < size and (some := list(islice(places, size - len(found)))):
            found += self._seen(some)
        if indexed_to is not None and len(found) < size:
            found += self._not_indexed(min(after, indexed_to) if after else indexed_to)[: size - len(found)]
        return found

    def keys(self, up_to_id: int | None = None, most: int = 200_000) -> Iterator[list[int]]:
        """The keys of all pictures that match and are not above `up_to_id`, in order, some thousands at a time, and
        `most` in all.
        """
        places = walking.places(replace(self.wanted, largest=up_to_id, counted=None), None, SLICE)
        yield from self._in_slices(place.picture for place in islice(places, most))

    def keys_in_no_order(self, most: int) -> Iterator[list[int]]:
        """The keys of all pictures that match, some thousands at a time, and `most` in all."""
        yield from self._in_slices(islice(walking.pictures(self.wanted), most))

    def _in_slices(self, keys: Iterator[int]) -> Iterator[list[int]]:
        while some := list(islice(keys, SLICE)):
            yield self._still_seen(some) if self._is_unsure else some

    @cached_property
    def _is_unsure(self) -> bool:
        """Whether entries may not say yet who sees them."""
        return self.wanted.only_words and not facts.is_done()

    def _still_seen(self, keys: Sequence[int]) -> list[int]:
        """Those that are shown: entries whose facts are not known yet do not say who may see them."""
        shown = self.shown.order_by().values_list("pk", flat=True)
        # Looked up some at a time: for more a database may go through all.
        seen = {pk for some in marks.slices(keys) for pk in shown.filter(pk__in=some)}
        return [pk for pk in keys if pk in seen]

    def near(self, place: Place) -> tuple[list[int], list[int]]:
        """The keys of a few pictures before and after a place in the order of the wall, the nearest first."""
        return self._near(place, back=True), self._near(place, back=False)

    def _near(self, place: Place, *, back: bool) -> list[int]:
        if self.wanted.anything and self.wanted.sort != "best":
            return list(self._everything(place, back=back).values_list("pk", flat=True)[:1])
        return [each.picture for each in islice(walking.places(self.wanted, place, NEAR, back=back), NEAR)]

    def start_of_page_with(self, place: Place, size: int) -> Place | None:
        """A place after which a page begins that has the picture of this one in its first half; None: the wall's."""
        ahead = size // 3
        if self.wanted.anything and self.wanted.sort != "best":
            rows = self._everything(place, back=True).values_list("created_at", "pk")[: ahead + 1]
            before = [Place(moment_of(moment), pk) for moment, pk in rows]
        else:
            before = list(islice(walking.places(self.wanted, place, ahead + 1, back=True), ahead + 1))
        return before[-1] if len(before) > ahead else None

    def count(self, most: int, up_to_id: int | None = None) -> int:
        """How many match and are not above `up_to_id`; `most` + 1 if they are more."""
        wanted = replace(self.wanted, largest=up_to_id, counted=None) if up_to_id is not None else self.wanted
        return sum(1 for _key in islice(walking.pictures(wanted), most + 1))

    def _everything(self, after: Place | None, *, back: bool = False) -> PictureQuerySet:
        """All that are shown, for a wall without filters; `back` from the one before a place."""
        rows = self.shown if self.wanted.previews else self.shown.filter(task__is_face=False)
        from_oldest = (self.wanted.sort == "oldest") != back
        if from_oldest:
            rows = rows.order_by("created_at", "pk")
        if after is None:
            return rows
        return (rows.after if from_oldest else rows.before)(time_of(after.moment), after.picture)

    def _places(self, after: Place | None, size: int, indexed_to: Place | None) -> Iterator[Place]:
        places = walking.places(self.wanted, after, size)
        return takewhile(lambda place: indexed_to <= place, places) if indexed_to else places

    def _seen(self, places: Sequence[Place]) -> list[GeneratedImage]:
        """Those of the pictures that are shown."""
        seen = self.shown.order_by().in_bulk([place.picture for place in places])
        return [seen[place.picture] for place in places if place.picture in seen]

    def _not_indexed(self, before: Place) -> PictureQuerySet:
        """The matches that no search knows yet: their prompts are gone through."""
        found = self.shown if self.wanted.previews else self.shown.filter(task__is_face=False)
        found = found.before(time_of(before.moment), before.picture) if before.moment < walking.LATEST else found
        for words in self.wanted.words:
            says = Q()
            for text in words.texts:
                says |= Q(task__final_prompt__icontains=text) | Q(task__prompt__icontains=text)
            found = found.exclude(says) if words.is_not else found.filter(says)
        return found


def _indexed_to() -> Place | None:
    """All pictures from this place on are in the index of words, that one too; None if all are."""
    progress = SearchProgress.objects.first()
    if progress is None or progress.is_done:
        return None
    return Place(progress.moment, progress.picture or 0) if progress.moment is not None else Place(walking.LATEST, 0)


def pictures(user: User, filters: Filters) -> Found:
    """The pictures `user` may see that pass the filters, in their order."""
    shown = GeneratedImage.with_previews.visible_to(user)
    tiles = marks.with_marks(user, shown.select_related("task").only(*OF_A_TILE))
    return Found(wanted(user, filters), tiles.newest_first())


def page(found: Found, before: str = "", size: int = PAGE) -> Page:
    """The `size` pictures after the key `before` ("" for the first). Raises ValueError if the key is malformed."""
    return page_after(found, read_key(before) if before else None, size)


def page_after(found: Found, after: Place | None, size: int = PAGE) -> Page:
    """The `size` pictures after a place."""
    last_day = timezone.localdate(time_of(after.moment)) if after else None
    rows = found.newest(size + 1, after)
    more = key_of(found, rows[size - 1]) if len(rows) > size else ""
    if found.wanted.sort == "best":
        return Page([Day("", rows[:size])] if rows else [], more)  # days would come again and again
    return Page(_days(rows[:size], last_day), more)


def place_of(found: Found, picture: GeneratedImage) -> Place:
    """Where a picture stands in a wall, or would stand."""
    place = Place(moment_of(picture.created_at), picture.pk)
    if found.wanted.sort != "best":
        return place
    rating = SearchEntry.objects.filter(pk=picture.pk).values_list("rating", flat=True).first()
    return place._replace(rating=rating or 0)


def key_of(found: Found, picture: GeneratedImage) -> str:
    """A picture's place in this wall, for use in a URL."""
    return key(picture, place_of(found, picture).rating)


def key(picture: GeneratedImage, rating: int = 0) -> str:
    """A picture's place in a wall, for use in a URL."""
    moment = picture.created_at.astimezone(timezone.get_default_timezone()).isoformat()
    return f"{moment}~{picture.pk}" + (f"~{rating}" if rating else "")


def read_key(text: str) -> Place:
    """The reverse of `key`. Raises ValueError if it is malformed."""
    moment, *numbers = text.split("~")
    read = datetime.fromisoformat(moment)
    good = all(number.isascii() and number.isdigit() and len(number) <= 18 for number in numbers)
    if read.tzinfo is None or not (good and 1 <= len(numbers) <= 2):
        raise ValueError(f"{text!r} is no key of a picture")
    return Place(moment_of(read), *map(int, numbers))


def _days(rows: Iterable[GeneratedImage], last_day: date | None) -> list[Day]:
    days: list[Day] = []
    for picture in rows:
        day = timezone.localdate(picture.created_at)
        if day != last_day or not days:
            days.append(Day("" if day == last_day else heading(day), []))
        days[-1].pictures.append(picture)
        last_day = day
    return days


def heading(day: date) -> str:
    """Today, Yesterday, or the date."""
    today = timezone.localdate()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    return formats.date_format(day, "MONTH_DAY_FORMAT" if day.year == today.year else "DATE_FORMAT")


def newer(user: User, filters: Filters, than: int) -> int:
    """How many pictures that `user` may see pass the filters and are newer than the one with this key.

    `PAGE` + 1 if they are more. With 0, which is no picture's key, all count. None do if there is no such picture.
    """
    moments = GeneratedImage.everything.visible_to(user).filter(pk=than).values_list("created_at", flat=True)
    begin = [(moment, than) for moment in moments]
    if than and not begin:
        return 0
    newest = pictures(user, filters).newest(PAGE + 1)
    return sum(1 for picture in newest if not begin or (picture.created_at, picture.pk) > begin[0])


@dataclass(frozen=True, slots=True)
class Film:
    """The pictures of one job in order, and the pictures before and after: of the wall, or of the jobs beside it."""

    pictures: list[GeneratedImage]
    previous: GeneratedImage | None
    next: GeneratedImage | None


Keys = Sequence[int]  # of pictures that may be beside one, the nearest first


def film(picture: GeneratedImage, user: User, beside: tuple[Keys, Keys] | None = None) -> Film:
    """The film strip of a picture, and the first of the keys before and after it that this person sees. Without keys a
    job's last picture is followed by the first one of the job ordered before it.
    """
    keys = [key for some in beside or () for key in some]
    seen = GeneratedImage.with_previews.visible_to(user)
    # Neighbours in the same question: entries may not say yet who sees them.
    found = list(seen.filter(Q(task=picture.task) | Q(pk__in=keys)).order_by("index"))
    strip = [each for each in found if each.task_id == picture.task_id]
    if beside is None and picture.task.derived:
        return Film(strip, None, None)  # nothing was ordered before or after it
    if beside:
        there = {each.pk: each for each in found}
        before_it, after_it = (next((there[key] for key in some if key in there), None) for some in beside)
        along = [each.index for each in (before_it, picture, after_it) if each in strip]
        if along and along[0] > along[-1]:
            strip.reverse()  # it runs as the arrows do: on a wall the newest come first
        return Film(strip, before_it, after_it)
    place = next((number for number, other in enumerate(strip) if other.pk == picture.pk), 0)
    before_it = strip[place - 1] if place else _neighbour(picture.task, user, newer=True)
    after_it = strip[place + 1] if place + 1 < len(strip) else _neighbour(picture.task, user, newer=False)
    return Film(strip, before_it, after_it)


def _neighbour(task: GenerationTask, user: User, *, newer: bool) -> GeneratedImage | None:
    kept = GeneratedImage.with_previews.filter(task=OuterRef("pk"))
    tasks = GenerationTask.everything.visible_to(user).filter(Exists(kept), is_face=task.is_face)
    if task.is_face:
        tasks = tasks.made_here()  # without finished pictures
    if newer:
        other = tasks.filter(pk__gt=task.pk).order_by("pk").first()
    else:
        other = tasks.filter(pk__lt=task.pk).order_by("-pk").first()
    if other is None:
        return None
    found = GeneratedImage.with_previews.visible_to(user).filter(task=other).order_by("index")
    return found.last() if newer else found.first()


def sections(request: StudioRequest, picture: GeneratedImage) -> list[str]:
    """What rooms above say of a picture on its page, as sections."""
    return [section(request, picture) for section in rooms.contributed("picture_sections")]


def origin(request: StudioRequest, picture: GeneratedImage) -> tuple[str, GeneratedImage]:
    """What rooms above know of how a picture came from another one, as rows of its chain; and the picture at its
    beginning, which an engine made: itself, if it came from none.
    """
    for tell in rooms.contributed("picture_origins"):
        if found := tell(request, picture):
            rows, first = found
            return rows, first
    return "", picture


def offers(request: StudioRequest, picture: GeneratedImage) -> list[str]:
    """The fragments that rooms above offer on a picture's page."""
    return [offer(request, picture) for offer in rooms.contributed("picture_offers")]
