"""The form "New pictures": the order and the mix of styles."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines import roster
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.ordering.references import add_reference
from generation.pictures import graphs
from generation.pictures.models import MOST_PICTURES, MOST_SEED, MOST_STYLES, GenerationTask, Reference
from generation.pictures.prompts import Frame
from generation.pictures.shapes import SHAPES, nearest
from styles.for_engines import USUAL_STRENGTHS
from styles.models import MOST_NAME, MOST_WORDS, Preset, Style
from stylestudio.images.decoding import BadPicture

# What every ComfyUI offers; the engine validates them again.
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "ddim", "lcm", "uni_pc")
SCHEDULERS = ("sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta")


class OrderForm(forms.Form):
    """The order. `picked` reads the styles of the mix, because their fields are named after style numbers."""

    mode = forms.ChoiceField(choices=GenerationTask.Mode.choices, initial=GenerationTask.Mode.TEXT)
    prompt = forms.CharField(
        max_length=4000, error_messages={"required": gettext_lazy("Say what should be in the picture.")}
    )
    negative = forms.CharField(required=False, max_length=4000)
    shape = forms.ChoiceField(choices=[(shape.value, shape.label) for shape in SHAPES], initial=SHAPES[0].value)
    count = forms.IntegerField(min_value=1, max_value=MOST_PICTURES, initial=4)
    seed = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_SEED,
        error_messages={"invalid": gettext_lazy("A seed is a whole number. Leave it empty for a random one.")},
    )
    steps = forms.IntegerField(min_value=1, max_value=orders.MOST_STEPS, initial=graphs.STEPS)
    cfg = forms.FloatField(min_value=0, max_value=orders.MOST_CFG, initial=graphs.CFG)
    sampler = forms.ChoiceField(choices=[(name, name) for name in SAMPLERS], initial=graphs.SAMPLER)
    scheduler = forms.ChoiceField(choices=[(name, name) for name in SCHEDULERS], initial=graphs.SCHEDULER)
    style = forms.CharField(required=False)  # for errors of the mix; `picked` reads its values
    denoise = forms.FloatField(required=False, min_value=0.05, max_value=1.0, initial=graphs.DENOISE)
    preset = forms.CharField(required=False, max_length=MOST_NAME)
    before = forms.CharField(required=False, max_length=MOST_WORDS)
    after = forms.CharField(required=False, max_length=MOST_WORDS)
    reference = forms.FileField(required=False)
    reference_id = forms.IntegerField(required=False)
    request_id = forms.UUIDField(required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.mix: list[Ingredient] = (
            picked(self.data, user) if self.is_bound else list(kwargs.get("initial", {}).get("mix", ()))
        )

    def clean(self) -> dict[str, Any]:
        """Store an uploaded file as a reference; image mode needs one."""
        cleaned = super().clean() or {}
        cleaned["picture"] = None
        if cleaned.get("mode") == GenerationTask.Mode.IMAGE and "reference" not in self.errors:
            cleaned["picture"] = self._reference(cleaned)
        if len(self.mix) > MOST_STYLES:
            self.add_error(None, _("Choose at most %d styles.") % MOST_STYLES)
        return cleaned

    def _reference(self, cleaned: dict[str, Any]) -> Reference | None:
        if cleaned.get("reference"):
            try:
                return add_reference(cleaned["reference"], self.user)
            except BadPicture as error:
                self.add_error("reference", str(error))
                return None
        found = Reference.objects.filter(pk=cleaned.get("reference_id") or 0).first()
        if found is None:
            self.add_error("reference", _("Choose a picture to start from."))
        return found

    def order(self) -> Order:
        """The order of a valid form."""
        data = self.cleaned_data
        shape = next(shape for shape in SHAPES if shape.value == data["shape"])
        return Order(
            prompt=data["prompt"],
            negative=data["negative"],
            width=shape.width,
            height=shape.height,
            count=data["count"],
            seed=data["seed"],
            steps=data["steps"],
            cfg=data["cfg"],
            sampler=data["sampler"],
            scheduler=data["scheduler"],
            denoise=data["denoise"] if data["denoise"] is not None else graphs.DENOISE,
            reference=data["picture"],
            mix=tuple(self.mix),
            frame=Frame(data["before"], data["after"], data["preset"]),
        )


def initial_of(order: Order) -> dict[str, Any]:
    """The form's values for an order: what is absent there is absent here too."""
    return {
        "mode": order.mode,
        "prompt": order.prompt,
        "negative": order.negative,
        "shape": nearest(order.width, order.height).value,
        "count": order.count,
        "seed": order.seed,
        "steps": order.steps,
        "cfg": order.cfg,
        "sampler": order.sampler,
        "scheduler": order.scheduler,
        "denoise": order.denoise if order.reference else graphs.DENOISE,
        "reference_id": order.reference.pk if order.reference else None,
        "mix": order.mix,
        "before": order.frame.prefix,
        "after": order.frame.suffix,
        "preset": order.frame.preset,
    }


