"""Estimates of how long a new training takes, from earlier trainings and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generation.engines import roster
from generation.ordering.orders import Order
from generation.pictures.estimates import Like, forecast_now
from generation.pictures.models import GenerationTask
from training.runs import parameters
from training.runs.models import TrainingJob
from training.runs.remaining import Now, Paces, Way
from training.runs.running.samples import side_of

LIKE = 20  # past trainings considered for estimates


def paces(trainer: str, config: Mapping[str, Any]) -> dict[str, float]:
    """The fields of `remaining.Paces` from the newest training with the same work per step, and from
    similar pictures.
    """
    found = _newest_like(trainer, config)
    known = {} if found is None else {**found.paces, "step": found.seconds_per_step}
    if known.get("picture") is None:
        known["picture"] = picture_seconds(config)
    return {name: value for name, value in known.items() if value is not None}


def _newest_like(trainer: str, config: Mapping[str, Any]) -> TrainingJob | None:
    work = _work(config)
    done = TrainingJob.objects.filter(trainer=trainer, seconds__gt=0, step__gt=0).select_related("resumes")
    return next(
        (job for job in done.order_by("-pk")[:LIKE] if _work(job.config) == work and job.seconds_per_step), None
    )


def _work(config: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("resolution", "batch_size", "accumulation", "rank", "dtype", "gradient_checkpointing")
    computed = (
        config.get("training_dtype", parameters.SAME),
        config.get("offloading", False),
        config.get("bypass_mode", False),
    )
    return (*(config.get(name) for name in names), *computed)


def picture_seconds(config: Mapping[str, Any]) -> float | None:
    """About how many seconds one sample picture takes if all engines make some; None before there are enough similar
    ones.
    """
    usual = Order(prompt="")
    side = side_of(config)
    like = Like(usual.recipe.name, GenerationTask.Mode.TEXT, side * side, usual.steps)
    return forecast_now().duration(1.0, like)


def seconds(trainer: str, config: Mapping[str, Any], probes: int) -> float | None:
    """About how many seconds a whole training takes, with its sample pictures;
    None if nothing similar was done here.
    """
    way = Way(0, int(config["steps"]), int(config.get("segments") or 1), probes)
    return way.seconds(Now(0), Paces(**paces(trainer, config)))


def waiting_pictures() -> tuple[int, float]:
    """How many pictures wait or are being made, and about how many seconds all engines together need for them.

    The seconds are 0 before there are enough similar pictures.
    """
    forecast = forecast_now()
    seconds = sum(forecast.duration(place.rest, place.like) or 0.0 for place in forecast.places)
    return sum(place.left for place in forecast.places), seconds


def pictures_ahead() -> float:
    """Seconds of work on pictures that wait until a training lends its engine; 0 if another engine makes them."""
    if any(not engine.is_held for engine in roster.serving()):
        return 0.0
    return waiting_pictures()[1]
