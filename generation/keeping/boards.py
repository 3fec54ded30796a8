"""Boards: adding, removing and moving pictures, and what pages show of boards.

A picture that somebody may not see is not on any board for them: it is neither shown nor counted, nor can they move or
remove it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.keeping.marks import slices
from generation.keeping.models import Board, BoardPicture, BoardPictureQuerySet
from generation.pictures.models import GeneratedImage
from generation.pictures.models.search_index import moment_of

GAP = 2**16  # between the positions of two pictures: 16 moves to the same place before some are renumbered
WALK = "board-"  # before the number of the board that somebody came from
AHEAD = 20  # pictures before the one that a page is asked for
SPREAD = 16  # pictures that are renumbered together at first
Place = tuple[int, int]  # position and picture


class _HowMany(Subquery):
    """The number of rows of a query that stops somewhere."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS few)"
    output_field = IntegerField()


def may_change(person: User, board: Board) -> bool:
    """Whether somebody may rename, arrange and delete a board: its owner may, and owners of the studio."""
    return board.owner_id == person.pk or person.is_superuser


def require_may_change(person: User, board: Board) -> None:
    """Raise PermissionDenied unless they may."""
    if not may_change(person, board):
        raise PermissionDenied(_("Only the person who made this board, or an owner of the studio, can change it."))


# --- What is on a board


def shown(person: User, board: Board | OuterRef) -> BoardPictureQuerySet:
    """The places on a board whose pictures this person sees, in the board's order."""
    seen = GeneratedImage.with_previews.visible_to(person).filter(pk=OuterRef("picture_id"))
    return BoardPicture.objects.filter(Exists(seen), board=board).order_by("position", "picture")


def page(person: User, board: Board, after: Place | None, size: int) -> list[BoardPicture]:
    """The first `size` places, or those after one, each with its picture."""
    places: QuerySet[BoardPicture] = shown(person, board)
    if after is not None:
        places = _after(places, after)
    return list(places.select_related("picture__task")[:size])


def _after(places: QuerySet[BoardPicture], place: Place) -> QuerySet[BoardPicture]:
    position, picture = place
    # The database seeks in the index by the first condition.
    return places.filter(Q(position__gte=position), Q(position__gt=position) | Q(picture__gt=picture))


def before(person: User, board: Board, place: Place) -> BoardPicture | None:
    """The place before one; None for the first."""
    return _before(person, board, place).first()


def _before(person: User, board: Board, place: Place) -> QuerySet[BoardPicture]:
    position, picture = place
    places = shown(person, board).order_by("-position", "-picture")
    return places.filter(Q(position__lte=position), Q(position__lt=position) | Q(picture__lt=picture))


def beside(person: User, board: Board, picture: int) -> tuple[list[int], list[int]]:
    """The keys of the pictures before and after one on a board; of nothing beside one that is not there any more."""
    try:
        place = place_of(person, board, picture)
    except LookupError:
        return [], []
    some = _before(person, board, place), _after(shown(person, board), place)
    ahead, later = (list(each.values_list("picture", flat=True)[:1]) for each in some)
    return ahead, later


def start_of_page_with(person: User, board: Board, picture: int) -> str:
    """The key after which a page begins that has the picture in its first half; "" is the board's first page."""
    try:
        place = place_of(person, board, picture)
    except LookupError:
        return ""
    rows = list(_before(person, board, place)[: AHEAD + 1])
    return key_of(rows[-1]) if len(rows) > AHEAD else ""


def walk(board: Board) -> str:
    """What the addresses of pictures end with to which somebody came from a board."""
    return f"?wall={WALK}{board.pk}"


def key_of(place: BoardPicture) -> str:
    """A place on a board, for use in a URL."""
    return f"{place.position}~{place.picture_id}"


def place_of(person: User, board: Board, picture: int) -> Place:
    """The place of a picture. Raises LookupError if this person does not see it on the board."""
    for place in shown(person, board).filter(picture=picture):
        return place.key
    raise LookupError(picture)


def behind(board: Board, place: Place, picture: int) -> int | None:
    """The picture that comes next, but for `picture` itself, whoever sees it; None at the end."""
    rest = BoardPicture.objects.filter(board=board).exclude(picture=picture).order_by("position", "picture")
    later = _after(rest, place)
    return next(iter(later.values_list("picture", flat=True)[:1]), None)


def counted(person: User, boards: QuerySet[Board], most: int) -> QuerySet[Board]:
    """The boards, with how many pictures of each this person sees as `size`: counted up to `most` and one more."""
    some = shown(person, OuterRef("pk")).order_by().values("pk")
    return boards.annotate(size=_HowMany(some[: most + 1]))


def with_covers(person: User, boards: QuerySet[Board]) -> list[Board]:
    """The boards, each with its cover as `front`: the chosen picture, else the first one that this person sees."""
    first = Subquery(shown(person, OuterRef("pk")).values("picture")[:1])
    found: list[Board] = [*boards.select_related("owner").annotate(first=first).order_by()]
    wanted = {pk for board in found for pk in (board.cover_id, vars(board)["first"]) if pk}
    seen = GeneratedImage.with_previews.visible_to(person).select_related("task").in_bulk(wanted)
    for board in found:
        front = seen.get(board.cover_id or 0) or seen.get(vars(board)["first"] or 0)
        vars(board)["front"] = front
    return found


