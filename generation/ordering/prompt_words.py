"""What people are helped with while they write a prompt: their own earlier prompts, words that others wrote before, and
which words a model cannot read.

Words come from trigger words of styles, from one's own prompts, and from what rooms above contribute in `prompt_words`:
functions that are given a person and return pairs of a phrase and how often it occurs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from generation.ordering import availability, forms
from generation.pictures.models import GenerationTask
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.for_engines import family_title
from styles.lora import Family
from stylestudio.host import rooms
from stylestudio.people.access import StudioRequest
from stylestudio.text import grammar
from stylestudio.text.search_words import fold

MOST_PROMPTS = 30  # distinct ones that one can go back to
LATELY = 200  # newest orders of a person that are looked through
MOST = 8  # completions
LONGEST = 80  # characters of a phrase that is proposed or completed
LONGEST_EXAMPLE = 8  # characters
KEPT = 60  # seconds for which a browser keeps an answer
_TRIGGER, _OWN, _OTHERS = range(3)  # whose words come first
# Their text encoders (CLIP, T5) were trained on English. CLIP's tokenizer has no Chinese words: in ComfyUI 0.33.0 it
# spells them in bytes, about 2.7 tokens a character, so that 28 characters fill the 75 it reads at once.
ENGLISH_ONLY = frozenset({
    Family.SDXL, Family.SD1, Family.SD2, Family.SD3, Family.SD35_MEDIUM, Family.SD35_LARGE, Family.CASCADE,
    Family.PIXART, Family.FLUX, Family.CHROMA,
})  # fmt: skip
READS_CHINESE = (Family.Z_IMAGE, Family.QWEN)  # as their makers say
# Letters, but for Latin ones, and Greek ones, which stand in names.
_OTHER_SCRIPT = re.compile(r"(?:(?![a-zA-Z\u00aa-\u024f\u0370-\u03ff\u1e00-\u1fff])[^\W\d_])+")
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


@dataclass(frozen=True, slots=True)
class Unread:
    """Words that the model of a recipe cannot read, such as `example`. `readers` can, and `ready` ones of them be used
    now.
    """

    example: str
    model: str
    readers: list[Recipe]
    ready: list[Recipe]

    @property
    def names(self) -> str:
        """The readers, as people know them."""
        return get_text_list([str(recipe.title) for recipe in self.readers], _("and"))


def unread(prompt: str, recipe: Recipe) -> Unread | None:
    """What stands in a prompt in a script that the recipe's model was not taught; None if it can read all."""
    found = _OTHER_SCRIPT.search(prompt) if recipe.family in ENGLISH_ONLY else None
    if found is None:
        return None
    readers = [reader for family in READS_CHINESE for reader in registry.of_family(family) if "text" in reader.graphs]
    ready = [reader for reader in readers if not availability.lacking(reader)]
    return Unread(found[0][:LONGEST_EXAMPLE], family_title(recipe.family), readers, ready)


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
