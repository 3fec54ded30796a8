"""The forms of a style, its published version, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, transaction
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext, gettext_lazy

from styles import accelerating, importing
from styles.for_engines import LEAST_STRENGTH, MOST_STRENGTH, USUAL_STRENGTHS
from styles.import_models import LoraImport
from styles.lora import Behaviour, behaviour_in_words
from styles.models import Preset, Style, StyleVersion
from styles.queries import face, kinds_in_order
from stylestudio.comfy.file_names import canonical, distinct
from stylestudio.forms.fields import StudioFields, StudioForm
from stylestudio.forms.widgets import PICTURES, Choices, Slider, TextBox, Ticks
from stylestudio.images import decoding
from stylestudio.live import page_frame
from stylestudio.media import identity
from stylestudio.templatetags.studio import SHAPES, weight

if TYPE_CHECKING:
    StyleModelForm = forms.ModelForm[Style]
    PresetModelForm = forms.ModelForm[Preset]
else:
    StyleModelForm = PresetModelForm = forms.ModelForm

COVER_SIDE = 1024  # pixels; covers are never shown larger
MOST_BYTES = 10 * 2**20
MOST_KNOWN = 500  # names that a field suggests; others can be typed
VERSION_FIELDS = (
    "lora_name", "trigger_words", "default_strength", "slider", "safe_from", "safe_to", "checkpoint", "lightning",
)  # fmt: skip
SHAPE_CHOICES = [(f"{width}x{height}", f"{name}, {width} × {height}") for name, width, height in SHAPES]


OFF_SCALE = {
    name: gettext_lazy("Strength goes from 0 to 2.") for name in ("min_value", "max_value", "invalid", "required")
}
FAR_OFF_SCALE = {
    name: gettext_lazy("Strength goes from -10 to 10.") for name in ("min_value", "max_value", "invalid", "required")
}


def strength_field(label: Any, *, slider: bool = False, **more: Any) -> forms.FloatField:
    """A strength from 0 to 2, as a text field or, with `slider`, as a slider. See `widen`."""
    widget = Slider(attrs={"step": "0.05"}) if slider else forms.NumberInput({"step": "0.05", "inputmode": "decimal"})
    return forms.FloatField(
        label=label,
        min_value=USUAL_STRENGTHS[0],
        max_value=USUAL_STRENGTHS[1],
        widget=widget,
        error_messages=OFF_SCALE,
        **more,
    )


def widen(form: forms.BaseForm, *names: str) -> None:
    """Widen the range of strengths to that of sliders."""
    for name in names:
        field: Any = form.fields[name]
        field.min_value, field.max_value = LEAST_STRENGTH, MOST_STRENGTH
        field.validators = [MinValueValidator(LEAST_STRENGTH), MaxValueValidator(MOST_STRENGTH)]
        field.error_messages.update(FAR_OFF_SCALE)


def safe_range_fields() -> tuple[forms.FloatField, forms.FloatField]:
    """The range of strengths at which pictures stay intact. See `check_safe_range`."""
    hint = gettext_lazy("You are warned outside this range. Leave it empty if unknown.")
    return (
        strength_field(gettext_lazy("Safe from"), required=False),
        strength_field(gettext_lazy("Safe to"), required=False, help_text=hint),
    )


def check_safe_range(form: forms.BaseForm, cleaned: Mapping[str, Any]) -> None:
    """Require both ends of the range in order, or neither. Errors are added to the field concerned."""
    low, high = cleaned.get("safe_from"), cleaned.get("safe_to")
    if {"safe_from", "safe_to"} & form.errors.keys():
        return
    if (low is None) != (high is None):
        missing = "safe_from" if low is None else "safe_to"
        form.add_error(missing, gettext("Fill in both ends of the safe range, or none."))
    elif low is not None and high is not None and low > high:
        form.add_error("safe_to", gettext("The safe range ends before it begins."))


def clean_cover(value: Any) -> Any:
    """An uploaded cover re-encoded as WebP without metadata, under a name of our own; any other value unchanged."""
    if not isinstance(value, UploadedFile):
        return value
    if (value.size or 0) > MOST_BYTES:
        raise ValidationError(gettext("This picture is larger than 10 MB. Choose a smaller one."))
    try:
        cover = decoding.thumbnail(value.read(), side=COVER_SIDE)
    except decoding.BadPicture as error:
        raise ValidationError(str(error)) from error
    return ContentFile(cover, name=identity.new_name(".webp"))


class CoverInput(forms.ClearableFileInput):
    """A picture to choose, beside the one that is there."""

    template_name = "styles/_cover_input.html"
    present: FieldFile | None = None

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With the picture that is there, also while another one is refused."""
        return {**super().get_context(name, value, attrs), "present": self.present}


