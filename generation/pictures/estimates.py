"""Queue positions and time estimates, computed from real durations and only from three samples on."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import accumulate
from statistics import median
from typing import NamedTuple, Protocol, Self

from stylestudio.edge.page_memory import once_a_page
from stylestudio.host import rooms

WINDOW = 300  # newest finished pictures considered, of all kinds
SAMPLES = 15  # of them, the newest of one kind
ENOUGH = 3  # fewer are not significant
SIZE_CLASS = 1.25  # up to this ratio of their areas pictures take equally long: the form's shapes are one class


class TimedTask(Protocol):
    """The fields of a task that its estimate depends on."""

    @property
    def pk(self) -> int:
        """The primary key."""

    recipe: str
    mode: str
    width: int
    height: int
    steps: int


# A page makes these for every job that waits: tuples, because they are made five times as fast as frozen dataclasses.
class Like(NamedTuple):
    """What decides how long a picture takes: its graph (by recipe and mode), its area in pixels and its steps."""

    recipe: str
    mode: str
    area: int
    steps: int

    @classmethod
    def of(cls, task: TimedTask) -> Self:
        """The kind of this task's pictures."""
        return cls(task.recipe, task.mode, task.width * task.height, task.steps)

    def fits(self, other: Like) -> bool:
        """Whether both take about the same time on one engine."""
        smaller, larger = sorted((self.area, other.area))
        same = (self.recipe, self.mode, self.steps) == (other.recipe, other.mode, other.steps)
        return same and larger <= smaller * SIZE_CLASS


@dataclass(frozen=True, slots=True)
class Sample:
    """A finished picture and the seconds it took on that engine."""

    like: Like
    engine: int
    seconds: float


class Place(NamedTuple):
    """An active task in the queue. `left` counts the pictures not stored yet; `rest` is that less the part already
    made.

    `is_face`: a preview, which comes after the pictures people wait for.
    """

    task: int
    owner: int
    is_face: bool
    priority: int
    like: Like
    left: int
    rest: float

    @property
    def rank(self) -> tuple[int, bool]:
        """The sort key between parties: lower comes first, whoever owns it; within one rank, parties take turns."""
        return -self.priority, self.is_face

    @property
    def party(self) -> tuple[int, bool]:
        """Who takes turns: a person, or the previews in a person's name."""
        return self.owner, self.is_face


@dataclass(slots=True)
class Queue:
    """One party's tasks in serving order, and how many pictures are still to make, in total and by rank."""

    places: list[Place] = field(default_factory=list)
    before: list[int] = field(default_factory=list)  # pictures still to make before each of them
    left: int = 0
    by_rank: Counter[tuple[int, bool]] = field(default_factory=Counter)
    # What these take up to and with each of them, once somebody asks (see `Forecast`).
    work: list[tuple[float, float]] = field(default_factory=list)

    def add(self, place: Place) -> None:
        """Append a task."""
        self.places.append(place)
        self.before.append(self.left)
        self.left += place.left
        self.by_rank[place.rank] += place.left


@dataclass(frozen=True, slots=True)
class PromptOnEngine:
    """A picture that an engine already has."""

    prompt: int
    task: int
    owner: int
    is_face: bool
    engine: int

    @property
    def party(self) -> tuple[int, bool]:
        """Whose turn it was."""
        return self.owner, self.is_face


class Source(Protocol):
    """Where a forecast gets its data; each method is called at most once, and only if needed."""

    def places(self) -> list[Place]:
        """All active tasks that still start pictures, in serving order within each party."""

    def on_engines(self) -> list[PromptOnEngine]:
        """Our prompts on engines, in the order in which they were sent."""

    def engines(self) -> list[int]:
        """Primary keys of the engines that take work now."""

    def samples(self) -> list[Sample]:
        """The newest finished pictures, newest first; at most WINDOW."""


@once_a_page
def forecast_now() -> Forecast:
    """The forecast that all parts of a page share."""
    return Forecast()


