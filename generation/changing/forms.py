"""What is asked before engines change pictures."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from generation.making import recipe_lacks
from generation.recipes import registry
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Segments

FACTORS = (("2", "×2"), ("4", "×4"))


class ChangeForm(StudioForm):
    """What every change of pictures by an engine asks."""

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        self.user = user

    def change(self) -> str:
        """The name of the recipe."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        """The recipe, if an engine can run it."""
        super().clean()
        if self.errors:
            return {}
        change = self.change()
        if trouble := recipe_lacks.trouble(registry.changers()[change]):
            raise ValidationError(trouble)
        return {"change": change}


class CutOutForm(ChangeForm):
    """Nothing is asked: there is one way to cut out."""

    def change(self) -> str:
        """The name of the recipe."""
        return "cut-out"


class ScaleUpForm(ChangeForm):
    """How large pictures are made."""

    factor = forms.ChoiceField(label=gettext_lazy("How much larger"), choices=FACTORS, initial="2", widget=Segments())

    def change(self) -> str:
        """The name of the recipe."""
        return f"scale-up-x{self.cleaned_data['factor']}"
