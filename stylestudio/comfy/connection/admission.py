"""What stands in front of an engine: certificates, sign-ins and redirects, each reported as what it is."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from yarl import URL

REDIRECTS = (301, 302, 303, 307, 308)
UNAUTHORIZED = (401, 407)
_LOGIN = re.compile(r"log[-_]?(in|on)|sign[-_]?(in|on)|sso|auth|saml|oidc|account|password", re.IGNORECASE)
_PASSWORD_FIELD = re.compile(rb"""<input[^>]*\btype\s*=\s*["']?password""", re.IGNORECASE)

# OpenSSL's reasons why a certificate is not accepted.
_NOT_YET, _EXPIRED = 9, 10
_UNKNOWN_SIGNER = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)


def trust(ca_file: Path) -> ssl.SSLContext:
    """The certificates to accept from engines: those that the system trusts, and those in `ca_file`.

    Raises OSError; ssl.SSLError, a subclass, for a file without a certificate.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    context.load_verify_locations(cafile=ca_file)
    # For self-made certificates: the server's own is enough, and newer Pythons require extensions that few have.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def certificate_words(name: str, error: ssl.SSLError) -> str:
    """Explain why no secure connection to `name` was made, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"No secure connection to {name} came about. If its server speaks plain HTTP, write http:// for it."
    if error.verify_code == _EXPIRED:
        return f"The certificate of {name} has expired. Renew it there, or correct the clock of this machine."
    if error.verify_code == _NOT_YET:
        return f"The certificate of {name} is not valid yet. Correct the clock of this machine or of that one."
    if error.verify_code in _OTHER_NAME:
        return f"The certificate of {name} is for another host name. Use the name that it was made for."
    if error.verify_code in _UNKNOWN_SIGNER:
        return (
            f"The certificate of {name} is signed by nobody whom this machine trusts. "
            "Put it, or its signer's, into a file and set COMFYUI_CA_FILE to that."
        )
    return f"The certificate of {name} is not accepted: {error.verify_message}."


def target_of(asked: URL, location: str | None) -> URL | None:
    """The target of a redirect; None if it has none."""
    try:
        return asked.join(URL(location)) if location else None
    except ValueError:
        return None


def asks_to_sign_in(asked: URL, target: URL) -> bool:
    """Whether a redirect leads to a sign-in: to a page named like one, or to another page on another server."""
    if target.path == asked.path:
        return False
    return target.host != asked.host or bool(_LOGIN.search(target.path))


def is_sign_in_page(body: bytes) -> bool:
    """Whether a page asks for a password."""
    return bool(_PASSWORD_FIELD.search(body))


def sign_in_words(name: str, how: str, given: str) -> str:
    """Explain that `name` requires a sign-in. `how` it says so; `given`: what we sent, "" for nothing."""
    what = f"What answers at {name} is not ComfyUI: it asks for a sign-in ({how})"
    if given:
        return f"{what}, and does not accept the {given} that it was sent. Correct that."
    return f"{what}. Give the engine a user and password, or a token."


def moved_words(name: str, asked: URL, target: URL) -> str:
    """Explain that `name` redirects to somewhere else that is not a sign-in."""
    what = f"What answers at {name} is not ComfyUI: it sends on to"
    if (target.origin(), target.path) == (asked.origin(), asked.path):
        return f"{what} itself, as for a browser. If its address has a token, give that as a bearer token instead."
    return f"{what} {target.origin()}. If that is where the engine is, use that address."
