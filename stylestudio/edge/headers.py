"""The security headers of every response, for pages and private media alike."""

from __future__ import annotations

from django.conf import settings

# Browsers take 'self' in connect-src to include this origin's WebSockets. `data:` is for step previews.
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
# For a file opened by itself: browsers show it in their own page, with inline styles that the policy above would block
# and log. Nothing in a sandbox without permissions can run or send anything.
FILE_POLICY = (
    "sandbox; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Revalidated each time, so that nobody sees an outdated page; but cached, so that Back is instant.
PAGES = "private, no-cache"
# For thirty days browsers use only TLS. Other hosts under the domain are not ours to decide about.
TRANSPORT_SECURITY = f"max-age={30 * 24 * 60 * 60}"


def security_headers(policy: str = CONTENT_SECURITY_POLICY) -> dict[str, str]:
    """The headers of every response, by name."""
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
    }
    if not settings.PUBLIC_URL.startswith("http:"):
        # Without TLS and on other machines browsers ignore it and log an error on every page.
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if settings.PUBLIC_URL.startswith("https:"):
        headers["Strict-Transport-Security"] = TRANSPORT_SECURITY
    return headers
