"""Names of files in a zip, from a template such as `{style}_{subject}_{seed}`, that every system can store.

Windows is the strictest: it refuses some characters and some words, ends no name with a dot or a space, and takes two
names that differ only in case for one. File systems count bytes: 255 of them at most, less in encrypted folders.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stylestudio.text import plain

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

DEFAULT = "{style}_{subject}_{seed}"
FIELDS = (
    "name", "style", "subject", "seed", "date", "person", "id", "index", "width", "height", "prompt", "preset",
)  # fmt: skip
MOST_BYTES = 180  # of a name with its ending: that of a picture in a deep folder is still short enough
_ENDING = re.compile(r"\.(?:png|webp|jpe?g)$", re.IGNORECASE)
_FIELD = re.compile(r"\{([^{}]*)\}")
_REFUSED = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE)


def known_fields(more: Sequence[str] = ()) -> _StrPromise | str:
    """What a form says below a template: the fields that there are, those of `more` first."""
    return format_lazy(gettext_lazy("Fields: {known}"), known=" ".join(f"{{{each}}}" for each in (*more, *FIELDS)))


def check(template: str, more: Sequence[str] = ()) -> None:
    """Raise ValidationError, with a sentence, if the template names a field that there is not, or none at all. `more`
    are fields that there are here besides FIELDS.
    """
    given, fields = _FIELD.findall(template), (*more, *FIELDS)
    for name in given:
        if name not in fields:
            known = ", ".join(f"{{{each}}}" for each in fields)
            raise ValidationError(
                _("There is no field {%(name)s}. Known are %(known)s."), params={"name": name[:40], "known": known}
            )
    if not given:
        raise ValidationError(_("Put at least one field such as {seed} into the name."))


def fill(template: str, facts: Mapping[str, str]) -> str:
    """The template with the facts in the place of its fields, as a name that every system can store, without ending."""
    return clean(_FIELD.sub(lambda found: facts.get(found[1], ""), template))


def clean(text: str) -> str:
    """A name of any text; "picture" if nothing is left of it."""
    text = unicodedata.normalize("NFC", plain.name(text))
    # Signs that show nothing, but for the joiners that some scripts are written with, and halves of characters.
    shown = (each for each in text if unicodedata.category(each) not in {"Cf", "Cs"} or each in "\u200c\u200d")
    name = _REFUSED.sub("-", "".join(shown)).strip(" .")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return name or "picture"


def stem(name: str) -> str:
    """The name of a picture's file without its ending."""
    return _ENDING.sub("", name)


def cut(text: str, most: int) -> str:
    """The beginning of a text in at most so many bytes; characters stay whole."""
    return text.encode()[:most].decode(errors="ignore").rstrip(" .")


class Names:
    """Gives each file of a zip a name that no other one of it has, on any system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, stem: str, *endings: str) -> str:
        """The stem, numbered if a file with one of these endings has that name already; shortened if it is too long.

        The names with all the endings are taken then.
        """
        longest = max(len(ending.encode()) for ending in endings)
        base = cut(stem, MOST_BYTES - longest) or "picture"
        name, number = base, self._next.get(same(base), 1)
        while any(same(name + ending) in self._taken for ending in endings):
            number += 1
            tail = f"-{number}"
            name = f"{cut(stem, MOST_BYTES - longest - len(tail))}{tail}"
        self._next[same(base)] = number
        self._taken.update(same(name + ending) for ending in endings)
        return name


def same(name: str) -> str:
    """Equal for names that some system takes for one: it ignores case, or stores accents in another way."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
