"""The kinds of styles, and the columns of a style about its kind."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """What a style is for."""

    ILLUSTRATION = "illustration", _("Illustration")
    UI = "ui", _("UI")
    VFX = "vfx", _("VFX")
    CHARACTER = "character", _("Character")
    SCENE = "scene", _("Scene")
    OTHER = "other", _("Other")


# Kinds whose pictures are cut out. Those of effects are not: their black ground becomes clear, see the preset "effect".
CUT_OUT = {Kind.UI}


class OfKind(models.Model):
    """The kind of a style, and what is otherwise with it than with its kind."""

    kind = models.CharField(_("type"), max_length=20, choices=Kind.choices, default=Kind.ILLUSTRATION)
    # None: as its kind.
    cut_out = models.BooleanField(
        _("transparent ground"),
        null=True,
        blank=True,
        default=None,
        choices=[(None, _("As its type")), (True, _("Yes")), (False, _("No"))],
        help_text=_("Whether new pictures are cut out unless somebody says otherwise. Of the types, UI is."),
    )

    class Meta:
        abstract = True

    @property
    def is_cut_out(self) -> bool:
        """Whether its pictures are cut out unless somebody says otherwise."""
        return self.kind in CUT_OUT if self.cut_out is None else self.cut_out
