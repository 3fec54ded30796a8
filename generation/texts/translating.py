"""The life of a translation: which recipe does it, how a text is asked for, and what is taken of the answer.

A text of somebody never becomes an instruction for the model: it stands in the fixed frame of the recipe, without what
a model reads as the end of that. The answer is nothing but text, one line of limited length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from generation.asking import questions
from generation.asking.questions import ByRecipe
from generation.engines import roster
from generation.making import recipe_lacks
from generation.pictures.models import MOST_PROMPT
from generation.recipes import registry
from generation.texts.models import Translation, digest_of
from generation.texts.signals import translated
from stylestudio.comfy.errors import ComfyError
from stylestudio.edge.page_memory import once_a_page
from stylestudio.people.visibility import Visibility
from stylestudio.processes import worker_jobs

MOST_TEXT = 1500  # characters: their English fits into what recipes let a model write
KEPT = timedelta(days=30)
AT_ONCE = 2  # per worker: they wait for engines

Run = worker_jobs.Run[Translation]
_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_TITLE = re.compile(r"\A(?:english(?: prompt)?|translation|prompt)\s*[:：]\s*", re.IGNORECASE)
_MARKS = str.maketrans({"，": ", ", "、": ", ", "；": "; ", "。": ". ", "（": "(", "）": ")", "：": ":"})
_QUOTES = ('""', "''", "“”", "``", "「」")
_EMBEDDING = re.compile(r"\bembedding:")


def order(user: User, texts: Sequence[str], place: str = "", place_url: str = "") -> Translation:
    """Order the English of these texts, and wake a worker after the commit. What waits or runs for the same texts is
    what is returned.
    """
    asked = {"owner": user, "digest": digest_of(texts), "place": place}
    at_work: Translation | None = Translation.objects.visible_to(user).active().filter(**asked).first()
    more = {"texts": list(texts), "total": len(texts), "visibility": Visibility.PRIVATE, "place_url": place_url}
    return at_work or life.order(**asked, **more)


def newest(user: User, place: str) -> Translation | None:
    """The last translation for this place that this person has ordered."""
    mine = Translation.objects.visible_to(user).filter(owner=user, place=place)
    found: Translation | None = mine.order_by("-queued_at").first()
    return found


@once_a_page
def trouble() -> str:
    """Why no engine can translate now, in words: what each of them lacks for the usual recipe; "" if one can."""
    if any(map(_is_able, _questions())):
        return ""
    return recipe_lacks.trouble(next(iter(registry.translators().values())))


def sweep() -> None:
    """Free what a dead worker left, and delete old ones: an order has its own copy."""
    Translation.objects.ended().filter(ended_at__lt=timezone.now() - KEPT).delete()
    life.sweep()


def facts(job: Translation) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {"texts": job.texts, "english": job.english, **job.told()}


def shielded(text: str) -> str:
    """A text as it may stand in the frame: on one line, without marks that end the frame or a turn of the conversation.
    ComfyUI takes a backslash before a bracket away, and loads a file where a word begins with `embedding:`.
    """
    line = " ".join(text.replace("\0", " ").split())
    line = re.sub(r"<(?=[|/a-zA-Z])", "< ", line)
    return _EMBEDDING.sub("embedding :", re.sub(r"\\(?=[()])", r"\\\\", line))


def read(said: str) -> str:
    """The English in the answer of a model: one line, without its reasoning, a title or quotes around it; "" if there
    is none.
    """
    text = re.sub(r"</?text>", " ", _REASONING.sub(" ", said)).replace("\0", " ").translate(_MARKS)
    line = _TITLE.sub("", " ".join(text.split()))
    if len(line) > 1 and line[0] + line[-1] in _QUOTES:
        line = line[1:-1]
    line = re.sub(r"\bembedding :", "embedding:", re.sub(r" +(?=[,.;])", "", line))
    return line.strip(" ,.")[:MOST_PROMPT]


def _questions(text: str = "") -> list[ByRecipe]:
    """How each recipe asks for the English of a text."""
    return [ByRecipe(recipe, {"positive": shielded(text)}) for recipe in registry.translators().values()]


def _is_able(question: ByRecipe) -> bool:
    """Whether an engine that serves can answer it."""
    return any(question.is_able(engine) for engine in roster.serving())


def _ready() -> Iterable[Translation]:
    """The waiting ones, unless only engines that are away could make them."""
    is_waiting = not any(map(_is_able, _questions())) and any(map(questions.is_waiting, _questions()))
    return [] if is_waiting else life.waiting()


def _attempt(job: Translation) -> None:
    """Translate what is not done yet. Each text is stored with the progress."""
    run = Run(job)

    def check() -> None:
        run.step(job.done, job.total, now=True)

    for text in job.texts[len(job.english) :]:
        try:
            question = _able(text)
            english = read(question.text(questions.ask(question, check).texts))
        except ComfyError as error:
            raise worker_jobs.Failed("engine", str(error)) from error
        if not english:
            raise worker_jobs.Failed("silent")
        with transaction.atomic():
            job.advance(english=[*job.english, english])
            translated.send(Translation, job=job, text=text, english=english)
            run.step(len(job.english), job.total, now=True)


def _able(text: str) -> ByRecipe:
    """How to ask for the English of a text: by the first recipe that an engine can run now."""
    asked = _questions(text)
    found = next(filter(_is_able, asked), None) or next(filter(questions.is_waiting, asked), None)
    if found is None:
        raise worker_jobs.Failed("engine", trouble())
    return found


life = worker_jobs.Life(Translation, _attempt, at_once=AT_ONCE, ready=_ready)
