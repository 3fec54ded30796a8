"""The form of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from styles.models import Style
from stylestudio.forms.fields import StudioFields
from stylestudio.forms.widgets import TextBox
from training.datasets.models import Dataset

if TYPE_CHECKING:
    DatasetModelForm = forms.ModelForm[Dataset]
else:
    DatasetModelForm = forms.ModelForm

PLACEHOLDERS = ("{trigger}", "{caption}")


def check_template(template: str) -> str:
    """Raise ValidationError if the template has braces other than the placeholders; return it."""
    rest = template
    for placeholder in PLACEHOLDERS:
        rest = rest.replace(placeholder, "")
    if "{" in rest or "}" in rest:
        raise ValidationError(_("Only {trigger} and {caption} are filled in. Leave out other braces."))
    return template


class DatasetForm(StudioFields, DatasetModelForm):
    """A dataset's name and purpose; under Advanced, how its pictures are passed to a trainer."""

    class Meta:
        model = Dataset
        fields = (
            "name", "description", "trigger_words", "style", "licence", "template", "resolution", "repeats",
        )  # fmt: skip
        widgets = {"description": TextBox(attrs={"rows": 3})}

    advanced_names = ("template", "resolution", "repeats")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style = self.fields["style"]
        assert isinstance(style, forms.ModelChoiceField)
        style.queryset = Style.objects.visible_to(user).filter(is_base=False, preview_only=False)
        style.empty_label = _("A new style")
        self.fields["name"].widget.attrs["autofocus"] = not self.instance.pk

    @property
    def advanced(self) -> list[forms.BoundField]:
        """Fields that most people leave unchanged."""
        return [self[name] for name in self.advanced_names]

    @property
    def advanced_open(self) -> bool:
        """Whether one of them has an error."""
        return any(name in self.errors for name in self.advanced_names)

    def clean_template(self) -> str:
        """The template is filled in by plain replacement, so other braces are errors."""
        return check_template(self.cleaned_data["template"])

    def clean_trigger_words(self) -> str:
        """One line, with single spaces."""
        return " ".join(self.cleaned_data["trigger_words"].split())