class Forecast:
    """The queue, the engines and the newest samples at one moment."""

    def __init__(self) -> None:
        [source] = rooms.contributed("forecast_source")
        self._source: Source = source()

    @cached_property
    def places(self) -> list[Place]:
        """All active tasks that still start pictures, in serving order within each party."""
        return self._source.places()

    @cached_property
    def queues(self) -> dict[tuple[int, bool], Queue]:
        """The same by party."""
        queues: defaultdict[tuple[int, bool], Queue] = defaultdict(Queue)
        for place in self.places:
            queues[place.party].add(place)
        return queues

    @cached_property
    def _index(self) -> dict[int, tuple[Place, int]]:
        """Each task's place by its primary key, and how many of the same party come before it."""
        return {
            place.task: (place, number) for queue in self.queues.values() for number, place in enumerate(queue.places)
        }

    @cached_property
    def on_engines(self) -> list[PromptOnEngine]:
        """Our prompts on engines, in the order in which they were sent."""
        return self._source.on_engines()

    @cached_property
    def _on_engines_by_party(self) -> Counter[tuple[int, bool]]:
        return Counter(on.party for on in self.on_engines)

    @cached_property
    def engines(self) -> list[int]:
        """Primary keys of the engines that take work now."""
        return self._source.engines()

    @cached_property
    def samples(self) -> list[Sample]:
        """The newest finished pictures, newest first."""
        return self._source.samples()

    @cached_property
    def _reckoned(self) -> dict[Like, list[float]]:
        return {}

    def typical(self, like: Like, engine: int | None = None) -> float | None:
        """Median seconds of one such picture, on one engine or on any; None with fewer than three samples."""
        seconds = [
            sample.seconds
            for sample in self.samples
            if sample.like.fits(like) and (engine is None or sample.engine == engine)
        ][:SAMPLES]
        return median(seconds) if len(seconds) >= ENOUGH else None

    def duration(self, pictures: float, like: Like) -> float | None:
        """Seconds until that many such pictures are finished if all engines make them; None if it cannot be known.

        Two engines do not make one picture faster.
        """
        each = self._each(like)
        return max(pictures * _together(each), min(pictures, 1.0) * min(each)) if each else None

    def _each(self, like: Like) -> list[float]:
        """Seconds of one such picture on each engine. An engine with too few samples is assumed to be like the others.

        Empty without engines or without enough samples.
        """
        if like not in self._reckoned:
            anywhere = self.typical(like)
            each = [] if anywhere is None else [self.typical(like, engine) or anywhere for engine in self.engines]
            self._reckoned[like] = each
        return self._reckoned[like]

    def ahead(self, task: TimedTask) -> int:
        """The number of pictures that start before the first one this task still has to start."""
        if task.pk not in self._index:
            return 0
        if (before := self._earlier_there(task)) is not None:
            return sum(number for _place, number in before)
        place, number = self._index[task.pk]
        own = self.queues[place.party].before[number]
        return own + sum(taken for _queue, taken in self._shares(place.party, place.rank, own + 1))

    def wait_seconds(self, task: TimedTask) -> float | None:
        """About how many seconds until the task's first picture starts; None if it cannot be known."""
        if not self._each(Like.of(task)):  # it cannot be known, so do not simulate the queue
            return None
        place = self._place(task)
        if place is None:
            return 0.0
        before = self._earlier_there(task)
        return self._work_before(place, task, 1) if before is None else self._sum(before, task)

    def left_seconds(self, task: TimedTask) -> float | None:
        """About how many seconds until the task's last picture is finished, including other people's turns
        in between.
        """
        place = self._place(task)
        if place is None or not self._each(place.like):
            return None
        own_time = self.duration(place.rest, place.like)
        return None if own_time is None else self._work_before(place, task, place.left) + own_time

    def ahead_of_new(self, owner: int) -> int:
        """The number of pictures that start before the first one of a task `owner` would place now."""
        party = (owner, False)
        mine = self.queues[party].left if party in self.queues else 0
        return mine + sum(taken for _queue, taken in self._shares(party, (0, False), mine + 1))

    def _place(self, task: TimedTask) -> Place | None:
        found = self._index.get(task.pk)
        return found[0] if found else None

    def _earlier_there(self, task: TimedTask) -> list[tuple[Place, int]] | None:
        """What the engine that has a picture of this task got earlier: tasks and how many pictures of each. None if no
        engine has one.
        """
        mine = next((on for on in self.on_engines if on.task == task.pk), None)
        if mine is None:
            return None
        earlier = [on.task for on in self.on_engines if on.engine == mine.engine and on.prompt < mine.prompt]
        return [(self._index[other][0], number) for other, number in Counter(earlier).items() if other in self._index]

    def _work_before(self, place: Place, task: TimedTask, pictures: int) -> float:
        """Seconds until this task has so many turns: for its party's earlier tasks, and for what others get meanwhile.

        Kinds without samples are assumed to take as long as the task's own pictures.
        """
        queue, number = self.queues[place.party], self._index[place.task][1]
        own = queue.before[number]
        parts = [(queue, own), *self._shares(place.party, place.rank, own + pictures)]
        known, unknown = reduce(_added, (self._work(*part) for part in parts))
        return known + unknown * _together(self._each(Like.of(task)))

    def _work(self, queue: Queue, pictures: int) -> tuple[float, float]:
        """What the first `pictures` pictures of a party take: seconds, and pictures of which that is not known."""
        if not queue.places:
            return 0.0, 0.0
        if not queue.work:
            queue.work = list(accumulate((self._work_of(place, place.left) for place in queue.places), _added))
        last = bisect_right(queue.before, pictures) - 1
        started = self._work_of(queue.places[last], pictures - queue.before[last])
        return _added(queue.work[last - 1], started) if last else started

    def _work_of(self, place: Place, pictures: int) -> tuple[float, float]:
        left = min(pictures, place.rest)
        each = self._each(place.like)
        return (left * _together(each), 0.0) if each else (0.0, left)

    def _shares(self, party: tuple[int, bool], rank: tuple[int, bool], turns: int) -> Iterator[tuple[Queue, int]]:
        """How many pictures of each other party come before this party's picture number `turns`.

        Parties take turns, so that many of each, and at least what engines already have of theirs. What was moved to
        the front comes before the rest, and the pictures people wait for before previews.
        """
        for other, queue in self.queues.items():
            if other != party:
                front = sum(left for of, left in queue.by_rank.items() if of < rank)
                equal = queue.by_rank.get(rank, 0)
                yield queue, min(max(front + min(equal, turns), self._on_engines_by_party[other]), queue.left)

    def _sum(self, work: Iterable[tuple[Place, int]], task: TimedTask) -> float:
        """Seconds for so many pictures of each. For kinds without samples see `_work_before`."""
        known, unknown = reduce(_added, (self._work_of(*part) for part in work), (0.0, 0.0))
        return known + unknown * _together(self._each(Like.of(task)))


def _added(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def _together(each: Sequence[float]) -> float:
    """Seconds from one finished picture to the next if engines that take so long each work in parallel."""
    return 1 / sum(1 / max(seconds, 0.001) for seconds in each)
