"""The bin of the media: a folder for each day, whose files are deleted for good after `settings.BIN_DAYS`."""

from __future__ import annotations

from django.utils import timezone

from stylestudio.media import identity

BIN = "bin"


def throw_in(name: str) -> str:
    """Move a file to today's folder. Returns where it is now. Raises FileNotFoundError if it is gone, else OSError.

    Only for files of which the caller knows that this database owns them (`identity.may_delete`).
    """
    place = f"{BIN}/{timezone.localdate().isoformat()}/{name}"
    identity.storage().move(name, place)
    return place