class StyleForm(StudioFields, StyleModelForm):
    """A style and its published version in one form. The base style's name is fixed, and it has no file."""

    cover = forms.FileField(
        label=gettext_lazy("Cover"), required=False, widget=CoverInput({"accept": PICTURES}),
        help_text=gettext_lazy("PNG, JPEG or WebP up to 10 MB. Without one the preview pictures are shown."),
    )  # fmt: skip
    lora_name = forms.CharField(
        label=gettext_lazy("File on the engines"), required=False, max_length=255,
        help_text=gettext_lazy(
            "As your engine lists it under models/loras, such as ink_v3.safetensors. "
            "Leave it empty if the style only adds its trigger words."
        ),
    )  # fmt: skip
    trigger_words = forms.CharField(
        label=gettext_lazy("Trigger words"), required=False, max_length=500,
        help_text=gettext_lazy("Separated by commas. Put in front of the prompt when the style is used."),
    )  # fmt: skip
    default_strength = strength_field(gettext_lazy("Default strength"), slider=True, initial=1.0)
    slider = forms.BooleanField(
        label=gettext_lazy("A slider: strength goes from -10 to 10"), required=False,
        help_text=gettext_lazy("For LoRAs that do the opposite below 0."),
    )  # fmt: skip
    safe_from, safe_to = safe_range_fields()
    checkpoint = forms.CharField(
        label=gettext_lazy("Checkpoint"), required=False, max_length=255,
        widget=forms.TextInput(attrs={"list": "checkpoints"}),
        help_text=gettext_lazy("For a style that needs its own. Leave it empty for the studio's."),
    )  # fmt: skip
    lightning = forms.CharField(
        label=gettext_lazy("Lightning file"), required=False, max_length=255,
        widget=forms.TextInput(attrs={"list": "loras"}),
        help_text=gettext_lazy("The Lightning LoRA that goes with that checkpoint. Leave it empty for the studio's."),
    )  # fmt: skip
    is_another = forms.BooleanField(label=gettext_lazy("This is another style"), required=False)
    bare = ("slider",)

    class Meta:
        model = Style
        fields = ["name", "kind", "cut_out", "family", "description", "cover"]
        widgets = {"cut_out": Choices}
        error_messages = {"name": {"required": gettext_lazy("Give the style a name.")}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version: StyleVersion | None = face(self.instance) if self.instance.pk else None
        if self.version:
            self.initial.update({name: getattr(self.version, name) for name in VERSION_FIELDS})
        cast(forms.ChoiceField, self.fields["kind"]).choices = kinds_in_order()
        self.fields["family"].required = False  # a form without it leaves it as it is
        if self.instance.is_base:
            for name in ("name", "kind", "cut_out", "family", "is_another", *VERSION_FIELDS):
                del self.fields[name]
        if self.version and self.version.file and "lora_name" in self.fields:
            self.fields["lora_name"].disabled = True  # StyleStudio installs the file under exactly this name
        if "slider" in self.fields and self["slider"].value():
            widen(self, "default_strength", "safe_from", "safe_to")
        cover = self.fields["cover"].widget
        assert isinstance(cover, CoverInput)
        cover.present = self.instance.cover if self.instance.pk and self.instance.cover else None

    @property
    def advanced(self) -> list[forms.BoundField]:
        """The fields that few styles need. The base style has none of them."""
        names = ("safe_from", "safe_to", "checkpoint", "lightning")
        return [self[name] for name in names if name in self.fields]

    @property
    def advanced_open(self) -> bool:
        """Whether one of them is filled in or has an error."""
        return any(field.errors or field.value() not in (None, "") for field in self.advanced)

    @property
    def known_files(self) -> dict[str, list[str]]:
        """Suggestions: the files that engines have."""
        engines = page_frame.engine_facts()
        return {
            "checkpoints": sorted(distinct(name for engine in engines for name in engine.checkpoints))[:MOST_KNOWN],
            "loras": sorted(distinct(name for engine in engines for name in engine.loras))[:MOST_KNOWN],
        }

    @property
    def namesake(self) -> Style | None:
        """Another style that already has this name."""
        if "name" not in self.fields or str(self["name"].value() or "").strip() == self.initial.get("name", ""):
            return None
        found = importing.namesake(str(self["name"].value() or ""), sketch=self.instance.preview_only)
        return None if found == self.instance else found

    def clean(self) -> dict[str, Any]:
        """A safe range needs both ends, in order. If another style has the same name, the person has to decide."""
        cleaned = super().clean() or {}
        check_safe_range(self, cleaned)
        if cleaned.get("name") and not cleaned.get("is_another") and (taken := self.namesake):
            text = gettext("%(name)s exists. Say that this is another style, or change that one.")
            self.add_error("is_another", text % {"name": taken.title})
        return cleaned

    def clean_cover(self) -> Any:
        """Decode, shrink and re-encode the cover."""
        return clean_cover(self.cleaned_data["cover"])

    def clean_lora_name(self) -> str:
        """A file that ComfyUI's loader accepts."""
        return self._file("lora_name", (".safetensors", ".sft"))

    def clean_checkpoint(self) -> str:
        """A file that ComfyUI's loader accepts."""
        return self._file("checkpoint", (".safetensors", ".sft", ".ckpt"))

    def clean_lightning(self) -> str:
        """A file that ComfyUI's loader accepts."""
        return self._file("lightning", (".safetensors", ".sft"))

    def _file(self, field: str, endings: tuple[str, ...]) -> str:
        name = canonical(self.cleaned_data[field].strip())
        if name and not name.endswith(endings):
            raise ValidationError(gettext("The file's name ends in .safetensors."))
        return name

    def save(self, commit: bool = True) -> Style:
        """Save the style, then the fields of its published version."""
        with transaction.atomic():
            style: Style = super().save(commit)
            if not style.is_base:
                version = self.version or style.versions.get(number=1)
                values = {name: self.cleaned_data[name] for name in VERSION_FIELDS}
                if version.is_used and values["lora_name"] != canonical(version.lora_name):
                    # Pictures refer to the version they were made with: another file needs another version.
                    style.new_version(**values).publish()
                else:
                    StyleVersion.objects.filter(pk=version.pk).update(**values)
        return style


class StrengthForm(StudioForm):
    """A version's default strength. With `slider` the range is wider."""

    strength = strength_field(gettext_lazy("Default strength"))

    def __init__(self, data: Any = None, *, slider: bool = False) -> None:
        super().__init__(data)
        if slider:
            widen(self, "strength")


class SafeRangeForm(StudioForm):
    """The range of strengths at which pictures stay intact; both ends or neither. With `slider` the range is wider."""

    errors_at = "safe-range-error"
    safe_from, safe_to = safe_range_fields()

    def __init__(self, data: Any = None, *, version: StyleVersion) -> None:
        ends = {name: getattr(version, name) for name in ("safe_from", "safe_to")}
        shown = {name: weight(end) for name, end in ends.items() if end is not None}
        super().__init__(data, initial=shown, auto_id="%s")
        if version.slider:
            widen(self, "safe_from", "safe_to")
        for field in self.fields.values():
            field.help_text = ""  # there is no room for it
            field.widget.attrs["class"] = "in num"

    def clean(self) -> dict[str, Any]:
        """A range needs both ends, in order."""
        cleaned = super().clean() or self.cleaned_data
        check_safe_range(self, cleaned)
        return cleaned


class PresetForm(StudioFields, PresetModelForm):
    """A preset. Its style is the instance's; its size is one of the eight shapes."""

    shape = forms.ChoiceField(label=gettext_lazy("Shape"), choices=SHAPE_CHOICES)

    class Meta:
        model = Preset
        fields = ["name", "prefix", "suffix", "negative", "steps"]
        labels = {
            "name": gettext_lazy("Name"),
            "prefix": gettext_lazy("Before the prompt"),
            "suffix": gettext_lazy("After the prompt"),
            "negative": gettext_lazy("Negative prompt"),
            "steps": gettext_lazy("Steps"),
        }
        widgets = {"negative": TextBox(attrs={"rows": "2"})}
        error_messages = {"name": {"required": gettext_lazy("Give the preset a name.")}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["shape"] = self.instance.shape
        if self.instance.shape not in dict(SHAPE_CHOICES):  # made in the admin
            self.fields["shape"].choices = [(self.instance.shape, self.instance.shape), *SHAPE_CHOICES]  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        """Names are unique within a style."""
        name: str = self.cleaned_data["name"]
        others = Preset.objects.filter(style=self.instance.style, name=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(self._taken())
        return name

    def save(self, commit: bool = True) -> Preset:
        """Save with the size of the shape."""
        width, _x, height = self.cleaned_data["shape"].partition("x")
        self.instance.width, self.instance.height = int(width), int(height)
        return super().save(commit)

    def store(self) -> bool:
        """Save if valid. False if it is invalid, or somebody has just taken the name: see `errors`."""
        try:
            with transaction.atomic():
                return self.is_valid() and bool(self.save())
        except IntegrityError:
            self.add_error("name", self._taken())
            return False

    def _taken(self) -> str:
        words = gettext("%(style)s has a preset of this name. Choose another name.")
        return words % {"style": self.instance.style.title}


class ImportForm(StudioForm):
    """What to make of an imported LoRA file, prefilled from the file."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=80, error_messages={"required": gettext_lazy("Give the style a name.")}
    )
    kind = forms.ChoiceField(label=gettext_lazy("Type"), choices=kinds_in_order)
    style = forms.ModelChoiceField(
        label=gettext_lazy("Version of"), queryset=Style.objects.none(), required=False,
        empty_label=gettext_lazy("A new style"),
    )  # fmt: skip
    trigger_words = forms.CharField(
        label=gettext_lazy("Trigger words"), required=False, max_length=500,
        help_text=gettext_lazy("Separated by commas. Put in front of the prompt when the style is used."),
    )  # fmt: skip
    default_strength = strength_field(gettext_lazy("Default strength"), slider=True)
    licence = forms.CharField(
        label=gettext_lazy("Licence or source"), max_length=300,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Where did it come from?")}),
        error_messages={
            "required": gettext_lazy("Say where it came from, so the team knows if it may be used."),
        },
    )  # fmt: skip
    author = forms.CharField(label=gettext_lazy("Author"), required=False, max_length=200)
    notes = forms.CharField(
        label=gettext_lazy("Notes"), required=False, max_length=4000, widget=TextBox(attrs={"rows": 3})
    )
    same_name = forms.ChoiceField(
        label=gettext_lazy("A style has this name already"), required=False, widget=Ticks,
        choices=[
            ("version", gettext_lazy("This is a new version of it")), ("style", gettext_lazy("This is another style")),
        ],
    )  # fmt: skip
    is_style = forms.BooleanField(label=gettext_lazy("It is a style all the same"), required=False)
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
        self.good = behaviour_in_words(Behaviour.from_json(row.found.get("behaviour", {}))).good
        self.warnings = list(importing.warnings(row))
        self.question = importing.accelerator_question(row)
        self.uses = accelerating.uses_of(row)
        self.accelerating = accelerating.state(row)
        self.proposed = row.found.get("proposed", [])
        if wish.slider:
            widen(self, "default_strength")
        words = gettext("Import all %(number)s files of this training run as versions")
        self.fields["together"].label = words % {"number": len(self.epochs)}
        styles = Style.objects.visible_to(row.owner).filter(is_base=False, preview_only=importing.is_sketch(row))
        self.fields["style"].queryset = styles  # type: ignore[attr-defined]

    @property
    def namesake(self) -> Style | None:
        """The style that already has this name, unless another style was chosen."""
        if self["style"].value():
            return None
        return importing.namesake(str(self["name"].value() or ""), sketch=importing.is_sketch(self.row))

    def clean(self) -> dict[str, Any]:
        """The person decides about a style of the same name, and about a file that looks like an accelerator."""
        cleaned = super().clean() or self.cleaned_data
        if self.question and not cleaned.get("is_style"):
            self.add_error("is_style", gettext("Say that it is a style, or discard it."))
        if cleaned.get("name") and (taken := self.namesake):
            if not cleaned.get("same_name"):
                text = gettext("%(name)s exists. Say if this is a new version of it, or another style.")
                self.add_error("same_name", text % {"name": taken.title})
            elif cleaned["same_name"] == "version":
                cleaned["style"] = taken
        chosen = cleaned.get("style")
        if chosen and (misfit := importing.other_family(self.row, chosen)):
            self.add_error("same_name" if cleaned.get("same_name") else "style", misfit)
        return cleaned

    def save(self, user: User) -> list[StyleVersion]:
        """Make the version and, if wished, versions of the other files of the same training run."""
        values = {name: value for name, value in self.cleaned_data.items() if name not in _ASKED}
        together = self.cleaned_data["together"] and len(self.epochs) > 1
        self.rows = self.epochs if together else [self.row]
        return importing.confirm_all(self.rows, replace(importing.proposal(self.row), **values), user)


_ASKED = {"together", "same_name", "is_style"}
