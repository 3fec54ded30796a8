"""The fields for the English of a prompt, and what a page says about it.

A translation belongs to the words it was made of. It is never used for others, unless somebody says that it fits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines import roster
from generation.ordering.english_form.unread import foreign, is_unread
from generation.pictures.models import MOST_PROMPT
from generation.recipes.recipe import Recipe
from generation.texts import translating
from generation.texts.models import Translation
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import TextBox
from stylestudio.people.access import whole_numbers


class EnglishFields(StudioForm):
    """The English of a form's prompt. `english_of` is the prompt that it belongs to, and `english_waits` the key of the
    translation that is to come into it. The form has a prompt, a recipe `made_by`, and a `user`.
    """

    user: User
    made_by: Recipe

    english = forms.CharField(
        label=gettext_lazy("English for the model"),
        required=False,
        max_length=MOST_PROMPT,
        widget=TextBox({"rows": 3, "lang": "en", "spellcheck": "true"}),
        help_text=gettext_lazy(
            "The model gets this; the prompt stays as you wrote it. If this is empty, it gets the prompt as it is."
        ),
    )
    english_of = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    english_waits = forms.CharField(required=False, max_length=18, widget=forms.HiddenInput)

    def settled(self, values: Mapping[str, Any]) -> dict[str, str]:
        """These values of the fields with a translation that has come meanwhile. What somebody writes belongs to the
        prompt that it is written beside.
        """
        found = awaited(values, self.user)
        if found and found.english and not found.is_active:
            return {"english": found.english[0], "english_of": found.texts[0], "english_waits": ""}
        of = str(values.get("english_of") or values.get("prompt") or "")
        return {"english_of": of if str(values.get("english") or "").strip() else ""}

    def clean_english(self) -> str:
        """What goes to the model; "" if that reads the prompt itself. Refuses the English of another prompt."""
        prompt, text = str(self["prompt"].value() or ""), str(self.cleaned_data["english"])
        if not is_unread(prompt, self.made_by):
            return ""
        if text and is_other(str(self["english_of"].value() or ""), prompt):
            raise forms.ValidationError(
                _("This is the English of another prompt. Translate again, say that it fits, or empty it.")
            )
        return text


@dataclass(frozen=True, slots=True)
class English:
    """What a page says about the English of a prompt. `translation` is the one that it waits for, or that failed;
    `trouble` says why no engine can translate now.
    """

    text: str
    is_other: bool
    translation: Translation | None
    trouble: str
    is_long: bool

    @property
    def rest(self) -> str:
        """What in it is not English."""
        return foreign(self.text)

    @property
    def of_preview(self) -> bool:
        """Whether the preview engine is what translates."""
        return roster.preview_serves()


def beside(form: EnglishFields) -> English | None:
    """The English of a form's prompt; None if its model reads the prompt itself."""
    values = {name: str(form[name].value() or "") for name in ("prompt", *EnglishFields.base_fields)}
    if not is_unread(values["prompt"], form.made_by):
        return None
    text = values["english"].strip()
    return English(
        text=text,
        is_other=bool(text) and is_other(values["english_of"], values["prompt"]),
        translation=awaited(values, form.user),
        trouble=translating.trouble(),
        is_long=len(values["prompt"].strip()) > translating.MOST_TEXT,
    )


def read_by(found: English | None, prompt: str) -> str:
    """The words that the model gets of a prompt."""
    return found.text if found and found.text and not found.is_other else prompt


def moves(posted: QueryDict, form: EnglishFields) -> bool:
    """Whether the field on a page that posted this is to be swapped: it comes, it goes, or a translation came. What
    somebody writes in it at this moment is not taken from under their hands.
    """
    is_shown = is_unread(str(form["prompt"].value() or ""), form.made_by)
    return is_shown != ("english_shown" in posted) or str(form["english"].value() or "") != posted.get("english", "")


def press(data: QueryDict, user: User) -> None:
    """Apply the pressed button: a translation, or that the English fits the prompt as it is now."""
    prompt = data.get("prompt", "").strip()
    if "translate" in data and foreign(prompt) and len(prompt) <= translating.MOST_TEXT:
        data["english_waits"] = str(translating.order(user, [prompt]).pk)
    if "english_fits" in data:
        data["english_of"] = prompt


def awaited(values: Mapping[str, Any], user: User) -> Translation | None:
    """The translation that these values of a form wait for."""
    keys = whole_numbers([str(values.get("english_waits") or "")])
    if not keys:
        return None
    found: Translation | None = Translation.objects.visible_to(user).filter(owner=user, pk__in=keys).first()
    return found


def is_other(of: str, prompt: str) -> bool:
    """Whether the English of the prompt `of` belongs to another prompt than this one. Spaces make no difference."""
    return bool(of.strip()) and of.split() != prompt.split()
