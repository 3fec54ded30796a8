"""Which database owns the media: the mark by which a database recognises its folder or bucket.

The store contains a mark (`MARK`): the identity of its database, a counter that every start increments, and a token
that changes with every increment. The database has the same values in its `MediaStore` row. While both agree, files
that nobody needs may be deleted. If they differ, the database is an older copy, a copy that runs elsewhere, or a
different one, and files that it does not know may be somebody's work: then nothing is deleted or moved until a person
has looked at the numbers (`manage.py adopt_media`).

File names begin with the prefix of the start after which the file was stored (`new_name`). This shows for a file that
no row names whether this database stored and lost it, or whether it belongs to another one.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Max
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.database.prepared import Prepared
from stylestudio.host import locks
from stylestudio.host.health_facts import Fact
from stylestudio.media.survey import Survey, names_any, survey
from stylestudio.models import MediaStore, Start, Worker

log = logging.getLogger(__name__)

Relation = MediaStore.Relation
MARK = "studio.json"  # at the root of the store, where it is never served
ABOUT = "Tells which StyleStudio database these files belong to. Please leave it where it is."
PREFIX = 12  # hexadecimal digits of a file name that identify the start; the other 20 cannot be guessed
KNOWN_SHARE = 0.95  # of the files in a store without a mark must be known, or the store is not this database's
TURN = timedelta(minutes=10)  # between increments of the counter while a worker runs
SECONDS_FOR_THE_MARK = 30.0  # how long to wait for another process that reads or writes the mark
LATE = timedelta(seconds=30)  # how long a database may live after its last recorded heartbeat

# Saving leaves alone what the sweep writes to the row in the meantime.
_STANDING = ("counter", "token", "held", "marked_at", "relation", "adopted_at")


class MarkedStorage(Protocol):
    """What our storages offer in addition to Django's interface."""

    def read(self, name: str) -> bytes:
        """Read a small file. Raises FileNotFoundError if it does not exist, OSError if the store does not answer."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write a file, replacing an existing one. Raises OSError."""
        ...

    def move(self, name: str, target: str) -> None:
        """Rename a file. Raises OSError."""
        ...


