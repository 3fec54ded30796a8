"""The health report: what all checks find in a dataset now. Computed on request, so it is always current."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from training.datasets.health import caption_checks  # noqa: F401  registers its checks
from training.datasets.health.checks import CHECKS
from training.datasets.health.dataset_facts import Facts, gather
from training.datasets.health.findings import Finding, Level, tally
from training.datasets.models import Dataset, DatasetJob


@dataclass(frozen=True)
class Report:
    """Findings, worst first.

    job      the check that waits or runs now
    checked  when the pictures were last measured
    """

    facts: Facts
    findings: list[Finding]
    job: DatasetJob | None
    checked: datetime | None

    @property
    def red(self) -> int:
        """The number of findings that must be fixed."""
        return tally(self.findings)[Level.RED]

    @property
    def yellow(self) -> int:
        """The number worth a look."""
        return tally(self.findings)[Level.YELLOW]

    @property
    def green(self) -> int:
        """The number that report something good."""
        return tally(self.findings)[Level.GREEN]

    def finding(self, anchor: str) -> Finding | None:
        """The finding with that anchor, if there is still something to fix."""
        return next((each for each in self.findings if each.anchor == anchor and each.level < Level.GREEN), None)


def report(dataset: Dataset) -> Report:
    """All findings for `dataset`, with one query for its pictures and two for its checks."""
    facts = gather(dataset)
    mine = DatasetJob.objects.filter(dataset=dataset, work=DatasetJob.Work.CHECK)
    job = mine.active().order_by("queued_at").first()
    if job is not None:
        job.dataset = dataset
    last = mine.filter(status="completed").order_by("-ended_at").values_list("ended_at", flat=True).first()
    return Report(facts, find(facts), job, last)


def find(facts: Facts) -> list[Finding]:
    """The findings of all checks, worst first and otherwise in the order of the checks."""
    if not facts.pictures:
        return []
    found = [replace(finding, check=name) for name, check in CHECKS.items() for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.level)


def flagged(dataset: Dataset) -> frozenset[int]:
    """Primary keys of the pictures with findings, for the filter of the captions page.

    Cached until the dataset is touched, since that page needs them with every load.
    """
    return _flagged(dataset.pk, dataset.updated_at)


@lru_cache(maxsize=64)
def _flagged(pk: int, _updated: datetime) -> frozenset[int]:
    findings = find(gather(Dataset.everything.get(pk=pk)))
    return frozenset(pk for finding in findings if finding.level < Level.GREEN for pk in finding.pictures)
