"""The form of a style: what it is called, and how its published version works."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext, gettext_lazy

from styles import importing
from styles.models import MAX_STRENGTH, Kind, LoraImport, Style, StyleVersion
from styles.queries import face
from stylestudio import images

COVER_SIDE = 1024  # pixels; a cover is shown no larger
MOST_BYTES = 10 * 2**20
VERSION_FIELDS = ("lora_name", "trigger_words", "default_strength")


def clean_cover(value: Any) -> Any:
    """An uploaded cover as a new WebP without metadata, under a name of our own; anything else as it is."""
    if not isinstance(value, UploadedFile):
        return value
    if (value.size or 0) > MOST_BYTES:
        raise ValidationError(gettext("This picture is larger than 10 MB. Choose a smaller one."))
    try:
        cover = images.thumbnail(value.read(), side=COVER_SIDE)
    except images.BadPicture as error:
        raise ValidationError(str(error)) from error
    return ContentFile(cover, name=f"{uuid.uuid4().hex}.webp")


class StyleForm(forms.ModelForm[Style]):
    """A style and its published version in one form. The base style keeps its name and has no file."""

    cover = forms.FileField(
        label=gettext_lazy("Cover"), required=False, widget=forms.ClearableFileInput,
        help_text=gettext_lazy("PNG, JPEG or WebP up to 10 MB. Without one the preview pictures are shown."),
    )  # fmt: skip
    lora_name = forms.CharField(
        label=gettext_lazy("File on the engines"), required=False, max_length=255,
        help_text=gettext_lazy(
            "As your engine lists it under models/loras, such as ink_v3.safetensors. "
            "Empty: the style only adds its trigger words."
        ),
    )  # fmt: skip
    trigger_words = forms.CharField(
        label=gettext_lazy("Trigger words"), required=False, max_length=500,
        help_text=gettext_lazy("Separated by commas. Put in front of the prompt when the style is used."),
    )  # fmt: skip
    default_strength = forms.FloatField(
        label=gettext_lazy("Default strength"), min_value=0.0, max_value=MAX_STRENGTH, initial=1.0,
        widget=forms.NumberInput(attrs={"type": "range", "step": "0.05"}),
        error_messages={
            "min_value": gettext_lazy("Strength goes from 0 to 2."),
            "max_value": gettext_lazy("Strength goes from 0 to 2."),
        },
    )  # fmt: skip

    class Meta:
        model = Style
        fields = ["name", "kind", "description", "cover"]
        error_messages = {"name": {"required": gettext_lazy("Give the style a name.")}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version: StyleVersion | None = face(self.instance) if self.instance.pk else None
        if self.version:
            self.initial.update({name: getattr(self.version, name) for name in VERSION_FIELDS})
        if self.instance.is_base:
            for name in ("name", "kind", *VERSION_FIELDS):
                del self.fields[name]
        if self.version and self.version.file and "lora_name" in self.fields:
            self.fields["lora_name"].disabled = True  # StyleStudio puts the file there under this very name
        for name in {"name", "kind", "description", "lora_name", "trigger_words"} & self.fields.keys():
            self.fields[name].widget.attrs["class"] = "in"

    def clean_cover(self) -> Any:
        """Decoded, made small and written anew."""
        return clean_cover(self.cleaned_data["cover"])

    def clean_lora_name(self) -> str:
        """A file that ComfyUI's loader takes."""
        name: str = self.cleaned_data["lora_name"].strip()
        if name and not name.endswith((".safetensors", ".sft")):
            raise ValidationError(gettext("The file's name ends in .safetensors."))
        return name

    def save(self, commit: bool = True) -> Style:
        """Store the style, then the fields of its published version."""
        with transaction.atomic():
            style: Style = super().save(commit)
            if not style.is_base:
                version = self.version or style.versions.get(number=1)
                values = {name: self.cleaned_data[name] for name in VERSION_FIELDS}
                if version.is_used and values["lora_name"] != version.lora_name:
                    # Pictures keep the version they were made with: another file is another version.
                    style.new_version(checkpoint=version.checkpoint, lightning=version.lightning, **values).publish()
                else:
                    StyleVersion.objects.filter(pk=version.pk).update(**values)
        return style


class ImportForm(forms.Form):
    """What becomes of a LoRA file that was brought in, filled with what was found in it."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=80, error_messages={"required": gettext_lazy("Give the style a name.")}
    )
    kind = forms.ChoiceField(label=gettext_lazy("Type"), choices=Kind.choices)
    style = forms.ModelChoiceField(
        label=gettext_lazy("Version of"), queryset=Style.objects.none(), required=False,
        empty_label=gettext_lazy("A new style"),
    )  # fmt: skip
    trigger_words = forms.CharField(
        label=gettext_lazy("Trigger words"), required=False, max_length=500,
        help_text=gettext_lazy("Separated by commas. Put in front of the prompt when the style is used."),
    )  # fmt: skip
    default_strength = forms.FloatField(
        label=gettext_lazy("Default strength"), min_value=0.0, max_value=MAX_STRENGTH,
        widget=forms.NumberInput(attrs={"type": "range", "step": "0.05"}),
        error_messages={
            "min_value": gettext_lazy("Strength goes from 0 to 2."),
            "max_value": gettext_lazy("Strength goes from 0 to 2."),
        },
    )  # fmt: skip
    licence = forms.CharField(
        label=gettext_lazy("License or source"), max_length=300,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Where did it come from?")}),
        error_messages={
            "required": gettext_lazy("Say where it came from, so the team knows if it may be used."),
        },
    )  # fmt: skip
    author = forms.CharField(label=gettext_lazy("Author"), required=False, max_length=200)
    notes = forms.CharField(
        label=gettext_lazy("Notes"), required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3})
    )
    together = forms.BooleanField(required=False, initial=True)
    publish = forms.BooleanField(label=gettext_lazy("Publish it at once"), required=False, initial=True)

    def __init__(self, data: Any = None, *, row: LoraImport) -> None:
        wish = importing.proposal(row)
        initial = {name: getattr(wish, name) for name in self.base_fields if hasattr(wish, name)}
        super().__init__(data, initial=initial, auto_id=f"import-{row.pk}-%s")
        self.row = row
        self.epochs = importing.epochs(row)
        self.twin = importing.twin(row)
        self.facts = list(importing.facts(row))
        self.fields["style"].queryset = Style.objects.filter(is_base=False)  # type: ignore[attr-defined]
        for name in ("name", "kind", "style", "trigger_words", "licence", "author", "notes"):
            self.fields[name].widget.attrs["class"] = "in"

    def save(self, user: User) -> list[StyleVersion]:
        """Make the version, and with it those of the other files of the same run where that is wished."""
        values = self.cleaned_data
        self.rows = self.epochs if values.pop("together") and len(self.epochs) > 1 else [self.row]
        return importing.confirm_all(self.rows, importing.Wish(**values), user)
