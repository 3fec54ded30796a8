"""Pages as tests read them, however their templates are laid out."""

from __future__ import annotations

import re

from django.http import HttpResponse


def tight(html: str) -> str:
    """The same with single spaces, and with none beside tags and before their ends."""
    single = re.sub(r"\s+", " ", html)
    return re.sub(r" ?(<[^>]*?) ?(/?>) ?", r"\1\2", single).strip()


def page(answer: HttpResponse) -> str:
    """What was answered, `tight`."""
    return tight(answer.content.decode())
