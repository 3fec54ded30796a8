"""The frame of every page: theme, badge of running work, engines, the page's socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from stylestudio.edge import themes
from stylestudio.edge.page_memory import once_a_page
from stylestudio.host import rooms
from stylestudio.jobs import kinds
from stylestudio.media import identity
from stylestudio.models import MediaStore
from stylestudio.people.access import is_curator


@dataclass(frozen=True, slots=True)
class MemoryFact:
    """Memory of one device of an engine, in bytes. `label` names the kind; `device` is "" if there is only one."""

    label: str
    device: str
    used: int
    total: int


@dataclass(frozen=True, slots=True)
class EngineFact:
    """One engine as pages show it; the same for everybody.

    `state` is idle, busy, held (by a training), unknown, paused, draining (paused, but still finishing), bad (not
    reachable), closed, stuck or exhausted (out of memory too often). `state_text` goes after its name, `label` stands
    alone, `tone` colours both.
    `now` is the job it works on. `now_url` and `now_by` are empty if that job is private; `now_left` is the seconds
    remaining, or None if unknown. `prompts` counts all our pictures that it holds.
    """

    id: int
    name: str
    state: str
    state_text: str
    label: str
    tone: str
    is_preview: bool
    serves: bool
    address: str
    source: str
    device: str
    version: str
    memory: tuple[MemoryFact, ...]
    latency_ms: float | None
    now: str
    now_url: str
    now_by: str
    now_left: float | None
    prompts: int
    trouble: str
    since: datetime
    checkpoints: tuple[str, ...]
    loras: tuple[str, ...]
    more_models: tuple[str, ...]  # other files that pictures may need, with their folders
    node_classes: int

    @property
    def failed(self) -> bool:
        """Whether somebody has to look into it."""
        return self.state in ("bad", "closed", "stuck", "exhausted")

    @property
    def is_gone(self) -> bool:
        """Whether its current state is unknown."""
        return self.state in ("bad", "closed")

    @property
    def is_out(self) -> bool:
        """Whether it gets no work, either for a while or until somebody resumes it."""
        return self.state in ("paused", "draining", "stuck", "exhausted")

    @property
    def host(self) -> str:
        """The address without the scheme."""
        return self.address.partition("://")[2] or self.address

    @property
    def away_seconds(self) -> float:
        """Seconds since its health last changed."""
        return (timezone.now() - self.since).total_seconds()

    @property
    def waiting(self) -> int:
        """How many of our pictures wait there behind the current one."""
        return max(self.prompts - 1, 0)


@dataclass(frozen=True, slots=True)
class EngineSource:
    """What the room of engines adds to pages: its facts, and the templates of one card and of all of them."""

    facts: Callable[[], Sequence[EngineFact]]
    card: str
    section: str


def _engine_sources() -> Iterator[EngineSource]:
    """The source of `engine_facts` and of the cards: one, of the room that knows engines."""
    return rooms.contributed("engine_source")


@once_a_page
def engine_facts() -> Sequence[EngineFact]:
    """Return all engines, as the last probes saw them."""
    return [fact for source in _engine_sources() for fact in source.facts()]


def engine_cards() -> Sequence[str]:
    """Return the templates that show one engine, given as `engine`; each has one root."""
    return [source.card for source in _engine_sources()]


def engine_sections() -> Sequence[str]:
    """Return the templates that show all engines on the queue page."""
    return [source.section for source in _engine_sources()]


def socket_url(watch: str) -> str:
    """The address of the page's socket: whose jobs, changed since when, in which language."""
    query = {"watch": watch, "since": timezone.now().isoformat(), "lang": get_language() or "en"}
    return f"/ws/progress?{urlencode(query)}"


def socket_of(job: kinds.Job) -> str:
    """The address of the socket of a page that shows one job."""
    return socket_url(f"{job.kind}-{job.pk}")


@once_a_page
def media_trouble() -> str:
    """What is wrong between database and media, as a worker last saw it; empty if all is well."""
    row = MediaStore.objects.first()
    return identity.sentence(row.relation) if row and not row.is_settled else ""


def shell(request: HttpRequest) -> dict[str, object]:
    """Context processor for the frame of every page."""
    context: dict[str, object] = {"theme": themes.theme(request)}
    user = getattr(request, "user", None)
    if isinstance(user, User) and user.is_authenticated and not request.path.startswith(reverse("admin:index")):
        # Fragments show no frame, so what it asks is asked when a template comes to it.
        counts, engines = cache(partial(kinds.counts, user)), cache(engine_facts)
        context |= {
            "mine": lambda: counts()[0],
            "total": lambda: counts()[1],
            "engines": lambda: engines(),
            "can_curate": is_curator(user),
            "socket_url": socket_url("mine"),
            "media_trouble": media_trouble() if is_curator(user) else "",
        }
    return context
