"""Jobs that a worker does by itself, piece by piece, without an engine that reports on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from stylestudio.host.rooms import Named
from stylestudio.jobs.kinds import Job, Kind, Status, register

# Why such a job failed, by the code that it stores. Kinds add their own, or say it more precisely.
FAULTS: dict[str, object] = {
    "storage": _("A file could not be stored. Check whether the disk is full, then try again."),
    "crashed": _("The worker was killed three times over this. Perhaps it needs more memory; the log says more."),
    "internal": _("Something went wrong inside the studio. The log says more."),
}


class WorkerJob(Job):
    """A job that counts what it has done. What is done is stored with the count, and not done again after a crash."""

    faults: ClassVar[Mapping[str, object]] = FAULTS

    done = models.PositiveIntegerField(default=0, editable=False)
    total = models.PositiveIntegerField(default=0, editable=False)  # 0 while it is not known
    # Since the last progress: only what dies again and again at the same place is given up.
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    report = models.JSONField(default=dict, editable=False)  # what came of it, as its kind says

    class Meta(Job.Meta):
        abstract = True

    def get_absolute_url(self) -> str:
        """Where it is shown."""
        raise NotImplementedError

    @property
    def is_partial(self) -> bool:
        """Whether it was completed but for a part that could not be done."""
        return bool(self.report.get("refused"))

    @property
    def look(self) -> str:
        """Its state on pages: waiting, running, done, partial, failed or cancelled."""
        if self.status == Status.QUEUED:
            return "waiting"
        if self.status == Status.COMPLETED:
            return "partial" if self.is_partial else "done"
        return str(self.status)

    @property
    def left_seconds(self) -> float | None:
        """About how many seconds until it ends; None before its speed is known."""
        if self.started_at is None or not self.done:
            return None
        passed: float = (timezone.now() - self.started_at).total_seconds()
        return passed / self.done * max(self.total - self.done, 0)

    @property
    def left_shown(self) -> float | None:
        """`left_seconds` as people see it: from a minute on in whole minutes."""
        left = self.left_seconds
        return left if left is None or left < 60 else 60.0 * round(left / 60)

    @property
    def explanation(self) -> str:
        """Why it failed, and what to do, in the reader's language."""
        return str(self.faults.get(self.error_kind, self.faults["internal"]))

    @property
    def refused_count(self) -> int:
        """The number of files that were not taken; the report names the first of them."""
        return int(self.report.get("refused_count", len(self.report.get("refused", ()))))

    @property
    def is_counted(self) -> bool:
        """Whether the total is known, and final."""
        return bool(self.total)

    @property
    def done_text(self) -> str:
        """How far it is, in words."""
        return str(_("%(done)s of %(total)s pictures") % {"done": f"{self.done:,}", "total": f"{self.total:,}"})

    @property
    def outcome(self) -> str:
        """What came of it in a few words, where that is more than that it was done."""
        if not self.is_partial:
            return ""
        text = ngettext("%(number)s file was not taken", "%(number)s files were not taken", self.refused_count)
        return text % {"number": self.refused_count}

    @property
    def own_page(self) -> str:
        """The page that shows nothing else."""
        return self.get_absolute_url()

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        raise NotImplementedError

    @property
    def arrives(self) -> str:
        """What open pages ask for anew when it progresses (`data-arrives`); nothing if empty."""
        return ""

    def told(self) -> dict[str, object]:
        """What scripts get of every such job, besides status and progress."""
        return {
            "done": self.done,
            "total": self.total,
            "report": self.report,
            "error": self.explanation if self.error_kind else "",
        }


def register_work(
    model: type[WorkerJob],
    card: str,
    *,
    by: str,
    wake: str,
    row: str = "queue/work/_row.html",
    shown_with: tuple[str, ...] = (),
) -> None:
    """Add a kind of such jobs, when Django is ready: the templates of its card and of its row on the queue page, the
    module with its `facts` and `sweep`, and the address of what wakes workers for it.
    """
    facts, sweep = Named(f"{by}:facts"), Named(f"{by}:sweep")
    register(Kind(model.kind, model, (card, row), facts, sweep, Named(wake), shown_with=shown_with))
