"""The security headers of every answer, pages and private media alike."""

from __future__ import annotations

from django.conf import settings

# Browsers take 'self' in connect-src to include this origin's sockets. `data:` is for step previews.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' data: {settings.MEDIA_ORIGIN}".rstrip(),
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "manifest-src 'self'",
    )
)
# A file opened by itself: browsers show it in a page of their own making, with inline styles that the policy above
# would block and log. Nothing in a sandbox without rights runs or sends anything.
FILE_POLICY = (
    "sandbox; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Asked for again each time, so that nobody sees an old page; but kept, so that Back shows what was there, at once.
PAGES = "private, no-cache"
# Thirty days in which browsers take no other way than TLS. Other hosts beneath the name are not ours to speak for.
TRANSPORT_SECURITY = f"max-age={30 * 24 * 60 * 60}"


def security_headers(policy: str = CONTENT_SECURITY_POLICY) -> dict[str, str]:
    """What every answer carries, by header name."""
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
    }
    if not settings.PUBLIC_URL.startswith("http:"):
        # Without TLS and off this machine browsers ignore it and log an error on every page.
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if settings.PUBLIC_URL.startswith("https:"):
        headers["Strict-Transport-Security"] = TRANSPORT_SECURITY
    return headers
