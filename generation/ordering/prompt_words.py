"""What people are helped with while they write a prompt: their own earlier prompts, and words that others wrote before.

Words come from trigger words of styles, from one's own prompts, and from what rooms above contribute in `prompt_words`:
functions that are given a person and return pairs of a phrase and how often it occurs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_GET

from generation.ordering import forms
from generation.pictures.models import GenerationTask
from stylestudio.host import rooms
from stylestudio.people.access import StudioRequest
from stylestudio.text import grammar
from stylestudio.text.search_words import fold

MOST_PROMPTS = 30  # distinct ones that one can go back to
LATELY = 200  # newest orders of a person that are looked through
MOST = 8  # completions
LONGEST = 80  # characters of a phrase that is proposed or completed
KEPT = 60  # seconds for which a browser keeps an answer
_TRIGGER, _OWN, _OTHERS = range(3)  # whose words come first
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


@require_GET
def earlier(request: StudioRequest) -> HttpResponse:
    """The last prompts of this person, each once, the newest first."""
    return JsonResponse({"prompts": list(dict.fromkeys(_prompts(request.user)))[:MOST_PROMPTS]})


@require_GET
def completions(request: StudioRequest) -> HttpResponse:
    """Phrases for what is being written, ?q=: the best first, at most MOST."""
    found = complete(request.GET.get("q", ""), request.user)
    response = JsonResponse({"words": found})
    patch_cache_control(response, private=True, max_age=KEPT)
    return response


def complete(begun: str, user: User) -> list[str]:
    """Phrases that begin like this, or have a word that does, in the spelling of prompts. Chinese and Japanese ones,
    which have no spaces, contain it.
    """
    wanted = folded(" ".join(begun.split()))
    if not wanted or len(begun) > LONGEST:
        return []
    best: dict[str, tuple[tuple[int, int, int, int], str]] = {}
    for phrase, source, times in _phrases(user):
        known = folded(phrase)
        place = _place(wanted, known)
        if place is None or known == wanted or len(phrase) > LONGEST:
            continue
        rank = (source, place, -times, len(phrase))
        if known not in best or rank < best[known][0]:
            best[known] = rank, phrase
    return [phrase for _rank, phrase in sorted(best.values())[:MOST]]


@lru_cache(maxsize=65536)
def folded(phrase: str) -> str:
    """`fold`, remembered: the same phrases are compared with every letter that is typed."""
    return fold(phrase)


def _place(wanted: str, known: str) -> int | None:
    """0 if a phrase begins with what is wanted, 1 if another of its words does; None otherwise."""
    if known.startswith(wanted):
        return 0
    at = known.find(wanted)
    while at > 0:
        if not known[at - 1].isalnum() or _UNSPACED.match(known[at]):
            return 1
        at = known.find(wanted, at + 1)
    return None


def _phrases(user: User) -> Iterator[tuple[str, int, int]]:
    """Everything that may be proposed to a person: phrase, source, and how often it occurs."""
    for style in forms.offered(user):
        assert style.version is not None  # `offered` leaves out styles without a published version
        for phrase in style.version.triggers:
            yield grammar.for_comfyui(phrase), _TRIGGER, 1
    for phrase, times in Counter(_own(_prompts(user))).items():
        yield phrase, _OWN, times
    for words in rooms.contributed("prompt_words"):
        for phrase, times in words(user):
            yield grammar.for_comfyui(phrase), _OTHERS, times


def _prompts(user: User) -> Iterable[str]:
    """The prompts of the newest orders of this person."""
    mine = GenerationTask.objects.visible_to(user).filter(owner=user).order_by("-queued_at", "-pk")
    prompts: Iterable[str] = mine.values_list("prompt", flat=True)[:LATELY]
    return prompts


def _own(prompts: Iterable[str]) -> Iterator[str]:
    for prompt in prompts:
        yield from _split(prompt)


@lru_cache(maxsize=4096)
def _split(prompt: str) -> tuple[str, ...]:
    """The phrases of a prompt, once each. An engine's spelling is kept."""
    return tuple(dict.fromkeys(grammar.split(prompt)))
