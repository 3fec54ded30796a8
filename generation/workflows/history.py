"""Who did what to a recipe of the studio's own, in the log that the admin shows too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from generation.recipes.models import OwnRecipe, OwnVersion
from stylestudio.people import change_log

ADDED, CHANGED = gettext_noop("Version %d was made."), gettext_noop("Version %d was changed.")
PUBLISHED, ARCHIVED = gettext_noop("Version %d was published."), gettext_noop("Version %d was archived.")
DISCARDED = gettext_noop("Version %d was discarded.")
_SAYINGS = (ADDED, CHANGED, PUBLISHED, ARCHIVED, DISCARDED)
SHOWN = 50  # entries


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: by whom, when, and what it was."""

    by: str
    at: datetime
    words: str


def note(user: User, version: OwnVersion, saying: str) -> None:
    """Log a change. `saying` is one of those above."""
    change_log.note(user, version.recipe, saying % version.number)


def of(recipe: OwnRecipe) -> list[Entry]:
    """The newest changes first, in the reader's language."""
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(OwnRecipe), object_id=str(recipe.pk)
    ).select_related("user")[:SHOWN]
    return [Entry(entry.user.get_username(), entry.action_time, _in_words(entry.change_message)) for entry in entries]


def _in_words(message: str) -> str:
    number = "".join(sign for sign in message if sign.isdigit())
    sayings: Sequence[str] = [saying for saying in _SAYINGS if number and saying % int(number) == message]
    return _(sayings[0]) % int(number) if sayings else message
