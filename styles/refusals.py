"""Refusals of styles and versions, whatever code path tries."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class BaseStyleIsProtected(ValidationError):
    """Raised by every way of deleting or unmarking the base style."""

    def __init__(self) -> None:
        super().__init__(_("The base style is protected. It is what runs when no style is chosen."), code="base_style")


class VersionInUse(ValidationError):
    """Raised by purging a version that is published or that pictures were made with."""

    def __init__(self) -> None:
        super().__init__(
            _("This version cannot be removed: it is published, or pictures were made with it. Archive it instead."),
            code="version_in_use",
        )
