"""Typed readers for environment variables. An invalid value stops the start with a sentence."""

from __future__ import annotations

import os
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

Network: TypeAlias = IPv4Network | IPv6Network


def text(name: str, default: str = "") -> str:
    """The variable without surrounding whitespace; `default` if unset or blank."""
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool = False) -> bool:
    """1, true, yes, on or 0, false, no, off, in any case. Anything else is an error, never a silent False."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}. Use 1 or 0.")


def integer(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    """A whole number in [least, most]."""
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}. Use a whole number.") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name} is {number}. Use a number from {least} to {most}.")
    return number


def time_zone(name: str, default: str) -> str:
    """A name of the IANA database, such as Europe/Berlin."""
    value = text(name, default)
    try:
        ZoneInfo(value)  # a list of all names would be read from hundreds of files
    except (KeyError, ValueError, OSError):
        raise ImproperlyConfigured(f"{name} is {value!r}. Use a name such as Europe/Berlin.") from None
    return value


def path(name: str, default: Path) -> Path:
    """An absolute path; a leading ~ is the home folder."""
    value = text(name)
    return Path(value).expanduser().resolve() if value else default


def folder(name: str) -> Path | None:
    """An absolute path as from `path`, also of a file; None if unset."""
    return path(name, Path()) if text(name) else None


def items(name: str, default: str = "") -> list[str]:
    """A comma separated list without blanks."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def networks(name: str) -> list[Network]:
    """A comma separated list of addresses (10.0.0.5) and networks (172.18.0.0/16, 2001:db8::/32), never all of them."""
    return [_network(name, item) for item in items(name)]


def _network(name: str, item: str) -> Network:
    try:
        network = ip_network(item, strict=False)
    except ValueError:
        network = None
    if network is None or not network.prefixlen:
        raise ImproperlyConfigured(
            f"{name} holds {item!r}. Use addresses such as 10.0.0.5 and networks such as 172.18.0.0/16, with commas."
        )
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return ip_network((mapped, max(network.prefixlen - 96, 0))) if mapped else network


def require(setting: str, *packages: str) -> None:
    """Reject `setting` if a package that it needs is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ImproperlyConfigured(
            f"{setting} is set, but these packages are missing: {', '.join(missing)}. Start with python3 run.py, "
            "which installs what requirements-scale.txt lists, or install that yourself."
        )


def postgres(setting: str, url: str) -> dict[str, Any]:
    """Django's settings for a database such as postgresql://user:password@host:5432/name?sslmode=require."""
    parts = _address(url, "postgres", "postgresql")
    if parts is None or not parts.path.strip("/"):
        # Do not show the address: it may contain a password, and this is logged.
        raise ImproperlyConfigured(
            f"{setting} is no address of a PostgreSQL database. Use one such as "
            "postgresql://user:password@host:5432/name, or unset it for SQLite."
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


def redis(setting: str, url: str, **defaults: int) -> str:
    """A redis:// or rediss:// address, with `defaults` added to its query unless it sets them itself."""
    parts = _address(url, "redis", "rediss")
    if parts is None or not parts.hostname:
        raise ImproperlyConfigured(f"{setting} is no address of Redis. Use one such as redis://:password@host:6379/0.")
    query = {**{name: str(value) for name, value in defaults.items()}, **dict(parse_qsl(parts.query))}
    return urlunsplit(parts._replace(query=urlencode(query)))


def origin(setting: str, url: str) -> str:
    """Scheme, host and port of an http or https address."""
    parts = _address(url, "http", "https")
    if parts is None or not parts.hostname or parts.username or parts.query or parts.path.strip("/"):
        raise ImproperlyConfigured(
            f"{setting} is {shown(url)}. Use an address such as https://storage.example.org:9000."
        )
    return f"{parts.scheme}://{parts.netloc}"


def shown(url: str) -> str:
    """An address for an error message: hidden if it may contain a password."""
    return "an address with @ in it" if "@" in url else repr(url)


def passwords(url: str) -> set[str]:
    """The secrets in the address of a database or of Redis, both as written and decoded."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
    except ValueError:
        return set()
    found = {parts.password or "", *(value for name, value in query if "pass" in name.lower())}
    return {spelling for secret in found for spelling in (secret, unquote(secret)) if spelling}


def _address(url: str, *schemes: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises if it is not a number
    except ValueError:
        return None
    # With a bare / in the password, the host is cut off before it, and messages would show the rest.
    cut = "@" not in parts.netloc and "@" in parts.path
    return parts if parts.scheme in schemes and not cut else None
