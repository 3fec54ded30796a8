"""Why a training failed, in words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from django.utils.translation import gettext_lazy as _

from stylestudio.comfy.memory import is_of_the_machine
from stylestudio.host import rooms
from training.runs.setting import Text

_SENTENCES: dict[str, Text] = {
    "storage": _("A file could not be stored. Check whether the disk is full, then try again."),
    "engine": _("The engine could not do this. Look at the engines on the Queue page, then try again."),
    "crashed": _("The worker was killed three times over this. Perhaps it needs more memory; the log says more."),
    "no_engine": _("The engine went away again and again. Look at it, then resume from the last checkpoint."),
    "engine_errors": _(
        "The engine answered with errors again and again. Look at it and its log, then resume: what it has trained is "
        "fetched, and not trained again."
    ),
    "refused": _("The engine cannot run the training as it was asked."),
    "out_of_memory": _("The graphics memory was not enough. Lower the batch size, the rank or the resolution."),
    "bad_pictures": _("A picture of the dataset could not be read by the trainer. Run the health check."),
    "interrupted": _("Somebody stopped the training on the engine. Resume from the last checkpoint."),
    "black_pictures": _("The pictures became empty in half precision. Choose bf16 or fp32."),
    "diverged": _(
        "The loss is not a number any more, so nothing was learned. Lower the learning rate, or choose bf16."
    ),
    "killed": _("The trainer was killed from outside, often because the machine's memory ran out. Free some memory."),
    "trainer": _("The trainer stopped with an error. Its log says more."),
    "internal": _("Something went wrong inside the studio. The log says more."),
}


_NO_RAM = _("The machine that trained ran out of memory. Close other programs there, or lower the batch size.")
# If the picture that caused it is known.
_WITH_PICTURE = {
    "bad_pictures": _(
        "The trainer could not use the picture %(picture)s. Leave it out or replace it in the dataset, then start "
        "again."
    ),
}


@cache
def _sentences() -> dict[str, Text]:
    """With those for kinds of failure that only one trainer has."""
    return _SENTENCES | {kind: text for each in rooms.contributed("training_faults") for kind, text in each.items()}


def add(sentences: Mapping[str, Text]) -> None:
    """Add the sentences of a trainer."""
    _sentences().update(sentences)


def explain(kind: str, detail: str = "", picture: str = "") -> str:
    """The sentence for a kind of failure, in the reader's language.

    `detail` is the trainer's message; `picture` the name of the one that caused it.
    """
    if kind == "out_of_memory" and is_of_the_machine(detail):
        return str(_NO_RAM)
    if picture and kind in _WITH_PICTURE:
        return str(_WITH_PICTURE[kind]) % {"picture": picture}
    return str(_sentences().get(kind, _SENTENCES["internal"]))
