"""Pictures that came in while a wall was open."""

from __future__ import annotations

from django.contrib.auth.models import User

from generation.gallery import query as wall
from generation.pictures.models import GeneratedImage

MOST = 60  # that are counted; a page of the wall shows as many


def newer(user: User, filters: wall.Filters, than: int) -> int:
    """How many pictures that `user` may see pass the filters and are newer than the one with this key.

    `MOST` + 1 if they are more. With 0, which is no picture's key, all count. None do if there is no such picture.
    """
    moments = GeneratedImage.everything.visible_to(user).filter(pk=than).values_list("created_at", flat=True)
    begin = [(moment, than) for moment in moments]
    if than and not begin:
        return 0
    newest = wall.pictures(user, filters).newest(MOST + 1)
    return sum(1 for picture in newest if not begin or (picture.created_at, picture.pk) > begin[0])
