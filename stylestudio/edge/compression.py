"""Pages are sent compressed, but for answers with a secret.

Whoever sees how long compressed answers are, and can make somebody's browser ask for addresses of their choice, finds
out what is in them letter by letter. Django's CSRF token is masked anew for every answer and its GZipMiddleware adds
random bytes, so pages are safe. Answers with a secret that stays the same say `no-store` and are left as they are, and
only text is compressed: pictures and archives would cost time and gain nothing.
"""

from __future__ import annotations

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.decorators import sync_and_async_middleware

from stylestudio.edge.middleware import GetResponse

TYPES = ("text/html", "application/json")


def is_compressible(response: HttpResponseBase) -> bool:
    """Whether an answer is text without a secret."""
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    return kind in TYPES and not response.streaming and "no-store" not in response.headers.get("Cache-Control", "")


@sync_and_async_middleware
def compressed(get_response: GetResponse) -> GetResponse:
    """Django's GZipMiddleware for the answers that may be compressed. Others are not handed to a thread."""
    gzip = GZipMiddleware(get_response)
    if not iscoroutinefunction(get_response):

        def now(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = get_response(request)
            return gzip.process_response(request, response) if is_compressible(response) else response

        return now
    in_thread = sync_to_async(gzip.process_response, thread_sensitive=False)

    async def later(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await get_response(request)
        return await in_thread(request, response) if is_compressible(response) else response

    return later
