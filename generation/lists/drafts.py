"""Lists before they are ordered: made of a table or of a grid, their columns named, their rows mended, then ordered."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.lists import feeding, holding
from generation.lists.models import ListHold, ListRow, ListRun, OrderList, RowTask
from generation.lists.planning import ENGLISH_OF, SURPLUS, Planned, Planner
from generation.lists.reading import columns
from generation.lists.reading.tables import MOST_CELL, BadTable, Table
from generation.ordering import orders
from generation.pictures import estimates
from generation.pictures.estimates import Like
from generation.pictures.models import GeneratedImage
from generation.recipes import registry
from generation.texts import translating
from generation.texts.models import Translation
from stylestudio.media import disk_use

SAMPLES = 50  # newest pictures whose sizes tell what new ones will take on disk
USUAL_BYTES = 1.6  # of a pixel, before there are any: PNG without loss


@dataclass(frozen=True, slots=True)
class Plan:
    """What a list would make. `seconds` and `bytes` are None if that cannot be known; `free` is what the disk has."""

    rows: Sequence[Planned]
    bad: Sequence[Planned]
    jobs: int
    pictures: int
    seconds: float | None
    bytes: int
    free: int | None

    @property
    def is_tight(self) -> bool:
        """Whether the pictures would not fit on the disk."""
        return self.free is not None and self.bytes > self.free


def begin(user: User, table: Table, hold: ListHold | None = None, **fields: Any) -> OrderList:
    """Store a list as a draft. Raises BadTable if it asks for more pictures than a list may."""
    first = table.rows[0]
    named = columns.of_header(first) if columns.is_header(first) else None
    if named is None and max(len(row) for row in table.rows) == 1:
        named = ["prompt"]
        body = range(len(table.rows))
    else:
        body = range(1 if named else 0, len(table.rows))
    if named and not body:
        raise BadTable(_("This table has names of columns, but no row below them."))
    _require_few(_pictures(table.rows[at] for at in body) if not named else _counted(table, body, named))
    with transaction.atomic():
        found = OrderList.objects.create(
            owner=user,
            table={
                "rows": table.rows,
                "numbers": table.numbers,
                "has_header": body.start == 1,
                "splits_words": table.splits_words,
            },
            remarks=[
                *table.remarks,
                *_unknown(first, named if body.start else None),
                *_nameless(table, named if body.start else None),
                *_no_prompts(named, fields),
            ],
            **fields,
        )
        if hold:
            holding.keep(hold, found)
        if named:
            name_columns(found, named, has_header=body.start == 1)
    return found


def _unknown(first: Sequence[str], named: Sequence[str] | None) -> list[str]:
    if named is None:
        return []
    unused = [cell for cell, column in itertools.zip_longest(first, named, fillvalue="") if cell and not column]
    if not unused:
        return []
    words = ngettext("This column is not used: %(names)s.", "These columns are not used: %(names)s.", len(unused))
    return [words % {"names": ", ".join(unused)}]


def _nameless(table: Table, named: Sequence[str] | None) -> list[str]:
    """That rows have cells below no name. Where a comma may have made them of one text, the rows are wrong instead."""
    if named is None or table.splits_words:
        return []
    numbers = [number for number, row in zip(table.numbers, table.rows, strict=True) if len(row) > len(named)]
    words = ngettext(
        "%(number)d row (row %(first)d) has cells below no name, which are not used.",
        "%(number)d rows (the first is row %(first)d) have cells below no name, which are not used.",
        len(numbers),
    )
    return [words % {"number": len(numbers), "first": numbers[0]}] if numbers else []


def _no_prompts(named: Sequence[str] | None, fields: Mapping[str, Any]) -> list[str]:
    """That a table has all its columns named, and none of prompts: each row is wrong then, for one reason."""
    recipe = registry.named(fields.get("choices", {}).get("recipe"))
    if named is None or "prompt" in named or "positive" in recipe.unused:
        return []
    return [_("No column of this table is called prompt. Paste it again with that name above the prompts.")]


def _counted(table: Table, body: Iterable[int], named: Sequence[str]) -> int:
    """How many pictures these rows ask for, before they are read properly."""
    if "count" not in named:
        return _pictures(table.rows[at] for at in body)
    at = named.index("count")
    cells = (table.rows[row][at] if at < len(table.rows[row]) else "" for row in body)
    return sum(int(cell) if cell.isascii() and cell.isdigit() and 0 < len(cell) < 4 else 1 for cell in cells)


def _pictures(rows: Iterable[Sequence[str]]) -> int:
    return sum(1 for _row in rows)


def _require_few(number: int) -> None:
    """Raise BadTable if these are more pictures than a list may make."""
    if number > settings.LIST_PICTURES:
        words = _("This asks for %(number)s pictures, and a list may make at most %(most)s. Split it into several.")
        raise BadTable(words % {"number": f"{number:,}", "most": f"{settings.LIST_PICTURES:,}"})


def name_columns(found: OrderList, named: Sequence[str], *, has_header: bool) -> None:
    """Say what each column of a draft is, and make its rows of the table anew. Raises BadTable."""
    rows, numbers = found.table["rows"], found.table["numbers"]
    body = range(1 if has_header else 0, len(rows))
    _require_few(_counted(Table(rows, numbers), body, named))
    made = [
        ListRow(
            order_list=found,
            position=position,
            number=numbers[at],
            cells=_cells(named, rows[at], splits_words=found.table.get("splits_words", False)),
            seed=secrets.randbelow(orders.RANDOM_SEEDS),
        )
        for position, at in enumerate(body)
    ]
    with transaction.atomic():
        found.rows.all().delete()
        ListRow.objects.bulk_create(made)
        found.columns = list(named)
        found.save(update_fields=["columns"])


def _cells(named: Sequence[str], row: Sequence[str], *, splits_words: bool) -> dict[str, str]:
    """What a row says by column; what is left over, if it may belong to one of them."""
    cells = {column: cell for column, cell in zip(named, row, strict=False) if column and cell}
    over = [cell for cell in row[len(named) :] if cell]
    return cells | ({SURPLUS: ", ".join(over)[:MOST_CELL]} if over and splits_words else {})


def begin_grid(
    user: User, cells: Sequence[tuple[list[int], Mapping[str, str]]], hold: ListHold | None = None, **fields: Any
) -> OrderList:
    """Store a grid as a draft: a row for each of these places. All have the same seed, so that only the settings of the
    axes differ. Raises BadTable.
    """
    _require_few(len(cells))
    seed = secrets.randbelow(orders.RANDOM_SEEDS)
    used = list(dict.fromkeys(column for _place, each in cells for column in each))
    with transaction.atomic():
        found = OrderList.objects.create(owner=user, columns=used, **fields)
        if hold:
            holding.keep(hold, found)
        ListRow.objects.bulk_create(
            ListRow(order_list=found, position=at, number=at + 1, cells=dict(each), place=place, seed=seed)
            for at, (place, each) in enumerate(cells)
        )
    return found


def used_columns(found: OrderList) -> list[str]:
    """The columns that its rows are shown with: those of the table, and always the name and the prompt."""
    named = [column for column in found.columns or () if column]
    return list(dict.fromkeys(["name", "prompt", *named]))


def plan(found: OrderList) -> Plan:
    """What its rows would make, and what is wrong with some."""
    rows = [each for each in Planner(found).plan(found.rows.all()) if not each.row.is_left_out]
    good = [each for each in rows if not each.problems]
    made_of: dict[Like, int] = {}
    pixels = 0
    for each in good:
        order = each.order
        assert order is not None  # it has no problem
        like = Like(order.recipe.name, str(order.mode), order.width * order.height, order.steps)
        made_of[like] = made_of.get(like, 0) + order.count
        pixels += order.count * order.width * order.height
    forecast = estimates.forecast_now()
    times = [forecast.duration(number, like) for like, number in made_of.items()]
    known = [seconds for seconds in times if seconds is not None]
    return Plan(
        rows=rows,
        bad=[each for each in rows if each.problems],
        jobs=len(good),
        pictures=sum(each.count for each in good),
        seconds=sum(known) if len(known) == len(times) and known else None,
        bytes=int(pixels * _bytes_a_pixel()),
        free=disk_use.free(),
    )


def _bytes_a_pixel() -> float:
    newest = GeneratedImage.everything.order_by("-pk").filter(emptied_at=None)[:SAMPLES]
    asked = newest.aggregate(bytes=Sum("size"), pixels=Sum(F("width") * F("height")))
    return asked["bytes"] / asked["pixels"] if asked["pixels"] else USUAL_BYTES


def change(row: ListRow, cells: Mapping[str, str]) -> bool:
    """Write what somebody typed into a row's cells. A row that says something else now is ordered anew."""
    kept = {column: text for column, text in row.cells.items() if column not in cells and column != SURPLUS}
    new = kept | {column: text.strip()[:MOST_CELL] for column, text in cells.items() if text.strip()}
    if new == row.cells:
        return False
    if ENGLISH_OF not in cells:
        _own_english(row, new)
    row.cells, row.revision, row.frozen, row.is_left_out = new, row.revision + 1, {}, False
    row.save(update_fields=["cells", "revision", "frozen", "is_left_out"])
    return True


