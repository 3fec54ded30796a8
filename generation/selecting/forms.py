"""What is asked before pictures are downloaded."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from generation.selecting import names
from generation.selecting.models import FileNaming
from stylestudio.forms.fields import StudioForm


class DownloadForm(StudioForm):
    """How the files of a zip are named. It begins with what the person chose last."""

    template = forms.CharField(
        label=_("File names"),
        max_length=200,
        help_text=names.known_fields(),
        widget=forms.TextInput(attrs={"class": "in mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    sidecars = forms.BooleanField(label=_("A JSON file with the settings beside each picture"), required=False)

    def __init__(self, data: Any = None, *, user: User) -> None:
        self.user = user
        last = FileNaming.objects.filter(owner=user).first()
        begin = {"template": last.template, "sidecars": last.sidecars} if last else {"template": names.DEFAULT}
        super().__init__(data, initial=begin)

    def clean_template(self) -> str:
        """Known fields only."""
        template = str(self.cleaned_data["template"])
        names.check(template)
        return template

    def remember(self) -> None:
        """Keep it for the next time."""
        FileNaming.objects.update_or_create(owner=self.user, defaults=self.cleaned_data)
