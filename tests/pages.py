"""Pages as tests read them, however their templates are laid out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.http import HttpResponse

if TYPE_CHECKING:
    # With what Django's test client adds to an answer; only the stubs have a name for it.
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer
else:
    Answer = HttpResponse


def tight(html: str) -> str:
    """The same with single spaces, and with none beside tags and before their ends."""
    single = re.sub(r"\s+", " ", html)
    return re.sub(r" ?(<[^>]*?) ?(/?>) ?", r"\1\2", single).strip()


def page(answer: Answer) -> str:
    """What was answered, `tight`."""
    return tight(answer.content.decode())