def _own_english(row: ListRow, new: dict[str, str]) -> None:
    """Note which prompt the English of a changed row belongs to: English that stayed, while the prompt became another,
    belongs to the one before.
    """
    of = new.pop(ENGLISH_OF, "") or row.cells.get("prompt", "")
    if new.get("english"):
        has_stayed = new["english"] == row.cells.get("english")
        new[ENGLISH_OF] = of if has_stayed else new.get("prompt", "")


def take_english(job: Translation, text: str, english: str, **_sent: Any) -> None:
    """A prompt is translated: the rows of a draft that have it and no English get this."""
    room, _dash, number = job.place.partition("-")
    if room != "list":
        return
    for found in OrderList.objects.filter(pk=int(number), ordered_at=None):
        if "english" not in (found.columns or ()):
            found.columns = [*(found.columns or ("prompt",)), "english"]
            found.save(update_fields=["columns"])
        for row in found.rows.filter(cells__prompt=text):
            if not row.cells.get("english"):
                change(row, {"english": english, ENGLISH_OF: text})


def untranslated(planned: Iterable[Planned]) -> list[str]:
    """The prompts of rows, each once, that their models cannot read, and that have no English and can have one."""
    asked = (each.row.cells.get("prompt", "") for each in planned if each.lacks_english)
    return [prompt for prompt in dict.fromkeys(asked) if len(prompt) <= translating.MOST_TEXT]


