"""The forms of boards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from generation.keeping.models import MOST_NAME, Board
from stylestudio.forms.fields import StudioFields
from stylestudio.forms.widgets import TextBox

if TYPE_CHECKING:
    BoardModelForm = forms.ModelForm[Board]
else:
    BoardModelForm = forms.ModelForm


class BoardForm(StudioFields, BoardModelForm):
    """A board's name, what it is for, and who sees it."""

    class Meta:
        model = Board
        fields = ("name", "description", "visibility")
        widgets = {"description": TextBox(attrs={"rows": 3})}
        help_texts = {"visibility": _("On a board of the team everybody may add and remove pictures.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autofocus"] = not self.instance.pk


class NewBoardForm(StudioFields, forms.Form):
    """The name of a board that is made beside others."""

    name = forms.CharField(label=_("A new board"), max_length=MOST_NAME, required=False)
