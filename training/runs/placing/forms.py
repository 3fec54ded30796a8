"""The form of a new training."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings as conf
from django.contrib.auth.models import User
from django.core.validators import MaxLengthValidator
from django.db.models import Q
from django.forms.boundfield import BoundWidget
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.engines import roster
from generation.pictures.models import MOST_SEED
from styles.lora import Family
from styles.models import Style, StyleQuerySet
from stylestudio.edge.page_memory import once_a_page
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Segments
from training.datasets import queries
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters
from training.runs.models import TrainingJob
from training.runs.placing import form_outlook, place_run
from training.runs.placing.settings_form import SettingsForm

NEW_STYLE = "new"
MOST_PROBE = 500  # characters of a test prompt
MOST_CARDS = 24  # datasets that are shown with a picture


def trainable(user: User) -> StyleQuerySet:
    """Styles that `user` can train a version of: sketches while the preview engine serves, else the others."""
    styles = Style.objects.visible_to(user).filter(is_base=False)
    if roster.preview_serves():
        learned = Q(trainings__isnull=False) | Q(versions__family=Family.SKETCH)
        return styles.filter(learned, preview_only=True).distinct().order_by("name")
    return styles.filter(preview_only=False, family=Family.SDXL).order_by("name")


@once_a_page
def offered(user: User) -> list[Dataset]:
    """The datasets that `user` can train on, most recently changed first."""
    return list(Dataset.objects.visible_to(user).select_related("style", "owner"))


def style_of(dataset: Dataset, user: User) -> Style | None:
    """The style a training on this dataset probably adds a version to: its own, else that of the last training."""
    if dataset.style:
        return dataset.style
    runs = TrainingJob.objects.visible_to(user).filter(snapshot__dataset=dataset, style__in=trainable(user))
    last = runs.select_related("style").order_by("-pk").first()
    return last.style if last else None


def proposed(dataset: Dataset, user: User) -> dict[str, str]:
    """What the form proposes for a dataset: a new version of the style it was used for, else a style of its name."""
    style = style_of(dataset, user)
    return {
        "style": style.slug if style else NEW_STYLE,
        "style_name": dataset.name,
        "trigger_words": dataset.trigger_words,
    }


def _whole(data: Any) -> Any:
    """What was sent, with the usual where nothing was chosen."""
    usual = {"preset": parameters.DEFAULT_PRESET, "trainer": known_trainers.usual().name, "base": conf.CHECKPOINT}
    whole = data.copy()
    for name, value in usual.items():
        whole[name] = whole.get(name) or value
    return whole


def belonging(preset: str, trainer: str, dataset: str) -> str:
    """A key of what the settings on the page belong to: see `TrainingForm`."""
    return f"{preset} {trainer} {dataset}".strip()


class ProbesInput(forms.Widget):
    """Lines for test prompts. None where the page does not send any."""

    template_name = "training/runs/_probes_input.html"
    use_fieldset = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str] | None:
        """What stands in the lines."""
        if name not in data and "shown" not in data:
            return None
        typed = data.getlist(name) if isinstance(data, QueryDict) else data.get(name, [])
        return [" ".join(str(text).split()) for text in typed][: place_run.MOST_PROBES]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With as many lines as there may be prompts."""
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"] |= {"class": "in", "maxlength": MOST_PROBE}
        context["widget"]["attrs"].pop("id", None)
        return {**context, "lines": [*value, *[""] * (place_run.MOST_PROBES - len(value))]}


