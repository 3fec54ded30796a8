"""Engine addresses: where to call, and what must never be shown of them.

A secret of an engine is written as it stands in an address: `user:password`, `bearer:TOKEN` for a bearer token, `?…`
for a query, or a user and a query together, percent-encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote

from yarl import URL

BEARER = "bearer"  # the user whose password is sent as a bearer token
_AS_THEY_ARE = "%!$&'()*+,;=~"  # in a user or password within an address
_TOKEN = re.compile(r"[!-~]+")  # what can stand in a header
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
    """The address to call, of what `split_credentials` took apart. Never to be shown."""
    person, mark, query = credentials.partition("?")
    scheme, separator, rest = address.partition("://")
    if person:
        user, colon, password = person.partition(":")
        # Rows of older versions hold what was typed, whatever signs it had.
        rest = f"{quote(user, safe=_AS_THEY_ARE)}{colon}{quote(password, safe=_AS_THEY_ARE + ':')}@{rest}"
    return f"{scheme}{separator}{rest}{mark}{query}"


def basic(typed: str) -> str:
    """What to keep of a user and a password that somebody typed as user:password. Raises ValueError without a colon."""
    user, colon, password = typed.partition(":")
    if not colon or not user:
        raise ValueError("no user, or no colon")
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def bearer(typed: str) -> str:
    """What to keep of a bearer token, typed with or without the header's name. Raises ValueError if it is none."""
    token = _HEADER.sub("", typed.strip())
    if not _TOKEN.fullmatch(token):
        raise ValueError("no token")
    return f"{BEARER}:{quote(token, safe='')}"


def kind_of(credentials: str) -> str:
    """How these are sent: "basic", "bearer", or "" when at most a query is."""
    person, _mark, _query = credentials.partition("?")
    if not person:
        return ""
    return "bearer" if person.startswith(f"{BEARER}:") else "basic"


def callable_url(url: str) -> URL:
    """`url` as one that can be called. Raises ValueError with a sentence, in which nothing secret stands."""
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
    """As `callable_url`, for an address that somebody just wrote: also refuses what looks like a cut password."""
    parsed = callable_url(url)
    if "@" in parsed.raw_path:
        raise ValueError("Write / ? # @ and : in a password as %2F %3F %23 %40 and %3A, and @ in a path as %40.")
    return parsed


def secrets_in_all(urls: Iterable[str]) -> set[str]:
    """`secrets_in` of each; nothing of those that are no addresses."""
    found: set[str] = set()
    for url in urls:
        with suppress(ValueError):
            found |= secrets_in(URL(url))
    return found


def secrets_in(url: URL) -> set[str]:
    """Every spelling of what is secret in an address, as it may come back in somebody's error text."""
    spelled = {url.raw_user if url.raw_password is None else url.raw_password}
    spelled |= {pair.partition("=")[2] or pair.rstrip("=") for pair in url.raw_query_string.split("&")}
    meant = {url.user if url.raw_password is None else url.password}
    meant |= {value or name for name, value in url.query.items()}
    found = {one for one in spelled | meant if one}
    found |= {quote(one, safe=safe) for one in meant if one for safe in ("", "/")}
    return found | {json.dumps(one)[1:-1] for one in found}
