"""Pages as tests read them, however their templates are laid out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    # With what Django's test client adds to an answer; only the stubs have a name for it.
    from django.test import client

    Answer = client._MonkeyPatchedWSGIResponse
else:
    Answer = HttpResponse


def tight(html: str) -> str:
    """The same with single spaces, and with none beside tags and before their ends."""
    single = re.sub(r"\s+", " ", html)
    return re.sub(r" ?(<[^>]*?) ?(/?>) ?", r"\1\2", single).strip()


def page(answer: Answer) -> str:
    """What was answered, `tight`."""
    return tight(answer.content.decode())


async def downloaded(answer: HttpResponseBase) -> bytes:
    """The bytes that an answer streams."""
    assert isinstance(answer, StreamingHttpResponse)
    return b"".join([piece async for piece in answer])
