"""The engines that a picture can be given to, and which of them is best for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from generation.engines import installs, listings, roster
from generation.engines.models import Engine
from generation.making import installable, recovery
from generation.pictures import graphs
from generation.pictures.models import GenerationTask
from generation.recipes import registry
from stylestudio.database.prepared import Moment, Prepared, Rows, ask, instance

Files = tuple[tuple[str, str], ...]


@dataclass(slots=True, weakref_slot=True)
class Known:
    """What an engine has, as of one probe: lists that are long, and the same until the next one."""

    engine: Engine
    misfits: frozenset[str]  # hashes of the recipes whose graphs its nodes do not fit
    _has: dict[tuple[Files, frozenset[str]], bool] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: Engine) -> Known:
        """What this row says."""
        misfits = frozenset(graphs.lacks_of(engine))
        engine.node_classes, engine.node_infos = frozenset(engine.node_classes), {}  # found in no time; not needed
        return cls(engine, misfits)

    def has(self, files: Files, classes: frozenset[str]) -> bool:
        """`listings.has_all`, asked once for each mix."""
        if (answer := self._has.get((files, classes))) is None:
            answer = self._has[files, classes] = listings.has_all(self.engine, files, classes)
        return answer


class _Memory:
    """What this process knows of engines. Good for one `checked_at`, which every write of their lists changes."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Known]] = {}

    def of(self, stamps: Mapping[int, Any]) -> dict[int, Known]:
        """The engines with these keys and stamps, read again if the stamp is another, or if there is none."""
        kept = {pk: known for pk, (stamp, known) in self._known.items() if stamp[0] and stamp == stamps.get(pk)}
        missing = stamps.keys() - kept.keys()
        for engine in Engine.objects.filter(pk__in=missing) if missing else ():
            kept[engine.pk] = Known.of(engine)
        self._known = {pk: (stamps[pk], known) for pk, known in kept.items()}
        return kept


_memory = _Memory()


class Candidate(NamedTuple):
    """An engine that takes work now."""

    pk: int
    is_preview: bool
    paused: bool
    is_held: bool
    warm: str
    known: Known


def _rows() -> Any:
    held = ExpressionWrapper(~Q(held_by="") & Q(held_until__gt=Now()), output_field=BooleanField())
    well = Engine.objects.filter(active=True, health=Engine.Health.OK).annotate(held=held, at=Moment("checked_at"))
    return well.values_list("pk", "source", "paused", "held", "warm", "at")


well = Prepared(_rows)


def of(rows: Rows) -> list[Candidate]:
    """`roster.serving` from the rows of `well`, without reading lists that have not changed since the last time."""
    known = _memory.of({pk: (at, source) for pk, source, *_state, at in rows})
    return roster.chosen(
        Candidate(pk, source == Engine.Source.PREVIEW, bool(paused), bool(held), warm, known[pk])
        for pk, source, paused, held, warm, _at in rows
        if pk in known
    )


LOST = "a lost recipe"  # a file and a node class that no engine has


class Needs(NamedTuple):
    """What engines need for the pictures of a task: the same as long as it exists, because its snapshot is frozen.

    `recipe` is the hash of its recipe; `warmth` names the files that an engine has in memory after one of the pictures.
    """

    files: Files
    classes: frozenset[str]
    warmth: str
    recipe: str

    @classmethod
    def of(cls, task: GenerationTask) -> Needs:
        """What this task's snapshot says. A task whose recipe is lost needs what no engine has: others go on."""
        try:
            recipe = graphs.recipe(task).sha256
        except registry.RecipeGone:
            return cls((("checkpoints", LOST),), frozenset({LOST}), "", LOST)
        return cls(tuple(graphs.files(task)), graphs.classes(task), graphs.warmth(task), recipe)


_OF_SNAPSHOT = ("id", "pattern_id", "own_values")
_snapshot = Prepared(lambda task: GenerationTask.everything.filter(pk=task).values_list(*_OF_SNAPSHOT))


class Tasks:
    """Tasks that may be next, by (key, moment of their order), and what they need; read only if it is not known."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Any], Needs] = {}

    def needs(self, wanted: tuple[int, Any], others: Iterable[tuple[int, Any]]) -> Needs:
        """What one of these tasks needs. If it is not known, it is read together with `others` that are not."""
        if found := self._known.get(wanted):
            return found
        kept = {key: needs for key in others if (needs := self._known.get(key))}
        missing = {pk: key for key in (wanted, *others) if key not in kept for pk in key[:1]}
        for [row] in filter(None, ask(*map(_snapshot.question, missing))):
            task = instance(GenerationTask, row, *_OF_SNAPSHOT)
            kept[missing[task.pk]] = Needs.of(task)
        self._known = kept
        return kept[wanted]


tasks = Tasks()


@dataclass(frozen=True)
class Fit:
    """Which engines can make the pictures of a task. `has_failed`: an engine was lost with one of these before."""

    pk: int
    needs: Needs
    has_failed: bool

    @cached_property
    def _task(self) -> GenerationTask:
        return GenerationTask.everything.get(pk=self.pk)

    def engines(self, candidates: list[Candidate], free: list[Candidate], load: Mapping[int, int]) -> list[Candidate]:
        """The free engines that have what the task needs, or else those that can be given it, the best first.

        The least busy one is best. Engines whose nodes do not fit our graphs come last. Among equals, one that has the
        files in memory is preferred. If no engine has them, the task waits for one that is away; if none such is known
        either, any engine gets it, so that its own message says what is missing.
        """
        files, classes, warmth, recipe = self.needs
        fit = [each for each in candidates if recipe not in each.known.misfits]
        ready = able = {each.pk for each in fit if each.known.has(files, classes)}
        if len(ready) < len(candidates):
            stored = installable.stored(self._task)
            able = {each.pk for each in fit if installs.is_able(each.known.engine, files, classes, stored)}
            if not able and any(installs.is_able(engine, files, classes, stored) for engine in roster.away()):
                return []
        if self.has_failed:
            engines = [each.known.engine for each in candidates if each.pk in able]
            able = {engine.pk for engine in recovery.preferred(self._task, engines)}

        def rank(each: Candidate) -> tuple[bool, int, bool, int]:
            return each.pk not in ready, load[each.pk], each.warm != warmth, each.pk

        ranked = sorted((each for each in free if each.pk in able or not able), key=rank)
        # Another worker may be faster at the first one; then no file is installed on others because of that.
        return [each for each in ranked if (each.pk in ready) == (ranked[0].pk in ready)]