def storage() -> MarkedStorage:
    """The media store."""
    return cast(MarkedStorage, default_storage)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the store says about itself.

    `contested` is set by a database that lost the store to another while running.
    """

    database: str
    counter: int
    token: str
    at: str
    contested: bool = False
    about: str = ABOUT

    @property
    def moment(self) -> datetime | None:
        """When it was written; None if that is malformed."""
        try:
            return datetime.fromisoformat(self.at)
        except ValueError:
            return None


def read_mark() -> Mark | None:
    """Read the mark of the store; None if it has none.

    Raises ValueError if it is damaged, OSError without an answer.
    """
    try:
        told = json.loads(storage().read(MARK))
        return Mark(
            database=str(uuid.UUID(told["database"])),
            counter=int(told["counter"]),
            token=str(told["token"]),
            at=str(told["at"]),
            contested=bool(told["contested"]),
        )
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{MARK} lacks something: {error!r}") from error


def compare(row: MediaStore, mark: Mark | None) -> Relation:
    """How the database of `row` relates to a store with this mark."""
    if mark is None:
        return Relation.UNMARKED
    if mark.database != str(row.identity):
        return Relation.OTHER
    if mark.contested:
        return Relation.CONTESTED
    if mark.token in {row.token, row.held} - {""}:
        return Relation.SAME
    if mark.counter == row.counter:
        return Relation.PARTED
    return Relation.OLDER if mark.counter > row.counter else Relation.NEWER


_newest = Prepared(lambda: Start.objects.order_by("-pk").values_list("prefix")[:1])


def new_name(suffix: str) -> str:
    """A name for a new file: 32 hexadecimal digits that nobody can guess, and `suffix` (such as ".png")."""
    return new_names()(suffix)


def new_names() -> Callable[[str], str]:
    """`new_name` for files that are stored in the next seconds: it asks the database once, and any thread may call what
    it returns.
    """
    [prefix] = next(iter(_newest.rows()), [secrets.token_hex(PREFIX // 2)])
    return lambda suffix: f"{prefix}{secrets.token_hex(10)}{suffix}"


def record_start() -> None:
    """Record the start of a studio or worker, and increment the counter if database and store belong together.

    A store without a mark becomes this database's if nearly all of its newest files are known here.
    """
    Start.objects.filter(over_at=None).update(over_at=Greatest(F("at"), _last_alive()))
    Start.objects.create(prefix=secrets.token_hex(PREFIX // 2))
    try:
        recognised = _recognise() if _relation(MediaStore())[0] == Relation.UNMARKED else Relation.UNMARKED
        with _alone() as row:
            relation, mark = _relation(row)
            if relation == Relation.UNMARKED:
                relation = recognised
            if relation == Relation.SAME:
                row.adopted_at = row.adopted_at if mark else timezone.now()
                _advance(row, mark)
            _note(row, relation)
        if row.is_settled:
            _write_mark()
    except OSError:
        log.exception("The media cannot be read or written. Nothing of them is deleted.")


def check_relation() -> bool:
    """Whether database and store belong together now. Each worker calls this every minute; it also moves the counter
    on.

    A running database that finds its store taken over by another one records this in the mark, so that the other one
    deletes nothing either.
    """
    try:
        row, mark = current()
        stored = MediaStore.objects.values_list("relation", flat=True).first()
        if stored is None:
            return may_delete()
        if stored != row.relation or (row.is_settled and (_is_due(row) or (mark and mark.token != row.token))):
            row = _check_and_record()
    except OSError:
        log.exception("The media cannot be read or written. Nothing of them is deleted.")
        return False
    return row.is_settled


def _check_and_record() -> MediaStore:
    with _alone() as row:
        relation, mark = _seen(row)
        if relation == Relation.SAME and _is_due(row):
            _advance(row, mark)
        elif row.is_settled and relation != Relation.SAME and mark and not mark.contested:
            _put(replace(mark, contested=True))
        _note(row, relation)
    if row.is_settled:
        _write_mark()
    return row


def advance_counter() -> None:
    """Increment the counter when a worker stops: every copy of the database made before is then older than the store.

    Raises neither OSError nor DatabaseError, because a worker must end even if one of the two does not answer.
    """
    try:
        with _alone() as row:
            relation, mark = _relation(row)
            if relation == Relation.SAME:
                _advance(row, mark)
                row.save(update_fields=_STANDING)
        if relation == Relation.SAME:
            _write_mark()
    except (OSError, DatabaseError):
        log.warning("The mark of the media could not be written.", exc_info=True)


def may_delete() -> bool:
    """Whether files may be deleted at all: never from a store that may belong to another database.

    Before the first start of a studio on this database there is no row. Then a store without a mark is its own.
    """
    try:
        row, mark = MediaStore.objects.first(), read_mark()
    except (OSError, ValueError, DatabaseError):
        return False
    return mark is None if row is None else compare(row, mark) == Relation.SAME


def mark_of_copy(database: Path) -> bytes | None:
    """The mark to save with a copy of the SQLite database; None if there is no copy or it never had any media.

    The same holds for a copy from before media had marks, as people make it between a `git pull` and the first start.
    A backup of both uses this mark, because the counter may move on between the copies of database and media.
    Whoever saves both takes this one: the counter may go on between the copies of database and media.
    """
    if not database.is_file():
        return None
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as copy:
        if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'stylestudio_mediastore'").fetchone():
            return None
        kept = copy.execute("SELECT identity, counter, token FROM stylestudio_mediastore WHERE counter > 0").fetchone()
    if kept is None:
        return None
    identity, counter, token = kept
    return _text(Mark(str(uuid.UUID(identity)), counter, token, timezone.now().isoformat(timespec="seconds")))


def adopt() -> None:
    """Make this database own the store from now on; files that no row names stay. OSError if it cannot be marked."""
    with _alone() as row, transaction.atomic():
        try:
            mark = read_mark()
        except ValueError:
            mark = None
        # Files of earlier starts may be in use by the database that the store comes from.
        Start.objects.all().delete()
        Start.objects.create(prefix=secrets.token_hex(PREFIX // 2))
        row.counter = max(row.counter, mark.counter if mark else 0)
        _advance(row, None)
        row.relation, row.adopted_at, row.swept_at, row.swept = Relation.SAME, timezone.now(), None, {}
        row.save()
        # Inside the transaction: after a crash in between the store is unknown and can be adopted again.
        _put(_mark_of(row))


def current() -> tuple[MediaStore, Mark | None]:
    """Return row and mark as they are now, to be shown. The row is not saved; its relation is computed.

    OSError if the store does not answer.
    """
    row = MediaStore.objects.first() or MediaStore(pk=1)
    row.relation, mark = _seen(row)
    return row, mark


def facts_for_health() -> Iterable[Fact]:
    """A fact for `/health` if a worker saw that database and media do not belong together. The studio still works."""
    row = MediaStore.objects.first()
    if row and not row.is_settled:
        yield Fact("media", row.relation)


def sentence(relation: str) -> str:
    """The relation in words for people."""
    return {
        Relation.SAME: _("The media belong to this database."),
        Relation.UNMARKED: _(
            "The media have no mark of a database, and this database knows fewer than 95 in 100 of their newest files."
        ),
        Relation.EMPTY: _(
            "The media are empty, although the database names files. Is this the right folder or bucket?"
        ),
        Relation.OLDER: _(
            "The database is older than the media: an older copy of it was put in its place, or another copy is in use."
        ),
        Relation.NEWER: _("The media are older than the database: an older copy of them was put in their place."),
        Relation.PARTED: _("Database and media come from the same studio, but each went on without the other."),
        Relation.OTHER: _("The media belong to another database."),
        Relation.CONTESTED: _("Two studios with different databases use these media at the same time."),
        Relation.UNREADABLE: _("The mark of the media, studio.json, is damaged."),
    }[Relation(relation)]


def remedy(relation: str) -> str:
    """What to do about it; empty if all is well."""
    if relation == Relation.SAME:
        return ""
    if relation == Relation.CONTESTED:
        return _(
            "Nothing is deleted or moved meanwhile. Stop the studio that should not use them, then look at the numbers "
            "and settle it with: python manage.py adopt_media"
        )
    return _(
        "Nothing is deleted or moved meanwhile. Put the right copy in place, or look at the numbers and settle it "
        "with: python manage.py adopt_media"
    )


def newer(row: MediaStore, mark: Mark | None) -> str:
    """Which of the two went on for longer, in words; empty if unknown."""
    if mark is None or row.relation in (Relation.SAME, Relation.CONTESTED):
        return ""
    if row.marked_at is None:
        return _("This database is a new one, or a copy from before media were marked.")
    ours, theirs = row.counter, mark.counter
    if row.relation == Relation.OTHER and mark.moment:
        ours, theirs = round(row.marked_at.timestamp()), round(mark.moment.timestamp())
    if ours == theirs:
        return ""
    return _("The database is the newer one.") if ours > theirs else _("The media are the newer ones.")


def owned(times: Mapping[str, datetime]) -> set[str]:
    """The files, given with the time when each was written, that this database itself stored.

    These were written after one of its starts and while it was alive: later ones were named by another copy of it.
    """
    starts = {start.prefix: start for start in Start.objects.all()}

    def ours(name: str) -> bool:
        start = starts.get(name.rpartition("/")[2][:PREFIX])
        return bool(start and (start.over_at is None or times[name] <= start.over_at + LATE))

    return {name for name in times if ours(name)}


def _recognise() -> Relation:
    found: Survey = survey()
    if not found.files:
        return Relation.EMPTY if names_any() else Relation.SAME
    return Relation.SAME if found.known >= KNOWN_SHARE * found.files else Relation.UNMARKED


def _last_alive() -> datetime:
    seen: datetime | None = Worker.objects.aggregate(at=Max("heartbeat_at"))["at"]
    return seen or datetime.fromtimestamp(0, tz=timezone.get_default_timezone())


def _relation(row: MediaStore) -> tuple[Relation, Mark | None]:
    try:
        mark = read_mark()
    except ValueError:
        return Relation.UNREADABLE, None
    return compare(row, mark), mark


def _seen(row: MediaStore) -> tuple[Relation, Mark | None]:
    """`_relation`, except that a store that was empty at the start stays EMPTY until the next start."""
    relation, mark = _relation(row)
    was_empty = relation == Relation.UNMARKED and row.relation == Relation.EMPTY
    return (Relation.EMPTY if was_empty else relation), mark


def _note(row: MediaStore, relation: Relation) -> None:
    """Store the relation in the row for the pages, and log it if it has changed."""
    if relation != Relation.SAME and relation != row.relation:
        log.warning("%s %s", sentence(relation), remedy(relation))
    row.relation = relation
    row.save(update_fields=_STANDING)


def _is_due(row: MediaStore) -> bool:
    return row.marked_at is None or timezone.now() - row.marked_at >= TURN


@contextmanager
def _alone() -> Iterator[MediaStore]:
    """Lock and return the row: until the block ends no other process changes it or the mark. Raises OSError.

    On SQLite the lock is a file: its own lock would block all writers for as long as the store takes to answer.
    """
    MediaStore.objects.get_or_create(pk=1)
    if connection.vendor == "sqlite":
        with locks.wait_for_lock(Path(settings.DATA, "media.lock"), SECONDS_FOR_THE_MARK):
            yield MediaStore.objects.get(pk=1)
    else:
        with transaction.atomic():
            yield MediaStore.objects.select_for_update().get(pk=1)


def _advance(row: MediaStore, mark: Mark | None) -> None:
    row.held = mark.token if mark else row.token
    row.token, row.counter, row.marked_at = secrets.token_hex(16), row.counter + 1, timezone.now()


def _write_mark() -> None:
    """Write the database's token to the store. Under the lock: of several concurrent starts the last one stays."""
    with _alone() as row:
        _put(_mark_of(row))


def _mark_of(row: MediaStore) -> Mark:
    return Mark(str(row.identity), row.counter, row.token, timezone.now().isoformat(timespec="seconds"))


def _put(mark: Mark) -> None:
    storage().put(MARK, _text(mark))


def _text(mark: Mark) -> bytes:
    return (json.dumps(asdict(mark), indent=1) + "\n").encode()
