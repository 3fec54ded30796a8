"""The forms on which a workflow is added and shaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.ordering.references import add_reference
from generation.pictures.models import MOST_PROMPT, Reference
from generation.recipes import registry
from generation.recipes.own import building
from generation.recipes.own.building import OTHER, USES, Decision, Shape
from generation.recipes.own.importing import MOST_SUMMARY
from generation.recipes.own.looking import Spot, Workflow
from generation.recipes.own.usual_words import MOST_LABEL, picture_words, words_for
from generation.recipes.recipe import Recipe, Words
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import PICTURES, Choices, Line, TextBox
from stylestudio.images.decoding import BadPicture

USE_WORDS = {
    "positive": gettext_lazy("Prompt"),
    "negative": gettext_lazy("Negative prompt"),
    "seed": gettext_lazy("Seed"),
    "width": gettext_lazy("Width"),
    "height": gettext_lazy("Height"),
    "reference": gettext_lazy("Picture to start from"),
    "both": gettext_lazy("Picture to start from, and part to make anew"),
    "mask": gettext_lazy("Part to make anew"),
    "picture": gettext_lazy("A further picture"),
    "form": gettext_lazy("In the form"),
    "advanced": gettext_lazy("Under Advanced"),
    "fixed": gettext_lazy("Not in the form"),
}
LABELLED = ("negative", "form", "advanced", "picture")  # uses of which members read the label
VALUED = (*LABELLED, "fixed")  # uses of which the value is decided here
WIDE = {"autocomplete": "off"}


class AddForm(StudioForm):
    """A workflow, or an exported recipe."""

    workflow = forms.FileField(
        label=gettext_lazy("Workflow"),
        help_text=gettext_lazy("JSON from Workflow, Export (API) in ComfyUI, a picture that ComfyUI saved, or a recipe "
                               "that was exported here. Up to 10 MB."),
        widget=forms.FileInput({"class": "sr", "accept": f".json,application/json,{PICTURES}"}),
        error_messages={"required": gettext_lazy("Choose a file first."), "empty": gettext_lazy("The file is empty.")},
    )  # fmt: skip


class AboutForm(StudioForm):
    """What a recipe is called, where its picture comes from, and where styles go."""

    title_en = forms.CharField(label=gettext_lazy("Name in English"), max_length=MOST_LABEL, widget=Line(WIDE))
    title_zh = forms.CharField(
        label=gettext_lazy("Name in Chinese"),
        required=False,
        max_length=MOST_LABEL,
        widget=Line(WIDE),
        help_text=gettext_lazy("Leave it empty to use the English one."),
    )
    summary_en = forms.CharField(
        label=gettext_lazy("What it is good for, in English"),
        required=False,
        max_length=MOST_SUMMARY,
        widget=Line(WIDE),
    )
    summary_zh = forms.CharField(
        label=gettext_lazy("What it is good for, in Chinese"),
        required=False,
        max_length=MOST_SUMMARY,
        widget=Line(WIDE),
    )
    output = forms.ChoiceField(label=gettext_lazy("The picture comes from"), widget=Choices)
    styles = forms.ChoiceField(label=gettext_lazy("Styles go behind"), required=False, widget=Choices)
    family = forms.ChoiceField(
        label=gettext_lazy("Kind of model"),
        widget=Choices,
        help_text=gettext_lazy("Only styles of the same kind fit."),
    )

    def __init__(self, data: Any = None, *, flow: Workflow, shape: Shape) -> None:
        super().__init__(data, initial=_told(shape))
        self.flow = flow
        names = {key: _called(flow, key) for key in flow.outputs}
        _offer(self, "output", list(names.items()))
        self.slots = {
            _slot(slot): slot for key in flow.outputs for slot in flow.style_slots(building.needed(flow, key))
        }
        places = [(text, _called(flow, model[0])) for text, (model, _clip) in self.slots.items()]
        _offer(self, "styles", [("", _("Nowhere: it takes no styles")), *places])
        known = sorted({recipe.family for recipe in registry.shipped().values()} | {shape.family} - {OTHER})
        _offer(self, "family", [*((name, name.upper()) for name in known), (OTHER, _("Another one"))])

    def about(self) -> dict[str, Any]:
        """What was decided, as fields of a Shape."""
        data = self.cleaned_data
        return {
            "title": {"en": data["title_en"], "zh-hans": data["title_zh"] or data["title_en"]},
            "summary": {"en": data["summary_en"], "zh-hans": data["summary_zh"] or data["summary_en"]},
            "output": data["output"],
            "styles": self.slots.get(data["styles"]),
            "family": data["family"],
        }


def _told(shape: Shape) -> dict[str, Any]:
    return {
        "title_en": shape.title["en"],
        "title_zh": shape.title["zh-hans"],
        "summary_en": shape.summary["en"],
        "summary_zh": shape.summary["zh-hans"],
        "output": shape.output,
        "styles": _slot(shape.styles) if shape.styles else "",
        "family": shape.family,
    }


def _slot(slot: tuple[tuple[str, int], tuple[str, int]]) -> str:
    return " ".join(f"{node}:{number}" for node, number in slot)


def _called(flow: Workflow, key: str) -> str:
    node = flow.nodes[key]
    title = str(node.get("_meta", {}).get("title") or "")
    return f"{title} ({node['class_type']})" if title and title != node["class_type"] else node["class_type"]


def _offer(form: forms.Form, name: str, choices: Sequence[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


class FieldForm(StudioForm):
    """One value of a workflow: what becomes of it, and what it is called."""

    bare = ("use", "place")
    place = forms.IntegerField(label=gettext_lazy("Place"), min_value=1, max_value=1000)
    use = forms.ChoiceField(label=gettext_lazy("Use as"), widget=Choices)
    label_en = forms.CharField(
        label=gettext_lazy("Label in English"), required=False, max_length=MOST_LABEL, widget=Line(WIDE)
    )
    label_zh = forms.CharField(
        label=gettext_lazy("Label in Chinese"), required=False, max_length=MOST_LABEL, widget=Line(WIDE)
    )

    def __init__(self, data: Any = None, *, spot: Spot, decision: Decision, place: int) -> None:
        label = Words(decision.label["en"], decision.label["zh-hans"])
        initial: dict[str, Any] = {"place": place, "use": decision.use, "label_en": label.en, "label_zh": label.zh_hans}
        initial |= {"default": decision.default, "least": decision.least, "most": decision.most}
        super().__init__(data, prefix=prefix_of(spot.key), initial=initial)
        self.spot, self.decision = spot, decision
        _offer(self, "use", [(use, str(USE_WORDS[use])) for use in spot.uses or USES[spot.type]])
        if decision.use in VALUED and not spot.uses:
            self.fields |= _value_fields(spot)
        if decision.use not in LABELLED:
            del self.fields["label_en"], self.fields["label_zh"]

    @property
    def use_words(self) -> str:
        """What it is used as."""
        return str(USE_WORDS[self.decision.use])

    @property
    def has_wrong_details(self) -> bool:
        """Whether something is wrong with what is folded away."""
        return any(name not in self.bare for name in self.errors)

    @property
    def details(self) -> list[forms.BoundField]:
        """What is folded away: labels, and the fields of the value itself."""
        return [self[name] for name in self.fields if name not in self.bare]

    @property
    def has_value(self) -> bool:
        """Whether its value is decided here."""
        return "default" in self.fields

    @property
    def loses_mask(self) -> bool:
        """Whether the workflow takes a mask of a picture, which is empty as long as nobody paints one."""
        return "both" in self.spot.uses and self.decision.use != "both"

    def clean(self) -> dict[str, Any]:
        """Labels are needed where members read them; the usual value lies between the ends."""
        data = super().clean() or {}
        if "label_en" in self.fields and not data.get("label_en") and "label_en" not in self.errors:
            self.add_error("label_en", _("Say what it is called in the form."))
        least, value, most = (data.get(name) for name in ("least", "default", "most"))
        if None not in (least, value, most) and not least <= value <= most:  # type: ignore[operator]
            self.add_error("default", _("The usual value has to lie between the least and the most."))
        return data

    @property
    def is_changed(self) -> bool:
        """Whether the value is another one than in the workflow."""
        return bool(self.decided().default != self.spot.default)

    def decided(self) -> Decision:
        """What a valid form decides."""
        data, before = self.cleaned_data, self.decision
        label = dict(before.label)
        if data["use"] == "picture" != before.use:
            label = picture_words(self.spot)
        if "label_en" in data:
            label = {"en": data["label_en"], "zh-hans": data["label_zh"] or data["label_en"]}
        known = {name: data.get(name, getattr(before, name)) for name in ("default", "least", "most")}
        return Decision(before.at, data["use"], label, **known)


def _value_fields(spot: Spot) -> dict[str, forms.Field]:
    usual = gettext_lazy("Usual value")
    if spot.type == "text":
        box = TextBox({"rows": 2})
        return {
            "default": forms.CharField(label=usual, required=False, strip=False, max_length=MOST_PROMPT, widget=box)
        }
    if spot.type == "choice":
        return {"default": forms.ChoiceField(label=usual, choices=[(each, each) for each in spot.choices],
                                             widget=Choices)}  # fmt: skip
    if spot.type == "switch":
        ways = [("True", _("On")), ("False", _("Off"))]
        return {"default": forms.TypedChoiceField(label=usual, choices=ways, coerce=lambda text: text == "True",
                                                  widget=Choices)}  # fmt: skip
    # The usual value lies between the ends that are decided here, and not only between those of the engine.
    ends: dict[str, Any] = {"min_value": spot.lowest, "max_value": spot.highest}
    if spot.type == "integer":
        return {
            "default": forms.IntegerField(label=usual),
            "least": forms.IntegerField(label=_("Least"), **ends),
            "most": forms.IntegerField(label=_("Most"), **ends),
        }
    fine = {"step": "any"}
    return {
        "default": forms.FloatField(label=usual, widget=forms.NumberInput(fine)),
        "least": forms.FloatField(label=_("Least"), widget=forms.NumberInput(fine), **ends),
        "most": forms.FloatField(label=_("Most"), widget=forms.NumberInput(fine), **ends),
    }


def prefix_of(key: str) -> str:
    """What names of a value's fields begin with."""
    return f"f{hashlib.sha256(key.encode()).hexdigest()[:10]}"


