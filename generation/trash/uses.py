"""What still uses pictures in the trash. Rooms say so in their attribute `picture_uses`."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User

from stylestudio.host import rooms


def of(pictures: Sequence[int], person: User | None = None) -> dict[int, list[str]]:
    """Sentences such as "Cover of Ink & mist" for the keys of pictures that something uses.

    A contribution is called with the keys and the person who reads, or None for a worker; it yields pairs of a key and
    a sentence, which names nothing that this person may not see.
    """
    found: dict[int, list[str]] = {}
    if pictures:
        for uses in rooms.contributed("picture_uses"):
            for picture, sentence in uses(pictures, person):
                found.setdefault(picture, []).append(str(sentence))
    return found
