"""What keeps pictures from being made: engines that are away, and files that no engine has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from generation import engines
from generation.models import Engine

File = tuple[str, str]  # (folder, name)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`problems` somebody has to mend; `wait` says which engine the pictures wait for. Empty: they begin at once."""

    problems: list[str] = field(default_factory=list)
    wait: str = ""


def outlook(files: Sequence[File]) -> Outlook:
    """What becomes of pictures that need these (folder, name) pairs, as engines are now."""
    serving = engines.serving()
    if any(engines.has_all(engine, files) for engine in serving):
        return Outlook()
    away = list(engines.away())
    able = [engine for engine in away if engines.has_all(engine, files)]
    problems = [] if serving else [_nobody(away)]
    if not able:
        # What an engine has is known once it answered.
        return Outlook(problems + _missing(files, serving or [engine for engine in away if engine.engine_version]))
    return Outlook(problems, _waits(files, serving, able) if serving else "")


def _nobody(away: Sequence[Engine]) -> str:
    if away and all(engine.paused for engine in away):
        return _("All engines are paused. Pictures you ask for wait until one is used again.")
    return _("No engine answers now. Pictures you ask for wait until one does.")


def _waits(files: Sequence[File], serving: Sequence[Engine], able: Sequence[Engine]) -> str:
    names = ", ".join(name for _folder, name in _nowhere(files, serving) or files)
    if len(able) == 1:
        return _("The only engine that has %(files)s is %(engine)s, and it is %(state)s. The job will wait for it.") % {
            "files": names,
            "engine": engines.title(able[0]),
            "state": engines.state_text(able[0]),
        }
    listed = ", ".join(f"{engines.title(engine)} ({engines.state_text(engine)})" for engine in able)
    return _("The engines that have %(files)s are away: %(engines)s. The job will wait for one of them.") % {
        "files": names,
        "engines": listed,
    }


def _missing(files: Sequence[File], asked: Sequence[Engine]) -> list[str]:
    """Which files are missing where."""
    if not asked:
        return []
    if nowhere := _nowhere(files, asked):
        return [_missing_file(file, asked) for file in nowhere]
    lacks = [
        f"{engines.title(engine)}: {', '.join(name for _folder, name in _nowhere(files, [engine]))}" for engine in asked
    ]
    return [_("No engine has all files that these pictures need. Missing are: %s.") % "; ".join(lacks)]


def _missing_file(file: File, asked: Sequence[Engine]) -> str:
    folder, name = file
    facts = {"file": name, "engines": ", ".join(engines.title(engine) for engine in asked)}
    if folder == "checkpoints":
        if len(asked) == 1:
            return _("%(engines)s does not have the checkpoint %(file)s. Put it into models/checkpoints there.") % facts
        return _("No engine has the checkpoint %(file)s. Put it into models/checkpoints on one of %(engines)s.") % facts
    if len(asked) == 1:
        return _("%(engines)s does not have the file %(file)s. Put it into models/loras there.") % facts
    return _("No engine has the file %(file)s. Put it into models/loras on one of %(engines)s.") % facts


def _nowhere(files: Iterable[File], asked: Sequence[Engine]) -> list[File]:
    """Those of `files` that none of the engines has."""
    return [file for file in files if not any(engines.has_all(engine, [file]) for engine in asked)]