class TryForm(StudioForm):
    """What a draft is tried with: words, and the pictures that its recipe asks for."""

    prompt = forms.CharField(label=gettext_lazy("Prompt"), required=False, max_length=MOST_PROMPT, widget=Line(WIDE))
    picture = forms.FileField(
        label=gettext_lazy("Picture to start from"), required=False, widget=forms.FileInput({"accept": PICTURES})
    )

    def __init__(self, data: Any = None, files: Any = None, *, recipe: Recipe) -> None:
        super().__init__(data, files, prefix="try")
        if "image" not in recipe.graphs:
            del self.fields["picture"]
        box = forms.FileInput({"accept": PICTURES})
        for name, each in recipe.pictures.items():
            self.fields[name] = forms.FileField(label=str(each.label), required=False, widget=box)

    def pictures(self, user: User) -> dict[str, Reference]:
        """Those of a valid form, stored, by name. Raises BadPicture if one is missing or cannot be used."""
        wanted = [name for name in self.fields if name != "prompt"]
        if missing := [str(self.fields[name].label) for name in wanted if not self.cleaned_data[name]]:
            raise BadPicture(_("Choose a picture to try it with: %s.") % ", ".join(missing))
        return {name: add_reference(self.cleaned_data[name], user) for name in wanted}


class Shaping:
    """All forms of the page of a draft, unsent or with what was sent."""

    def __init__(self, flow: Workflow, shape: Shape, data: Mapping[str, Any] | None = None) -> None:
        self.flow, self.shape = flow, shape
        self.about = AboutForm(data, flow=flow, shape=shape)
        output = str(self.about["output"].value() or shape.output)
        spots = flow.spots(building.needed(flow, output if output in flow.outputs else shape.output))
        self.spots = {spot.key: spot for spot in spots}
        known = {each.at: each for each in shape.fields if each.at in self.spots}
        if data is not None:
            sent = [spot for spot in spots if f"{prefix_of(spot.key)}-use" in data and spot.key not in known]
            known |= {spot.key: _as_it_is(spot) for spot in sent}
        self.rows = [
            FieldForm(data, spot=self.spots[key], decision=each, place=place)
            for place, (key, each) in enumerate(known.items(), 1)
            if data is None or f"{prefix_of(key)}-use" in data
        ]

    @property
    def others(self) -> list[Spot]:
        """Values that are in no row, and may be."""
        shown = {row.spot.key for row in self.rows}
        return [spot for spot in self.spots.values() if spot.key not in shown and spot.is_offered]

    def is_valid(self) -> bool:
        """Whether all that was sent makes sense by itself."""
        return all([self.about.is_valid(), *(row.is_valid() for row in self.rows)])

    def decided(self) -> Shape:
        """The shape of valid forms. What is not in the form any more has no row from then on."""
        rows = sorted(self.rows, key=lambda row: row.cleaned_data["place"])
        fields = tuple(each for row in rows if (each := row.decided()).use != "fixed" or row.is_changed)
        return Shape(**self.about.about(), fields=fields)


def _as_it_is(spot: Spot) -> Decision:
    return Decision(spot.key, "fixed", words_for(spot), spot.default, spot.least, spot.most)
