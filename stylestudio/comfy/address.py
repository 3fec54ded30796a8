"""Engine addresses: where to call, and the user:password that must never be shown."""

from __future__ import annotations

from yarl import URL


def split_credentials(url: str) -> tuple[str, str]:
    """`http://user:pw@host:8188/` -> (`http://host:8188`, `user:pw`). The second is empty without credentials."""
    parsed = URL(url)
    credentials = ""
    if parsed.raw_user is not None:
        credentials = parsed.raw_user + (f":{parsed.raw_password}" if parsed.raw_password is not None else "")
    return str(parsed.with_user(None)).rstrip("/"), credentials
