"""Translations of prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from stylestudio.jobs.kinds import JobQuerySet
from stylestudio.jobs.worker_job import FAULTS, WorkerJob

LONGEST_TITLE = 40  # characters of a text


class Translation(WorkerJob):
    """Writes texts in English, one after the other: `english` has those of the first of `texts`, as many as are done.

    `digest` is that of the texts, by which they are found again; `place` what they stand in if that is more than a
    form, such as list-7, and `place_url` its address. Nobody else sees it: these words are not ordered yet.
    """

    kind: ClassVar[str] = "translation"
    faults = FAULTS | {
        "engine": _("The engine could not do this. Look at the engines on the Queue page, then try again."),
        "silent": _("The model answered nothing. Try again, or write the English yourself."),
    }

    texts = models.JSONField(default=list)
    english = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    place = models.CharField(max_length=40, blank=True)
    place_url = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager[Any]] = JobQuerySet["Translation"].as_manager()

    class Meta(WorkerJob.Meta):
        ordering = ["-queued_at", "-pk"]
        verbose_name = _("translation")
        verbose_name_plural = _("translations")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("generation:translation", args=[self.pk])

    @property
    def title(self) -> str:
        """What is translated."""
        if len(self.texts) == 1:
            text = self.texts[0]
            cut = text if len(text) <= LONGEST_TITLE else f"{text[:LONGEST_TITLE]}…"
            return str(_("Translation: %(text)s") % {"text": cut})
        words = ngettext("Translation of %(number)d prompt", "Translation of %(number)d prompts", len(self.texts))
        return words % {"number": len(self.texts)}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each text that is done, with its English."""
        return list(zip(self.texts, self.english, strict=False))

    @property
    def done_text(self) -> str:
        """How far it is, in words."""
        return str(_("%(done)s of %(total)s prompts") % {"done": f"{self.done:,}", "total": f"{self.total:,}"})

    @property
    def cancel_url(self) -> str:
        """The address that cancels it."""
        return reverse("generation:translation-cancel", args=[self.pk])

    @property
    def arrives(self) -> str:
        """What the forms ask for anew that wait for it; once it has ended, and not while it progresses."""
        return "" if self.is_active else "translations"


def digest_of(texts: Sequence[str]) -> str:
    """By which a translation of these texts is found."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
