"""Live pages: render a fragment once per language and push it to whoever watches.

Nothing here is on the path of the work itself. `changed` notes that a job changed and returns; one thread reads the
job's row, renders and publishes it at most 4 times a second per job. The last state is never skipped, and the end of a
job is pushed at once.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import close_old_connections, connections, transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from stylestudio.edge import failures, passes
from stylestudio.jobs.kinds import Job, kind_of
from stylestudio.live import hub, page_frame
from stylestudio.people.visibility import Visibility

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)

INTERVAL = 0.25  # seconds between pushes for one job
AGAIN = 1.0  # seconds before what a database that was away kept from being pushed is pushed
PAUSE = 0.05  # seconds before the first push, so that a job that ends sooner is pushed once
LANGUAGES = tuple(dict(settings.LANGUAGES))
SHELL = "shell"  # the frame that everybody shares: engines, counts
EVERYONE = "jobs.all"


def mine(user: User) -> str:
    """The group for all jobs of one person."""
    return f"jobs.user.{user.pk}"


def one(kind: str, pk: int) -> str:
    """The group for one job."""
    return f"jobs.{kind}.{pk}"


def person(user_id: int) -> str:
    """The group for one person's page frame."""
    return f"shell.user.{user_id}"


def groups(job: Job) -> list[str]:
    """The groups to notify about `job`. A private job is not sent to everyone."""
    watched = [f"jobs.user.{job.owner_id}", one(job.kind, job.pk)]
    return watched if job.visibility == Visibility.PRIVATE else [*watched, EVERYONE]


def render(template: str, languages: Iterable[str] = LANGUAGES, **context: object) -> dict[str, str]:
    """Render the template in every language. The result depends on the context alone, never on a request."""
    html: dict[str, str] = {}
    for language in languages:
        with translation.override(language):
            html[language] = render_to_string(template, context)
    return html


def fragments(job: Job, languages: Iterable[str] = LANGUAGES) -> dict[str, str]:
    """All complete views of a job (card, row), concatenated per language."""
    rendered = [render(template, languages, job=job) for template in kind_of(job).fragments]
    return {language: "".join(html[language] for html in rendered) for language in languages}


def facts(job: Job) -> dict[str, object]:
    """The job as JSON for scripts."""
    return {
        "kind": job.kind,
        "id": job.pk,
        "status": str(job.status),
        "progress": job.progress,
        "version": job.version,
        "timestamp": timezone.now().isoformat().replace("+00:00", "Z"),
        **kind_of(job).facts(job),
    }


_VERSION = re.compile(r'\bdata-version="\d+"')
# Facts that change with time although the job does not.
_PASSING = ("version", "timestamp", "left_seconds")


def substance(told: Mapping[str, object]) -> dict[str, object]:
    """The facts whose change counts as news: everything but the version and the time."""
    return {name: value for name, value in told.items() if name not in _PASSING}


class Published:
    """Remembers what was last published under each name, so that nothing is published twice in a row.

    What this process publishes under a name must differ whenever another process published something else there in
    between. The fragments of a job do, because they carry its version.
    """

    def __init__(self, most: int = 1000) -> None:
        self._last: OrderedDict[Hashable, bytes] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def is_new(self, name: Hashable, what: object) -> bool:
        """Whether `what` differs from the last time. Remembers it as the last one."""
        digest = hashlib.sha256(repr(what).encode()).digest()
        with self._lock:
            is_new = self._last.get(name) != digest
            self._last[name] = digest
            self._last.move_to_end(name)
            while len(self._last) > self._most:
                self._last.popitem(last=False)
            return is_new


def publish(names: Sequence[str], html: dict[str, str], data: dict[str, object] | None = None) -> None:
    """Send one push to several groups."""
    for name in names:
        hub.publish(name, {"type": "push", "html": html, "data": data})


def publish_shell(template: str, **context: object) -> None:
    """Push a part of the frame that is the same for everybody."""
    publish([SHELL], render(template, LANGUAGES, **context))


def publish_engines() -> None:
    """Push the engine pill, and the engine cards of the queue page."""
    html = {}
    for language in LANGUAGES:
        with translation.override(language):
            engines = page_frame.engine_facts()
            cards = [
                render_to_string(card, {"engine": engine}) for engine in engines for card in page_frame.engine_cards()
            ]
            html[language] = render_to_string("shell/_engine_pill.html", {"engines": engines}) + "".join(cards)
    publish([SHELL], html)


def counts_changed() -> None:
    """A job was added or ended: every socket queries its own counts."""
    hub.publish(SHELL, {"type": "counts"})


def check_sessions(user_id: int) -> None:
    """A session of this person may have ended: their sockets check their own session, and so does the file cache."""
    hub.publish(passes.GROUP, {"type": "forget"})
    hub.publish(person(user_id), {"type": "check_session"})


@dataclass(slots=True)
class _Due:
    """What is waiting to be pushed: views of one job, or whatever `act` publishes."""

    act: Callable[[], None] | None = None
    whole: bool = False
    part: str = ""
    preview: str = ""
    at: float = math.inf


Key = tuple[type[Job], int] | str


