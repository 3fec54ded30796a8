"""Which senders are believed about the origin of a request: this machine, and those in STYLESTUDIO_PROXIES.

A proxy reports the client in X-Forwarded-For, and in X-Forwarded-Proto whether it used TLS. Anybody can send these
headers, so they are removed from requests of other senders before any view sees them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, TypeAlias

from django.conf import settings

from stylestudio.host.cadence import FirstFew

log = logging.getLogger(__name__)

Address: TypeAlias = IPv4Address | IPv6Address

MOST_NOTED = 10  # how many senders are reported; a stranger with many addresses must not fill the log
HOUSEHOLD = 64  # bits that the IPv6 addresses of one internet connection have in common
FORWARDING = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP")

noted = FirstFew(MOST_NOTED)


def parse(text: str) -> Address | None:
    """Parse an address with or without brackets, port and zone. None for "unix:", "unknown" and anything malformed."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_proxy(peer: str) -> bool:
    """Whether to believe what `peer` says about the client. "" is a Unix socket, which only this machine can reach.

    Without a public address nothing is behind a proxy, so nobody is believed.
    """
    if not settings.PUBLIC_URL:
        return False
    return not peer or _is_ours(parse(peer))


def _is_ours(address: Address | None) -> bool:
    if address is None:
        return False
    return address.is_loopback or any(address in network for network in settings.PROXIES)


def sender(peer: str, forwarded: str) -> Address | None:
    """Return who sent a request that came from `peer` with `forwarded` in X-Forwarded-For; None if unknown.

    Each proxy appends the address it got the request from, so the list is read from the end for as long as our own
    proxies wrote it. Whatever precedes that is unverified.
    """
    address = parse(peer)
    if not is_proxy(peer):
        return address
    for entry in reversed([entry for entry in forwarded.split(",") if entry.strip()]):
        address = parse(entry)
        if not _is_ours(address):
            break
    return address


def household(address: Address | None) -> str | None:
    """The unit that counts as one sender: an IPv6 connection has more addresses than anybody can count."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, HOUSEHOLD), strict=False).network_address)
    return str(address) if address else None


def believe_proxies_only(meta: MutableMapping[str, Any]) -> None:
    """Remove forwarding headers from a request's `meta`, except what our own proxies wrote."""
    peer = meta.get("REMOTE_ADDR") or ""
    if is_proxy(peer):
        # Django would take the first of several, which may come from the client itself.
        if scheme := meta.get("HTTP_X_FORWARDED_PROTO"):
            meta["HTTP_X_FORWARDED_PROTO"] = scheme.rpartition(",")[2].strip()
        return
    said = [name for name in meta if name.startswith(FORWARDING)]
    for name in said:
        del meta[name]
    if said and settings.PUBLIC_URL.startswith("https:"):
        _note(str(parse(peer)))


def _note(peer: str) -> None:
    """Report once, in the log and for doctor, that `peer` may be an unlisted proxy."""
    if not noted.is_new(peer):
        return
    log.warning(
        "%s sends X-Forwarded headers and is not in STYLESTUDIO_PROXIES, so they are not believed. If it is your "
        "proxy, set STYLESTUDIO_PROXIES=%s: until then everybody behind it counts as one address at sign-in. If it is "
        "not, let only the proxy reach this port.",
        peer,
        peer,
    )
    # Doctor can do without it, and a full disk must not fail the request.
    with contextlib.suppress(OSError), _notes().open("a") as file:
        file.write(f"{peer}\n")


def unlisted() -> list[str]:
    """Senders of forwarding headers since the web process started that are still not in the settings."""
    try:
        peers = _notes().read_text().split()
    except OSError:
        return []
    return [peer for peer in dict.fromkeys(peers) if not is_proxy(peer)]


def forget_unlisted() -> None:
    """Clear the notes when the web process starts: the settings may have been corrected."""
    with contextlib.suppress(OSError):
        _notes().unlink()


def _notes() -> Path:
    return Path(settings.DATA, "unlisted_proxies")
