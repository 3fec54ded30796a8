"""Whose word counts about where a request comes from: this machine's, and that of STYLESTUDIO_PROXIES.

A proxy says in X-Forwarded-For who asked, in X-Forwarded-Proto whether over TLS. Anybody can send these headers, so
those of strangers are thrown away before any page sees them.
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

MOST_NOTED = 10  # senders that are told of; a stranger with many addresses must not fill the log
HOUSEHOLD = 64  # bits of an IPv6 address that one connection to the internet has in common
FORWARDING = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP")

noted = FirstFew(MOST_NOTED)


def parse(text: str) -> Address | None:
    """The address in `text`, which may have brackets, a port and a zone. None for "unix:", "unknown" and nonsense."""
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
    """Whether what `peer` says of the sender is believed. "" is a socket file, which only this machine can reach.

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
    """Who sent a request that came from `peer` with `forwarded` in X-Forwarded-For; None where nobody can tell.

    Each proxy adds at the end whom it got the request from, so the list is read from its end for as long as a proxy of
    ours wrote it. What stands before is hearsay.
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
    """What counts as one address: an IPv6 connection has more addresses than anybody can count."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, HOUSEHOLD), strict=False).network_address)
    return str(address) if address else None


def believe_proxies_only(meta: MutableMapping[str, Any]) -> None:
    """Leave in a request's `meta` of the forwarding headers what a proxy of ours wrote."""
    peer = meta.get("REMOTE_ADDR") or ""
    if is_proxy(peer):
        # Django would take the first of several, which may be the sender's own.
        if scheme := meta.get("HTTP_X_FORWARDED_PROTO"):
            meta["HTTP_X_FORWARDED_PROTO"] = scheme.rpartition(",")[2].strip()
        return
    said = [name for name in meta if name.startswith(FORWARDING)]
    for name in said:
        del meta[name]
    if said and settings.PUBLIC_URL.startswith("https:"):
        _note(str(parse(peer)))


def _note(peer: str) -> None:
    """Say once that `peer` may be a proxy that nobody listed, in the log and for doctor."""
    if not noted.is_new(peer):
        return
    log.warning(
        "%s sends X-Forwarded headers and is not in STYLESTUDIO_PROXIES, so they are not believed. If it is your "
        "proxy, set STYLESTUDIO_PROXIES=%s: until then everybody behind it counts as one address at sign-in. If it is "
        "not, let only the proxy reach this port.",
        peer,
        peer,
    )
    # Doctor can do without, and a full disk must not fail the request.
    with contextlib.suppress(OSError), _notes().open("a") as file:
        file.write(f"{peer}\n")


def unlisted() -> list[str]:
    """Senders of forwarding headers since the start of the web process that are in no setting yet."""
    try:
        peers = _notes().read_text().split()
    except OSError:
        return []
    return [peer for peer in dict.fromkeys(peers) if not is_proxy(peer)]


def forget_unlisted() -> None:
    """At the start of the web process: what was noted may be mended."""
    with contextlib.suppress(OSError):
        _notes().unlink()


def _notes() -> Path:
    return Path(settings.DATA, "unlisted_proxies")
