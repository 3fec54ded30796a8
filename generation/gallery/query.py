"""Which pictures the gallery shows, page by page, and the neighbours of a picture.

Pages are cut by key (created_at, pk) and never counted: page 1,000 costs as much as page 1, and a picture that arrives
meanwhile neither repeats nor hides another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from django.http import QueryDict
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from generation.gallery.searching import Search
from generation.pictures.models import GeneratedImage, GenerationTask, PictureQuerySet, TaskStyle
from styles.models import BASE_SLUG, Style
from stylestudio.host import rooms
from stylestudio.people import projects
from stylestudio.people.access import StudioRequest

PAGE = 60
STRIP = 12  # newest pictures on the page of a style
# What a tile shows, and where it is on the wall: a page has sixty.
OF_A_TILE = "created_at", "file", "thumbnail", "width", "height", "has_alpha", "task__prompt"


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters in the query string: a style's short name and words of the prompt, each "" for any.

    `previews` includes pictures made to show what styles look like.
    """

    style: str = ""
    words: str = ""
    previews: bool = False

    @classmethod
    def read(cls, query: QueryDict) -> Filters:
        """Read ?style=, ?q= and ?previews=1."""
        words = query.get("q", "").strip()[:200]
        return cls(query.get("style", "").strip(), words, query.get("previews") == "1")

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return bool(self.style or self.words or self.previews)

    def query(self, **more: str) -> str:
        """The filters as a query string, with further parameters."""
        pairs = {"style": self.style, "q": self.words, "previews": "1" if self.previews else "", **more}
        return urlencode({name: text for name, text in pairs.items() if text})


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


def pictures(user: User, filters: Filters) -> PictureQuerySet | Search:
    """The pictures `user` may see that pass the filters, newest first. The base style means no other style."""
    found = shown(user, filters)
    words = tuple(filters.words.split())
    if not words:
        return found
    style = None
    if filters.style and filters.style != BASE_SLUG:
        style = Style.objects.visible_to(user).filter(slug=filters.style).values_list("pk", flat=True).first()
    return Search(found, projects.of(user), words, style, filters.previews)


def shown(user: User, filters: Filters) -> PictureQuerySet:
    """The pictures `user` may see that pass the filters but for the words, newest first."""
    found = GeneratedImage.objects.visible_to(user)
    if filters.previews:
        found = GeneratedImage.with_previews.visible_to(user)
    if filters.style == BASE_SLUG:
        found = found.exclude(Exists(TaskStyle.objects.filter(task=OuterRef("task"))))
    elif filters.style:
        mixed = TaskStyle.objects.filter(task=OuterRef("task"), version__style__slug=filters.style)
        found = found.filter(Exists(mixed))
    return found.select_related("task").only(*OF_A_TILE).newest_first()


def page(found: PictureQuerySet | Search, before: str = "", size: int = PAGE) -> Page:
    """The `size` pictures after the key `before` ("" for the newest). Raises ValueError if the key is malformed."""
    after = read_key(before) if before else None
    last_day = timezone.localdate(after[0]) if after else None
    rows = found.newest(size + 1, after)
    more = key(rows[size - 1]) if len(rows) > size else ""
    return Page(_days(rows[:size], last_day), more)


def key(picture: GeneratedImage) -> str:
    """A picture's position in the gallery's order, for use in a URL."""
    return f"{picture.created_at.astimezone(timezone.get_default_timezone()).isoformat()}~{picture.pk}"


def read_key(text: str) -> tuple[datetime, int]:
    """The reverse of `key`. Raises ValueError if it is malformed."""
    moment, _sep, number = text.partition("~")
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise ValueError(f"{text!r} is no key of a picture")
    return read, int(number)


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


@dataclass(frozen=True, slots=True)
class Film:
    """The pictures of one job in order, and the links to the jobs before and after it."""

    pictures: list[GeneratedImage]
    previous: GeneratedImage | None
    next: GeneratedImage | None


def film(picture: GeneratedImage, user: User) -> Film:
    """The film strip of a picture. A job's last picture is followed by the first one of the job ordered before it."""
    strip = list(GeneratedImage.with_previews.visible_to(user).filter(task=picture.task).order_by("index"))
    place = next((number for number, other in enumerate(strip) if other.pk == picture.pk), 0)
    before = strip[place - 1] if place else _neighbour(picture.task, user, newer=True)
    after = strip[place + 1] if place + 1 < len(strip) else _neighbour(picture.task, user, newer=False)
    return Film(strip, before, after)


def _neighbour(task: GenerationTask, user: User, *, newer: bool) -> GeneratedImage | None:
    kept = GeneratedImage.with_previews.filter(task=OuterRef("pk"))
    tasks = GenerationTask.everything.visible_to(user).filter(Exists(kept), is_face=task.is_face)
    if newer:
        other = tasks.filter(pk__gt=task.pk).order_by("pk").first()
    else:
        other = tasks.filter(pk__lt=task.pk).order_by("-pk").first()
    if other is None:
        return None
    found = GeneratedImage.with_previews.visible_to(user).filter(task=other).order_by("index")
    return found.last() if newer else found.first()


def offers(request: StudioRequest, picture: GeneratedImage) -> list[str]:
    """The fragments that rooms above offer on a picture's page."""
    return [offer(request, picture) for offer in rooms.contributed("picture_offers")]
