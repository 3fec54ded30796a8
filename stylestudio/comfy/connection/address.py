"""Engine addresses: where to connect, and which parts must never be shown.

The credentials of an engine are written as they appear in an address: `user:password`, `bearer:TOKEN` for a bearer
token, `?…` for a query, or a user and a query together, percent-encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote

from yarl import URL

BEARER = "bearer"  # the user whose password is sent as a bearer token
_AS_THEY_ARE = "%!$&'()*+,;=~"  # unquoted in a user or password of an address
_TOKEN = re.compile(r"[!-~]+")  # what a header can contain
_HEADER = re.compile(r"^(authorization\s*:\s*)?bearer\s+", re.IGNORECASE)


def split_credentials(url: str) -> tuple[str, str]:
    """`http://user:pw@host:8188/?token=x` -> (`http://host:8188`, `user:pw?token=x`). The second may be empty."""
    parsed = URL(url)
    credentials = ""
    if parsed.raw_user is not None or parsed.raw_password is not None:
        credentials = parsed.raw_user or ""
        credentials += f":{parsed.raw_password}" if parsed.raw_password is not None else ""
    if parsed.raw_query_string:
        credentials += f"?{parsed.raw_query_string}"
    shown = parsed.with_user(None).with_query(None).with_fragment(None)
    return str(shown).rstrip("/"), credentials


def join_credentials(address: str, credentials: str) -> str:
    """Rebuild the address to connect to from the results of `split_credentials`. Never show it."""
    person, mark, query = credentials.partition("?")
    scheme, separator, rest = address.partition("://")
    if person:
        user, colon, password = person.partition(":")
        # Rows from older versions hold what was typed, with whatever characters.
        rest = f"{quote(user, safe=_AS_THEY_ARE)}{colon}{quote(password, safe=_AS_THEY_ARE + ':')}@{rest}"
    return f"{scheme}{separator}{rest}{mark}{query}"


def basic(typed: str) -> str:
    """Encode a typed user:password for storing. Raises ValueError without a user or a colon."""
    user, colon, password = typed.partition(":")
    if not colon or not user:
        raise ValueError("no user, or no colon")
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def bearer(typed: str) -> str:
    """Encode a bearer token for storing, typed with or without the header's name.

    Raises ValueError if it is not one.
    """
    token = _HEADER.sub("", typed.strip())
    if not _TOKEN.fullmatch(token):
        raise ValueError("no token")
    return f"{BEARER}:{quote(token, safe='')}"


def kind_of(credentials: str) -> str:
    """How these credentials are sent: "basic", "bearer", or "" if there is at most a query."""
    person, _mark, _query = credentials.partition("?")
    if not person:
        return ""
    return "bearer" if person.startswith(f"{BEARER}:") else "basic"


def callable_url(url: str) -> URL:
    """Parse `url` into one that can be connected to. Raises ValueError with a sentence that contains no secrets."""
    try:
        parsed = URL(url)
        well = parsed.scheme in {"http", "https"} and bool(parsed.host) and bool(parsed.port)
        well = well and not re.search(r"\s", parsed.host or "")
    except ValueError:
        well = False
    if not well:
        raise ValueError("An engine's address looks like http://127.0.0.1:8188.")
    if parsed.user == BEARER and not _TOKEN.fullmatch(parsed.password or ""):
        raise ValueError("A bearer token has letters, digits and signs, and no spaces.")
    return parsed


def checked_url(url: str) -> URL:
    """`callable_url` for an address that somebody just typed: also rejects what looks like a truncated password."""
    parsed = callable_url(url)
    if "@" in parsed.raw_path:
        raise ValueError("Write / ? # @ and : in a password as %2F %3F %23 %40 and %3A, and @ in a path as %40.")
    return parsed


def secrets_in_all(urls: Iterable[str]) -> set[str]:
    """The `secrets_in` all of these, ignoring those that are not addresses."""
    found: set[str] = set()
    for url in urls:
        with suppress(ValueError):
            found |= secrets_in(URL(url))
    return found


def secrets_in(url: URL) -> set[str]:
    """Every spelling of the secrets in an address, as they might appear in an error message."""
    spelled = {url.raw_user if url.raw_password is None else url.raw_password}
    spelled |= {pair.partition("=")[2] or pair.rstrip("=") for pair in url.raw_query_string.split("&")}
    meant = {url.user if url.raw_password is None else url.password}
    meant |= {value or name for name, value in url.query.items()}
    found = {one for one in spelled | meant if one}
    found |= {quote(one, safe=safe) for one in meant if one for safe in ("", "/")}
    return found | {json.dumps(one)[1:-1] for one in found}