class Publisher:
    """The thread that pushes. Newer changes of a job replace older ones that have not been sent yet."""

    # Set by a command, which need not load templates: sends a message to a worker with kind and key of a new job.
    hand_over: Callable[[str, int], object] | None = None

    def __init__(self) -> None:
        self._due: dict[Key, _Due] = {}
        self._sent: dict[Key, float] = {}
        self._published = Published()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def note(self, job: Job, *, whole: bool = False, part: str = "", preview: str = "", now: bool = False) -> None:
        """Remember that `job` changed; push as soon as its interval allows, or at once with `now`."""
        with self._wake:
            due = self._soon((type(job), job.pk), now=now)
            due.whole = due.whole or whole
            due.part = part or due.part
            due.preview = preview or due.preview

    def note_new(self, job: Job) -> None:
        """Push a job that was just stored, and the counts; or let a worker do it."""
        if self.hand_over:
            self.hand_over(job.kind, job.pk)
        else:
            changed(job)
            counts_changed()

    def note_act(self, name: str, act: Callable[[], None]) -> None:
        """Call `act` in the thread soon; calls with the same name are merged until then."""
        with self._wake:
            self._soon(name).act = act

    def _soon(self, key: Key, *, now: bool = False) -> _Due:
        due = self._due.setdefault(key, _Due())
        ready = max(time.monotonic() + PAUSE, self._sent.get(key, 0.0) + INTERVAL)
        due.at = min(due.at, 0.0 if now else ready)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="live", daemon=True)
            self._thread.start()
        self._wake.notify()
        return due

    def flush(self, timeout: float = 5.0) -> None:
        """Wait until everything noted so far has been sent. For tests and for an orderly shutdown."""
        end = time.monotonic() + timeout
        with self._wake:
            for due in self._due.values():
                due.at = 0.0
            self._wake.notify()
            while (self._due or self._busy) and time.monotonic() < end:
                self._wake.wait(0.05)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.notify_all()
                while not (key := self._next()):
                    connections.close_all()
                due = self._due.pop(key)
                self._sent[key] = time.monotonic()
                self._busy = True
            try:
                close_old_connections()
                self._push(key, due)
            except Exception as error:  # a push is a hint: a failure of one must not stop the others
                log.exception("Could not push %s", key)
                failure = failures.of(error)
                if failure and failure.passes:
                    self._put_off(key, due)

    def _put_off(self, key: Key, due: _Due) -> None:
        """Push it again later: with a job that ends while the database is away, no other change follows."""
        with self._wake:
            newer = self._soon(key)
            newer.act, newer.part = newer.act or due.act, newer.part or due.part
            newer.whole = newer.whole or due.whole
            newer.at = time.monotonic() + AGAIN

    def _next(self) -> Key | None:
        """Return what is due first, or wait and return None if nothing is due yet. Called with the lock held."""
        if not self._due:
            self._sent = {key: at for key, at in self._sent.items() if time.monotonic() - at < INTERVAL}
            self._wake.wait()
            return None
        key, due = min(self._due.items(), key=lambda item: item[1].at)
        wait = due.at - time.monotonic()
        if wait > 0:
            self._wake.wait(wait)
            return None
        return key

    def _push(self, key: Key, due: _Due) -> None:
        if due.act:
            due.act()
        if isinstance(key, str):
            return
        model, pk = key
        job = model.everything.select_related("owner").filter(pk=pk).first()
        if job is None:
            return
        if due.whole:
            self._publish(key, job, fragments(job), whole=True)
        elif due.part:
            self._publish(key, job, render(due.part, job=job))
        if due.preview and job.is_active:
            template, source = due.preview.split("\n", 1)
            publish(groups(job), render(template, job=job, src=source))

    def publish_new(self, name: str, group: str, html: dict[str, str]) -> None:
        """Publish a part of a page that only this process updates, unless it equals the last one."""
        if self._published.is_new(name, {language: _VERSION.sub("", text) for language, text in html.items()}):
            publish([group], html)

    def _publish(self, key: Key, job: Job, html: dict[str, str], *, whole: bool = False) -> None:
        """Send the fragments to pages and the facts to scripts; mere progress only if it differs from the last."""
        told = facts(job)
        is_new = self._published.is_new((key, "html"), html) or whole
        is_news = self._published.is_new((key, "data"), substance(told)) or whole
        if is_new or is_news:
            publish(groups(job), html if is_new else {}, told if is_news else None)


publisher = Publisher()


def changed(job: Job) -> None:
    """Push all views of a job that moved or got a picture. An ended job is pushed at once."""
    publisher.note(job, whole=True, now=not job.is_active)


def announce(job: Job, send: Callable[[], None]) -> None:
    """On commit, wake the workers with `send`, and push the new job and the counts."""

    def tell() -> None:
        send()
        publisher.note_new(job)

    transaction.on_commit(tell)


def engines_changed() -> None:
    """An engine started or finished something: push the pill and the cards soon."""
    publisher.note_act("engines", publish_engines)


def arrived(what: str) -> None:
    """Tell every open page soon that something came in, such as "pictures": a page that shows such asks what of it is
    for it. The hint says neither what nor whose it is.
    """
    publisher.note_act(f"arrived {what}", lambda: publish_shell("shell/_arrived.html", what=what))


def progressed(job: Job, template: str) -> None:
    """Push only the small part that shows progress."""
    publisher.note(job, part=template)


def previewed(job: Job, template: str, mime: str, data: bytes) -> None:
    """Push a step preview. It is never stored; the fragment contains the picture (at most 20 kB, see the runner)."""
    source = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    publisher.note(job, preview=f"{template}\n{source}")
