"""On whose behalf commands act."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils.translation import gettext as _


class NobodyFound(ValueError):
    """There is no such account. The text says what to do."""


def person_for_command(name: str | None) -> User:
    """The person on whose behalf a command acts: the one of this name, or else the first owner. Raises NobodyFound."""
    people = User.objects.filter(is_active=True)
    found = people.filter(username=name).first() if name else people.filter(is_superuser=True).order_by("pk").first()
    if found is None:
        raise NobodyFound(
            _("There is no account called %s.") % name
            if name
            else _("There is no account yet. Open the studio and create the owner.")
        )
    return found
