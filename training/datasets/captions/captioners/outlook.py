"""How long proposals will take, by what each captioner took on the same engines before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from generation.engines import roster
from training.datasets.captions.captioners.base import Proposal
from training.datasets.models import DatasetJob

TOOK = "took"  # in the report of a job: {key of an engine, "0" for none: [pictures, seconds]}
JOBS = 200  # newest jobs on datasets, of all kinds, that are looked at
ENOUGH = 3  # fewer pictures are not significant


def with_one_more(report: Mapping[str, Any], proposal: Proposal) -> dict[str, list[float]]:
    """What a job's report says of the time that pictures took, with one more."""
    took = dict(report.get(TOOK, {}))
    pictures, seconds = took.get(str(proposal.engine), (0, 0.0))
    return {**took, str(proposal.engine): [pictures + 1, round(seconds + proposal.seconds, 3)]}


def seconds_a_picture() -> dict[str, float]:
    """About how long one picture takes, by captioner, on the engines that serve now. Those that have not proposed for
    enough pictures there are absent.
    """
    able = {"0", *(str(engine.pk) for engine in roster.serving())}
    pictures: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    jobs = DatasetJob.objects.order_by("-pk").values_list("parameters__captioner", "report__took")
    for captioner, took in jobs[:JOBS]:
        for engine, (number, spent) in (took or {}).items():
            if engine in able:
                pictures[captioner] += number
                seconds[captioner] += spent
    return {name: seconds[name] / number for name, number in pictures.items() if number >= ENOUGH}
