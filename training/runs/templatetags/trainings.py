"""Template filters about trainers."""

from __future__ import annotations

from django import template

from training.runs import known_trainers

register = template.Library()


@register.filter
def trainer_label(name: str) -> str:
    """The label of the trainer of this name."""
    return known_trainers.label(name)


@register.filter
def trains_on_engine(name: str) -> bool:
    """Whether this trainer has an engine to itself."""
    trainer = known_trainers.find(name)
    return trainer is None or trainer.on_engine