class ProbesField(forms.Field):
    """Test prompts; at first those that curators keep for previews."""

    widget = ProbesInput

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, else the usual ones."""
        return [prompt for prompt, _seed in place_run.usual_probes()] if data is None else data

    def validate(self, value: Any) -> None:
        """Each as long as a prompt of a preview may be."""
        for text in value or ():
            MaxLengthValidator(MOST_PROBE)(text)


class TrainingForm(StudioForm):
    """Dataset, style, preset, settings and test prompts.

    `shown` names the preset, trainer and dataset that the settings on the page belong to. If the submitted ones differ,
    somebody chose another preset, so its settings replace those on the page.
    """

    joint = "-"

    dataset = forms.TypedChoiceField(
        label=_("Dataset"), widget=Segments, error_messages={"required": _("Choose a dataset.")}
    )
    style = forms.CharField(label=_("Save as"), required=False, widget=forms.Select)
    style_name = forms.CharField(label=_("Name of the new style"), max_length=80, required=False)
    trigger_words = forms.CharField(label=_("Trigger words"), max_length=200, required=False)
    trainer = forms.ChoiceField(
        label=_("Trainer"),
        choices=known_trainers.choices,
        required=False,
        widget=Segments(full=False, hidden_legend=True),
    )
    preset = forms.ChoiceField(label=_("Preset"), required=False, widget=Segments)
    base = forms.CharField(
        label=_("Base checkpoint"),
        max_length=255,
        required=False,
        widget=forms.TextInput({"list": "bases"}),
        help_text=_(
            "Trainings are for SDXL only. Train on SDXL base, never on a Lightning checkpoint: the style is used with "
            "Lightning afterwards."
        ),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        min_value=0,
        max_value=MOST_SEED,
        required=False,
        widget=forms.TextInput({"id": "run-seed", "inputmode": "numeric", "placeholder": _("random")}),
    )
    probe = ProbesField(label=_("Test prompts"), required=False)
    request_id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(_whole(data), auto_id="%s")
        self.user = user
        self.datasets = offered(user)
        self.trainable = list(trainable(user))
        by_number = {str(each.pk): each for each in self.datasets}
        field = self.fields["dataset"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [(number, each.name) for number, each in by_number.items()]
        field.coerce = by_number.__getitem__
        preset, style = self.fields["preset"], self.fields["style"].widget
        assert isinstance(preset, forms.ChoiceField) and isinstance(style, forms.Select)
        preset.choices = [(each.name, each.label) for each in parameters.PRESETS.values()]
        words = gettext("%(name)s, a new version")
        versions = [(each.slug, words % {"name": each.title}) for each in self.trainable]
        style.choices = [(NEW_STYLE, gettext("A new style")), *versions]

    def raw(self, name: str) -> str:
        """A field's current raw value."""
        return str(self.data.get(name) or "").strip()

    @cached_property
    def chosen_dataset(self) -> Dataset | None:
        """The dataset chosen now."""
        return next((each for each in self.datasets if str(each.pk) == self.raw("dataset")), None)

    @property
    def chosen_trainer(self) -> str:
        """The trainer chosen now."""
        wanted = self.raw("trainer")
        return wanted if wanted in known_trainers.choices() else known_trainers.usual().name

    @property
    def chosen_preset(self) -> str:
        """The preset chosen now."""
        return self.raw("preset") if self.raw("preset") in parameters.PRESETS else parameters.DEFAULT_PRESET

    @property
    def chosen_base(self) -> str:
        """The base checkpoint typed now, else the studio's."""
        return self.raw("base") or conf.CHECKPOINT

    @property
    def belongs_to(self) -> str:
        """What the settings on the page should belong to."""
        return belonging(self.chosen_preset, self.chosen_trainer, self.raw("dataset"))

    def follow_dataset(self) -> bool:
        """If another dataset was chosen, propose what fits it wherever nothing else was typed; whether it was."""
        shown = self.raw("shown").rpartition(" ")[2]
        before = next((each for each in self.datasets if str(each.pk) == shown), None)
        chosen = self.chosen_dataset
        if before is None or chosen is None or before == chosen:
            return False
        usual = proposed(before, self.user)
        typed: Any = self.data  # a copy of what was sent, see `_whole`
        for name, value in proposed(chosen, self.user).items():
            if self.raw(name) in ("", usual[name]):
                typed[name] = value
        return True

    @cached_property
    def values(self) -> dict[str, Any]:
        """Settings by name: as typed, or those of the preset that was just chosen."""
        names = known_trainers.named(self.chosen_trainer).settings
        if self.raw("shown") != self.belongs_to:
            dataset = self.chosen_dataset
            pictures = queries.included(dataset).pictures if dataset else 0
            return parameters.preset_values(self.chosen_preset, self.chosen_trainer, pictures)
        return {name: self.data.get(f"set-{name}", "") for name in names}

    @cached_property
    def outlook(self) -> form_outlook.Outlook:
        """What would happen with the form's current values."""
        return form_outlook.outlook(
            self.chosen_dataset,
            self.chosen_trainer,
            self.chosen_preset,
            self.values,
            self.chosen_base,
            probes=len([prompt for prompt in self.probes if prompt]),
            left_out=self.left_out,
        )

    @property
    def left_out(self) -> frozenset[int]:
        """Pictures that somebody chose to leave out: those shown as unfit when the box was ticked."""
        return frozenset(int(key) for key in self.raw("leave_out").split() if key.isdigit() and len(key) < 19)

    @cached_property
    def settings(self) -> SettingsForm:
        """The settings as the page shows them."""
        return SettingsForm(self.chosen_trainer, self.values, typed=self.raw("shown") == self.belongs_to)

    @property
    def preset_cards(self) -> list[tuple[parameters.Preset, BoundWidget]]:
        """The presets, each with its button."""
        return list(zip(parameters.PRESETS.values(), self["preset"].subwidgets, strict=True))

    @cached_property
    def near_datasets(self) -> list[Dataset]:
        """The datasets that are shown with their pictures: the most recently changed ones, and before them the chosen
        one if it is none of them.
        """
        near = self.datasets[:MOST_CARDS]
        chosen = self.chosen_dataset
        return near if chosen is None or chosen in near else [chosen, *near]

    @cached_property
    def further_datasets(self) -> list[Dataset]:
        """All others, most recently changed first."""
        near = {each.pk for each in self.near_datasets}
        return [each for each in self.datasets if each.pk not in near]

    def dataset_cards(self, cards: Iterable[Any]) -> list[tuple[Any, BoundWidget]]:
        """What the shelf tells of the datasets that can be chosen, each with its button."""
        buttons = {str(button.data["value"]): button for button in self["dataset"].subwidgets}
        return [(card, buttons[str(card.dataset.pk)]) for card in cards]

    def point_at_mistake(self) -> None:
        """Put the cursor into the first field that is wrong."""
        if name := next((name for name in ("style_name", "seed") if name in self.errors), None):
            self.fields[name].widget.attrs["autofocus"] = True

    @property
    def probes(self) -> list[str]:
        """Test prompts as typed; initially the curators' probe prompts."""
        lines: list[str] = self["probe"].value()
        return lines

    def clean(self) -> dict[str, Any]:
        """A new style needs a name. Errors of settings are shown by their rows and by `form_outlook.outlook`."""
        cleaned = super().clean() or {}
        if not self._style() and not self.raw("style_name"):
            self.add_error("style_name", _("Say what the new style is called."))
        elif not self._style() and (taken := self._called(self.raw("style_name"))):
            text = gettext(
                "%(name)s exists. Choose it under “Save as” for a new version, or give the new style another name."
            )
            self.add_error("style_name", text % {"name": taken.title})
        return cleaned

    def _style(self) -> Style | None:
        slug = self.raw("style")
        return next((each for each in self.trainable if each.slug == slug), None) if slug != NEW_STYLE else None

    def _called(self, name: str) -> Style | None:
        return next((each for each in self.trainable if each.name.casefold() == name.casefold()), None)

    def start(self, request_id: uuid.UUID | None = None) -> TrainingJob:
        """Order the training. Call it only if valid; it may still raise ValidationError.

        The same `request_id` twice makes one training.
        """
        data = self.cleaned_data
        seeds = dict(place_run.usual_probes())
        prompts = [prompt for prompt in self.probes if prompt]
        return place_run.start(
            place_run.Plan(
                dataset=data["dataset"],
                style=self._style() or data["style_name"],
                trainer=self.chosen_trainer,
                preset=self.chosen_preset,
                values=self.values,
                trigger_words=" ".join(data["trigger_words"].split()),
                base=self.chosen_base,
                seed=data["seed"],
                probes=[(prompt, seeds.get(prompt, 11 + place)) for place, prompt in enumerate(prompts)],
                left_out=self.left_out,
            ),
            self.user,
            request_id,
        )
