"""Why work on a dataset failed, in words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

_SENTENCES = {
    "bad_archive": _("This archive cannot be read. Pack it again as a zip file and drop it once more."),
    "storage": _("A file could not be stored. Check whether the disk is full, then try again."),
    "gone": _("The file of this import is not there any more. Drop it once more."),
    "engine": _("The engine could not do this. Look at the engines on the Queue page, then try again."),
    "crashed": _("The worker was killed three times over this. Perhaps it needs more memory; the log says more."),
    "internal": _("Something went wrong inside the studio. The log says more."),
}


def explain(kind: str) -> str:
    """The sentence for a kind of failure, in the reader's language."""
    return str(_SENTENCES.get(kind, _SENTENCES["internal"]))
