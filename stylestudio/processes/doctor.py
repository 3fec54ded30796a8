"""The checks of `manage.py doctor`. Rooms add their own; each finding says what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from stylestudio import checks
from stylestudio.database import integrity, schema, shrinking
from stylestudio.edge import failures, proxies
from stylestudio.host import private, rooms
from stylestudio.media import identity, lost_files
from stylestudio.models import MediaStore, Worker

TRIAL = 64 * 1024  # bytes of a test write
LEAST_FREE = 2 * 2**30  # bytes; a 1024 × 1024 picture takes about 1.5 MB


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `remedy` is empty if all is well."""

    name: str
    state: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy


Check = Callable[[], Iterable[Finding]]


def wrong_settings() -> Iterable[Finding]:
    """The settings do not contradict each other; all other checks rely on them."""
    for message in run_checks(tags=[checks.TAG]):
        if message.level >= ERROR:
            yield Finding(_("Settings"), message.msg, message.hint or _("Correct them, then start again."))


def data_folder() -> Iterable[Finding]:
    """The data folder is writable and has free space."""
    yield _folder(_("Data folder"), Path(settings.DATA), _("Make it writable, or set STYLESTUDIO_DATA."))


def media_folder() -> Iterable[Finding]:
    """The media folder, if files are stored in one, is writable and has free space: it may be on another disk."""
    if not settings.S3_BUCKET:
        yield _folder(_("Media folder"), Path(settings.MEDIA_ROOT), _("Make it writable for the studio's user."))


def _folder(name: str, folder: Path, remedy: str) -> Finding:
    try:
        private.folder(folder)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(bytes(TRIAL))  # a full disk still accepts an empty file
            trial.flush()
    except OSError as error:
        failure = failures.of(error)
        full = failure is not None and failure.kind == failures.Kind.FULL
        return Finding(name, f"{folder}: {error.strerror}", _("Make room: nothing is free.") if full else remedy)
    free = shutil.disk_usage(folder).free
    remedy = "" if free >= LEAST_FREE else _("Make room: less than 2 GB are free.")
    return Finding(name, _("%(folder)s, %(free).1f GB free") % {"folder": folder, "free": free / 1e9}, remedy)


def privacy() -> Iterable[Finding]:
    """Nobody else on this machine can open what is in the data folder."""
    if exposed := private.exposed(settings.DATA):
        yield Finding(
            _("Private files"),
            _("other users of this machine may open %s") % ", ".join(str(place) for place in exposed[:3]),
            _("Start the studio again as their owner, which takes that away, or put the data folder elsewhere."),
        )


def database() -> Iterable[Finding]:
    """The database can be opened, answers, and fits this program."""
    try:
        if file := integrity.database_file():
            integrity.check_header(file)
        schema.refuse_newer()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except integrity.Damaged as error:
        yield Finding(_("Database"), _("damaged"), str(error))
    except schema.NewerDatabase as error:
        yield Finding(_("Database"), _("of a newer version"), str(error))
    except DatabaseError as error:
        yield Finding(_("Database"), str(error), _("Check DATABASE_URL and the data folder's permissions."))
    else:
        remedy = _("Run: python manage.py migrate") if plan else ""
        state = _("%d migrations to apply") % len(plan) if plan else connection.vendor
        unused = shrinking.unused_text()
        yield Finding(_("Database"), f"{state} ({unused})" if unused else state, remedy)


def tables() -> Iterable[Finding]:
    """The tables are undamaged, as far as a worker has examined them. PostgreSQL checks its own."""
    for state, remedy in integrity.examined():
        yield Finding(_("Tables"), state, remedy)


def files() -> Iterable[Finding]:
    """The files that rows name exist."""
    try:
        found = lost_files.find_lost_files()
    except (DatabaseError, OSError) as error:
        yield Finding(_("Files"), str(error), _("Mend the database and the media folder first."))
        return
    yield Finding(_("Files"), found.state, found.remedy)


def worker() -> Iterable[Finding]:
    """At least one worker is alive."""
    try:
        names = list(Worker.objects.alive().values_list("name", flat=True))
    except DatabaseError as error:
        yield Finding(_("Worker"), str(error), _("Mend the database first."))
        return
    remedy = "" if names else _("Start the studio with: python3 run.py")
    yield Finding(_("Worker"), ", ".join(names) or _("none is alive"), remedy)


def redis() -> Iterable[Finding]:
    """Redis answers, if REDIS_URL is set."""
    if not settings.REDIS_URL:
        return
    from huey.contrib.djhuey import HUEY

    try:
        HUEY.storage.conn.ping()
    except Exception as error:  # noqa: BLE001 - of a package that is not always installed; the person should read it
        yield Finding(_("Redis"), str(error), _("Start Redis, or mend REDIS_URL."))
    else:
        yield Finding(_("Redis"), _("answers"))


def bucket() -> Iterable[Finding]:
    """The bucket exists and is ours, if S3_BUCKET is set."""
    if not settings.S3_BUCKET:
        return
    from stylestudio.media.buckets import PrivateBucket

    storage = storages["default"]
    assert isinstance(storage, PrivateBucket)
    try:
        storage.check()
    except OSError as error:
        yield Finding(_("Bucket"), str(error), _("Make the bucket, or mend S3_BUCKET and its keys."))
    else:
        yield Finding(_("Bucket"), settings.S3_BUCKET)


def media() -> Iterable[Finding]:
    """The media belong to this database, and the last sweep found nothing that needs attention."""
    try:
        row, mark = identity.current()
    except (OSError, DatabaseError) as error:
        yield Finding(_("Media"), str(error), _("Mend the database and the media folder or bucket first."))
        return
    if mark is None and not MediaStore.objects.exists():
        return  # no studio has ever started on this database
    words = (identity.sentence(row.relation), identity.newer(row, mark))
    yield Finding(_("Media"), " ".join(filter(None, words)), identity.remedy(row.relation))
    if row.swept:
        yield _swept(row.swept)


def _swept(found: dict[str, int]) -> Finding:
    state = _(
        "%(files)d looked at: %(foreign)d of other databases, %(lost)d lost by this one, %(moved)d moved to the bin"
    )
    remedy = _("Nothing is moved meanwhile. Does another studio use these media? Look at: python manage.py adopt_media")
    return Finding(_("Files without a row"), state % found, remedy if found["stopped"] else "")


def unlisted_proxies() -> Iterable[Finding]:
    """Every sender of forwarding headers to a studio with an https address is listed as a proxy."""
    for peer in proxies.unlisted():
        yield Finding(
            _("Proxy"),
            _("%(address)s sends X-Forwarded headers, which are not believed") % {"address": peer},
            _(
                "If it is your proxy, set STYLESTUDIO_PROXIES=%(address)s and start the studio again. "
                "If it is not, let only the proxy reach the studio's port."
            )
            % {"address": peer},
        )


_checks: list[Check] = [
    data_folder, privacy, media_folder, database, tables, redis, bucket, media, files, worker, unlisted_proxies
]  # fmt: skip


def examine() -> Iterable[Finding]:
    """Run all checks, in order: these, then those of the rooms. Nothing else is looked at while settings are wrong."""
    if wrong := list(wrong_settings()):
        yield from wrong
        return
    for check in (*_checks, *rooms.contributed("doctor_checks")):
        yield from check()
