"""Why work on a dataset or a training failed, in words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

_SENTENCES = {
    "bad_archive": _("This archive cannot be read. Pack it again as a zip file and drop it once more."),
    "storage": _("A file could not be stored. Look whether the disk is full, then try again."),
    "gone": _("The file of this import is not there any more. Drop it once more."),
    "engine": _("The engine could not do this. Look at the engines on the Queue page, then try again."),
    "crashed": _("The worker was killed three times over this. Perhaps it needs more memory; the log says more."),
    "no_engine": _("The engine went away again and again. Look at it, then resume from the last checkpoint."),
    "out_of_memory": _("The graphics memory was not enough. Lower the batch size, the rank or the resolution."),
    "bad_pictures": _("A picture of the dataset could not be read by the trainer. Run the health check."),
    "trainer": _("The trainer stopped with an error. Its log says more."),
    "internal": _("Something went wrong inside the studio. The log says more."),
}


def explain(kind: str) -> str:
    """The sentence for a kind of failure, in the reader's language."""
    return str(_SENTENCES.get(kind, _SENTENCES["internal"]))