def order(found: OrderList, *, leaves_out: bool = False) -> ListRun:
    """Order what is not ordered yet. Rows with mistakes are left out if that was asked for; otherwise they are a
    ValidationError, and nothing is ordered. The same at once twice makes one order.
    """
    planned = plan(found)
    # What was ordered stays as it is, also if it could not be ordered again: its style may be gone.
    ordered = set(
        RowTask.objects.filter(row__order_list=found, revision=F("row__revision")).values_list("row", flat=True)
    )
    new = [each for each in planned.rows if each.row.pk not in ordered]
    bad = {each.row.pk for each in new if each.problems}
    if bad and not leaves_out:
        words = ngettext("%(number)d row has a mistake.", "%(number)d rows have mistakes.", len(bad))
        raise ValidationError(words % {"number": len(bad)})
    if len(bad) == len(new):
        raise ValidationError(_("No row of this list can be ordered."))
    try:
        _require_few(planned.pictures)
    except BadTable as error:
        raise ValidationError(str(error)) from error
    for each in new:
        each.row.is_left_out = each.row.pk in bad
        if not each.problems and each.order:
            each.row.pictures = each.order.count
            if found.chooses_words:
                each.row.frozen = each.chosen
    return _run(found, [each.row for each in new])


def retry(found: OrderList) -> ListRun:
    """Make again what failed or was cancelled."""
    return _run(found, [], makes_again=True)


def _run(found: OrderList, rows: Sequence[ListRow], *, makes_again: bool = False) -> ListRun:
    now = timezone.now()
    try:
        with transaction.atomic():
            ListRow.objects.bulk_update(rows, ["is_left_out", "pictures", "frozen"], batch_size=500)
            total = found.rows.filter(is_left_out=False).aggregate(sum=Sum("pictures"))["sum"] or 0
            OrderList.objects.filter(pk=found.pk).update(ordered_at=found.ordered_at or now, table={}, is_paused=False)
            fields = {"owner": found.owner, "visibility": found.visibility, "project_id": found.project_id}
            return feeding.life.order(order_list=found, total=total, makes_again=makes_again, **fields)
    except IntegrityError:
        # One is at work already: it takes up rows that were changed by itself.
        at_work = ListRun.objects.active().filter(order_list=found).first()
        if at_work is None:
            raise
        at_work.wake()
        return at_work