def preset_values(preset: Preset) -> dict[str, str]:
    """The form values that a preset fills in. An empty negative prompt leaves the current one."""
    values = {
        "preset": preset.name,
        "before": preset.prefix,
        "after": preset.suffix,
        "shape": nearest(preset.width, preset.height).value,
        "steps": str(preset.steps),
    }
    return values | {"negative": preset.negative} if preset.negative else values


def offered(user: User) -> list[Style]:
    """Styles that can be chosen now: sketch styles only while the preview engine serves."""
    styles = Style.objects.visible_to(user).prefetch_related("versions").in_picker_order()
    if not roster.preview_serves():
        styles = styles.filter(preview_only=False)
    return [style for style in styles if style.version]


def picked(data: QueryDict | Mapping[str, Any], user: User) -> list[Ingredient]:
    """The mix of a posted form: chosen styles in the order of the mix, new ones last. The base style adds nothing."""
    if not isinstance(data, QueryDict):
        return []
    wanted = {row_number(text) for text in data.getlist("style")}
    order = [row_number(text) for text in data.getlist("order")]
    chosen = [style for style in offered(user) if style.pk in wanted and not style.is_base]
    chosen.sort(key=lambda style: order.index(style.pk) if style.pk in order else len(order))
    off = {pair.partition(":")[::2] for pair in data.getlist("off")}
    mix = []
    for style in chosen:
        version = style.version
        assert version is not None  # `offered` leaves out styles without a published version
        phrases = frozenset(phrase for pk, phrase in off if pk == str(style.pk))
        weight = _weight(data.get(f"weight-{style.pk}"), version.default_strength, version.strengths)
        mix.append(Ingredient(version, weight, phrases))
    return mix


def _weight(text: Any, default: float, strengths: tuple[float, float] = USUAL_STRENGTHS) -> float:
    try:
        weight = float(text)
    except (TypeError, ValueError):
        return default
    low, high = strengths
    return round(min(max(weight, low), high), 2) if weight == weight else default


def row_number(text: str) -> int | None:
    """A primary key from a form; None if the text is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def random_seed() -> int:
    """A fresh seed for the dice button."""
    return secrets.randbelow(orders.RANDOM_SEEDS)


def complain(form: OrderForm, error: ValidationError) -> None:
    """Show why an order was not placed, at the fields concerned, else above the button."""
    wrong: dict[str, list[ValidationError]] = error.update_error_dict({})
    for name, messages in wrong.items():
        form.add_error(name if name in form.fields else None, messages)


def explain(form: OrderForm, task: GenerationTask) -> None:
    """Show the engine's message about a failed job at the form field it is about, if it is about one.

    The form has not been sent yet: it shows the message as an error, and may be sent as it is.
    """
    if task.error_field in form.fields and not form.errors:
        form.cleaned_data = {}  # an unbound form needs this to accept errors
        form.add_error(task.error_field, task.error or task.explanation)