def of_picture(person: User, picture: GeneratedImage) -> list[Board]:
    """The boards that a picture is on, by name, as far as this person sees them."""
    # Asked together and for an order, SQLite goes through all boards and looks for the picture on each.
    on = list(BoardPicture.objects.filter(picture=picture).values_list("board", flat=True))
    found = Board.objects.visible_to(person).filter(pk__in=on).order_by()
    return sorted(found, key=lambda board: (board.name.casefold(), board.pk))


# --- Putting pictures on boards


def add(person: User, board: Board, pictures: Iterable[int]) -> list[int]:
    """Put pictures at the end of a board, in this order. Returns those that are new there."""
    added: list[int] = []
    for some in slices(pictures):
        with transaction.atomic():
            board.lock()
            seen = GeneratedImage.with_previews.visible_to(person).filter(pk__in=some)
            moments = dict(seen.values_list("pk", "created_at"))
            there = set(BoardPicture.objects.filter(board=board, picture__in=some).values_list("picture", flat=True))
            new = [picture for picture in some if picture in moments and picture not in there]
            end = _last(board)
            BoardPicture.objects.bulk_create(
                BoardPicture(
                    board=board, picture_id=picture, position=end + GAP * number, moment=moment_of(moments[picture])
                )
                for number, picture in enumerate(new, 1)
            )
            added += new
    if added:
        board.touch()
    return added


def remove(person: User, board: Board, pictures: Iterable[int]) -> dict[int, int]:
    """Take pictures off a board. Returns the positions that they had, by picture."""
    places: dict[int, int] = {}
    for some in slices(pictures):
        with transaction.atomic():
            board.lock()
            rows = shown(person, board).filter(picture__in=some)
            found = dict(rows.order_by().values_list("picture", "position"))
            BoardPicture.objects.filter(board=board, picture__in=found).delete()
            Board.everything.filter(pk=board.pk, cover__in=found).update(cover=None)
            places |= found
    if places:
        board.touch()
    return places


def put_back(person: User, board: Board, places: Mapping[int, int]) -> int:
    """Undo a removal: the pictures get their positions back, those that are there again stay. Returns how many."""
    count = 0
    for some in slices(places):
        with transaction.atomic():
            board.lock()
            there = BoardPicture.objects.filter(board=board, picture__in=some).values("picture")
            seen = GeneratedImage.with_previews.visible_to(person).filter(pk__in=some).exclude(pk__in=there)
            rows = [
                BoardPicture(board=board, picture_id=pk, position=places[pk], moment=moment_of(created_at))
                for pk, created_at in seen.values_list("pk", "created_at")
            ]
            count += len(BoardPicture.objects.bulk_create(rows))
    if count:
        board.touch()
    return count


def _last(board: Board) -> int:
    end: int | None = BoardPicture.objects.filter(board=board).aggregate(end=Max("position"))["end"]
    return end if end is not None else 0


# --- Order


def move(board: Board, picture: int, place: int | None) -> None:
    """Put a picture before the one in `place`, or at the end of its board. Raises LookupError if one is not there."""
    with transaction.atomic():
        board.lock()
        others = BoardPicture.objects.filter(board=board).exclude(picture=picture)
        moved = BoardPicture.objects.filter(board=board, picture=picture).first()
        target = others.filter(picture=place).first() if place is not None else None
        if moved is None or (place is not None and target is None):
            raise LookupError(picture)
        moved.position = _room_before(others, target) if target else _last(board) + GAP
        moved.save(update_fields=["position"])
        board.touch()


def _room_before(others: QuerySet[BoardPicture], target: BoardPicture) -> int:
    """A free position before `target`; where there is none, pictures from it on are spread over what follows."""
    position, picture = target.key
    # The database seeks in the index by the first condition of each.
    earlier = others.filter(Q(position__lte=position), Q(position__lt=position) | Q(picture__lt=picture))
    earlier = earlier.order_by("-position", "-picture")
    low = next(iter(earlier.values_list("position", flat=True)[:1]), target.position - 2 * GAP)
    if target.position - low > 1:
        return (low + target.position) // 2
    later = others.filter(Q(position__gte=position), Q(position__gt=position) | Q(picture__gte=picture))
    return _spread(later.order_by("position", "picture"), low)


def _spread(later: QuerySet[BoardPicture], low: int) -> int:
    """Give the first of these pictures even positions behind `low`, and return a free one before them."""
    number = SPREAD
    while True:
        rows = list(later[: number + 1])
        is_end = len(rows) <= number
        high = low + GAP * (len(rows) + 2) if is_end else rows.pop().position
        step = (high - low) // (len(rows) + 2)
        if step > SPREAD:
            break
        number *= 4
    for place, row in enumerate(rows, 2):
        row.position = low + step * place
    BoardPicture.objects.bulk_update(rows, ["position"])
    return low + step


def set_cover(board: Board, picture: int | None) -> None:
    """Choose the cover, or let it be the first picture."""
    Board.everything.filter(pk=board.pk).update(cover=picture, updated_at=timezone.now())
