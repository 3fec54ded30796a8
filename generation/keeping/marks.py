"""Favourites and stars: setting them for many pictures, undoing that, and what the team thinks on average."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Sum, When

from generation.keeping.models import MOST_STARS, Mark
from generation.pictures.models import GeneratedImage, PictureQuerySet, SearchEntry, search_index
from generation.pictures.models.search_index import moment_of
from stylestudio.people import projects
from stylestudio.people.visibility import Visibility

SLICE = 500  # pictures of one transaction
# Whose stars count: those of people who may see the picture.
_SEES = (
    Q(picture__task__visibility=Visibility.TEAM) | Q(person=F("picture__task__owner")) | Q(person__is_superuser=True)
)


@dataclass(frozen=True, slots=True)
class Marks:
    """What one person marked on a picture: whether it is a favourite, and 1 to 5 stars or None."""

    favourite: bool = False
    stars: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is marked."""
        return self.favourite or self.stars is not None


NOTHING = Marks()


@dataclass(frozen=True, slots=True)
class Average:
    """The team's opinion of a picture: hundredths of a star, and of how many people."""

    hundredths: int
    people: int

    @property
    def stars(self) -> float:
        """In stars, 1 to 5."""
        return self.hundredths / 100


def of(person: User, pictures: Iterable[int]) -> dict[int, Marks]:
    """The marks of a person by the key of the picture, in one query; nothing for pictures without any."""
    rows = Mark.objects.visible_to(person).filter(picture__in=list(pictures))
    told = rows.values_list("picture", "favourite", "stars")
    return {picture: Marks(favourite, stars) for picture, favourite, stars in told}


def with_marks(person: User, pictures: PictureQuerySet) -> PictureQuerySet:
    """Pictures with the marks of this person, for `show_on`, which then asks nothing."""
    mark = Mark.objects.visible_to(person).filter(picture=OuterRef("pk"))
    return pictures.annotate(
        own_favourite=Subquery(mark.values("favourite")[:1]), own_stars=Subquery(mark.values("stars")[:1])
    )


def show_on(person: User, pictures: Collection[GeneratedImage]) -> None:
    """Give each picture the marks of this person as `mine`, for its tile."""
    told = all(hasattr(picture, "own_favourite") for picture in pictures)
    found = {} if told else of(person, [picture.pk for picture in pictures])
    for picture in pictures:
        if told:
            own = vars(picture)
            own["mine"] = Marks(bool(own["own_favourite"]), own["own_stars"])
            continue
        vars(picture)["mine"] = found.get(picture.pk, NOTHING)


def set_favourite(person: User, pictures: Iterable[int], favourite: bool) -> dict[int, Marks]:
    """Mark pictures as favourites of this person, or no longer. Returns the marks of before of those that changed."""
    return _change(person, pictures, lambda _picture, marks: replace(marks, favourite=favourite), ["favourite"])


def set_stars(person: User, pictures: Iterable[int], stars: int | None) -> dict[int, Marks]:
    """Give pictures 1 to 5 stars of this person, or none. Returns the marks of before of those that changed.

    Raises ValueError for another number.
    """
    if stars is not None and not 1 <= stars <= MOST_STARS:
        raise ValueError(f"{stars} is no number of stars")
    return _change(person, pictures, lambda _picture, marks: replace(marks, stars=stars), ["stars"])


def put_back(person: User, before: Mapping[int, Marks]) -> dict[int, Marks]:
    """Undo a change: give each picture these marks of this person. Returns what they were, as a change does."""
    return _change(person, before, lambda picture, _marks: before[picture], ["favourite", "stars"])


def _change(
    person: User, pictures: Iterable[int], new: Callable[[int, Marks], Marks], columns: Sequence[str]
) -> dict[int, Marks]:
    changed: dict[int, Marks] = {}
    for some in slices(pictures):
        with transaction.atomic():
            changed |= _change_slice(person, some, new, columns)
    return changed


def _change_slice(
    person: User, pictures: Sequence[int], new: Callable[[int, Marks], Marks], columns: Sequence[str]
) -> dict[int, Marks]:
    """Only these columns are written: at the same time the same person may mark the same picture in another tab."""
    seen = GeneratedImage.with_previews.visible_to(person).filter(pk__in=pictures).order_by("pk")
    # Two people who rate a picture at once do so one after the other, so that the second one's average has both.
    found = {picture.pk: picture for picture in seen.select_for_update(no_key=True).only("created_at", "project_id")}
    known = of(person, found)
    before = {picture: known.get(picture, NOTHING) for picture in found}
    changed = {picture: marks for picture, marks in before.items() if new(picture, marks) != marks}
    Mark.objects.bulk_create(
        (
            Mark(
                person=person,
                picture_id=picture,
                project_id=found[picture].project_id,
                moment=moment_of(found[picture].created_at),
                **asdict(new(picture, marks)),
            )
            for picture, marks in changed.items()
        ),
        update_conflicts=True,
        unique_fields=["picture", "person"],
        update_fields=columns,
    )
    Mark.objects.filter(person=person, picture__in=changed, favourite=False, stars=None).delete()
    if "stars" in columns:
        _store_averages(changed)
    return changed


def _store_averages(pictures: Iterable[int]) -> None:
    """Write what the team thinks where walls are filtered and sorted by it, in the transaction that changed it."""
    wanted = set(pictures)
    missing = wanted - set(SearchEntry.objects.filter(picture__in=wanted).values_list("picture", flat=True))
    for older in GeneratedImage.everything.filter(pk__in=missing).select_related("task"):
        search_index.add_picture(older)  # not indexed yet
    found = averages(wanted)
    by_value: dict[int, list[int]] = {}
    for picture in sorted(found):
        by_value.setdefault(found[picture].hundredths, []).append(picture)
    values = Case(*(When(picture__in=some, then=value) for value, some in by_value.items()), default=None)
    SearchEntry.objects.filter(picture__in=wanted).update(rating=values)


def slices(pictures: Iterable[int]) -> Iterator[list[int]]:
    """The keys, each once and in their order, at most `SLICE` at a time."""
    every = list(dict.fromkeys(pictures))
    for begin in range(0, len(every), SLICE):
        yield every[begin : begin + SLICE]


def averages(pictures: Iterable[int]) -> dict[int, Average]:
    """What the team thinks of these pictures, by key; those that nobody rated are left out."""
    rated = Mark.objects.filter(_SEES, picture__in=list(pictures), stars__isnull=False)
    counted = rated.order_by().values_list("picture").annotate(sum=Sum("stars"), people=Count("pk"))
    return {picture: _average(total, people) for picture, total, people in counted}


def _average(total: int, people: int) -> Average:
    """Rounded half up, so that every database stores the same."""
    return Average((200 * total + people) // (2 * people), people)


def on(person: User, picture: int) -> tuple[Marks, Average | None]:
    """The marks of a person on a picture, and what the team thinks of it, in one query."""
    rated, mine = Q(_SEES, stars__isnull=False), Q(person=person, project=projects.of(person))
    found = Mark.objects.filter(picture=picture).aggregate(
        total=Sum("stars", filter=rated),
        people=Count("pk", filter=rated),
        favourites=Count("pk", filter=mine & Q(favourite=True)),
        stars=Sum("stars", filter=mine),
    )
    average = _average(found["total"], found["people"]) if found["people"] else None
    return Marks(bool(found["favourites"]), found["stars"]), average
