"""What `manage.py doctor` says of recipes: whether the files that are named for them belong to one."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from generation.recipes import registry
from stylestudio.processes.doctor import Finding


def look_at_names() -> Iterable[Finding]:
    """Report what STYLESTUDIO_RECIPE_FILES names that no recipe has; nothing if all is known."""
    for place in registry.strangers():
        known = ", ".join(f"{recipe.name}.{role}" for recipe in registry.every().values() for role in recipe.files)
        state = _("%s belongs to no recipe") % place
        yield Finding("STYLESTUDIO_RECIPE_FILES", state, _("Name one of these: %s.") % known)
