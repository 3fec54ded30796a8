"""What can be done with many pictures. Rooms add to it: `picture_actions` of their `AppConfig` lists addresses.

An action is applied to a slice of pictures in one transaction, and returns what it changed in the form in which its
`undo` wants it. It touches only what the person may change, and never a picture that they may not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.functional import Promise

from stylestudio.host import rooms
from stylestudio.jobs.worker_job import WorkerJob

AT_ONCE = 200  # pictures that are worked on while the person waits
SLICE = 500  # pictures of a transaction
GALLERY, TRASH = "gallery", "trash"  # walls on which an action is offered


@dataclass(frozen=True, slots=True)
class Followed:
    """How far what an action ordered is: how many are still to come, were made, and were not, by reason."""

    still: int
    made: int
    left: dict[str, int] = field(default_factory=dict)


Number = Callable[[int], str]  # a sentence about so many pictures


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a slice: how many pictures changed, what `undo` needs, and how many were left by reason."""

    number: int
    changed: dict[str, Any] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A button of the bar.

    `form(data, user=…)` asks for the parameters: its `cleaned_data`, as JSON. `about(user, selection)` says beside the
    form what it takes, and `usual(user, selection)` is what its fields begin with for these pictures. `icon` is one of
    the sprite, `key` a letter that presses the button, `place` the wall on which it is offered; `is_danger`: it comes
    last.
    """

    name: str
    title: Promise | str
    button: Promise | str
    icon: str
    form: Callable[..., forms.BaseForm] | None = None
    about: Callable[[User, Any], str] | None = None
    usual: Callable[[User, Any], Mapping[str, Any]] | None = None
    is_danger: bool = False
    key: str = ""
    place: str = GALLERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Offer):
    """Something that is made of many pictures together, by a job of another room, whose page the person then sees.

    `order(user, selection, parameters)` stores that job. Raises ValidationError, which may name fields of the form.
    """

    order: Callable[[User, Any, Mapping[str, Any]], WorkerJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Offer):
    """Something that can be done with many pictures, slice by slice, and taken back.

    `apply(user, pictures, parameters, prepared)` changes those of the pictures that it may. What takes long is done
    before by `prepare(user, pictures, parameters)`, outside of the transaction. `undo(user, changed)` takes back what
    was changed and is still so, and returns the number. `done` and `undone` say it in words, `left` has the words for
    each reason. What `is_personal` changes belongs to whoever did it: others neither see the work nor take it back.
    `most`: how many pictures it is done with at a time; `result`: what the address of the wall ends with that shows
    what was made.

    What others do later, such as engines, is only ordered by `apply`, whose number does not count then: `follow(user,
    [changed, …])` tells how far all of it is, and the work ends with the last of it. `abandon(user, [changed, …])` ends
    it when the work is cancelled.
    """

    done: Number
    undone: Number
    left: Mapping[str, Number]
    apply: Callable[[User, Sequence[int], Mapping[str, Any], Any], Outcome]
    undo: Callable[[User, Mapping[str, Any]], int] | None = None
    prepare: Callable[[User, Sequence[int], Mapping[str, Any]], Any] | None = None
    follow: Callable[[User, Sequence[Mapping[str, Any]]], Followed] | None = None
    abandon: Callable[[User, Sequence[Mapping[str, Any]]], None] | None = None
    most: int = 0  # 0: as many as can be selected
    at_once: int = AT_ONCE
    size: int = SLICE
    is_personal: bool = False
    result: str = ""

    def reasons(self, left: Mapping[str, int]) -> Iterable[str]:
        """Sentences about the pictures that were left."""
        return [self.left[reason](number) for reason, number in left.items() if number and reason in self.left]


def counted(words: Number) -> Number:
    """Sentences that `words` gives for a number, with `%(number)s` filled in."""
    return lambda number: words(number) % {"number": f"{number:,}"}


def known() -> dict[str, Offer]:
    """All offers by name, in the order in which rooms list them."""
    return {offer.name: offer for offer in rooms.contributed("picture_actions")}


def find(name: str) -> Action | None:
    """The action of this name; None if there is none."""
    offer = known().get(name)
    return offer if isinstance(offer, Action) else None
