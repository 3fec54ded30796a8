"""The form "New pictures", and what stands around it: the mix, trigger chips, the final prompt, readiness."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generation import engines, estimates, installs, needs, orders
from generation.models import MOST_PICTURES, MOST_SEED, MOST_STYLES, GenerationTask, Reference
from generation.orders import Ingredient, Order
from generation.prompts import final_parts, missing_triggers
from generation.references import add_reference
from generation.shapes import SHAPES, nearest
from styles.models import MAX_STRENGTH, Style
from stylestudio.images import BadPicture
from stylestudio.templatetags.studio import about

COUNTS = (1, 2, 4, 8, 12)
# What every ComfyUI offers; the engine checks again.
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "ddim", "lcm", "uni_pc")
SCHEDULERS = ("sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta")


class OrderForm(forms.Form):
    """What is asked for. Styles of the mix are read by `picked`: their fields are named after style numbers."""

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
    steps = forms.IntegerField(min_value=1, max_value=orders.MOST_STEPS, initial=orders.STEPS)
    cfg = forms.FloatField(min_value=0, max_value=orders.MOST_CFG, initial=orders.CFG)
    sampler = forms.ChoiceField(choices=[(name, name) for name in SAMPLERS], initial=orders.SAMPLER)
    scheduler = forms.ChoiceField(choices=[(name, name) for name in SCHEDULERS], initial=orders.SCHEDULER)
    style = forms.CharField(required=False)  # for what is wrong with the mix; its values are read by `picked`
    denoise = forms.FloatField(required=False, min_value=0.05, max_value=1.0, initial=orders.DENOISE)
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
        """A file that was sent along becomes a stored reference; image mode needs one."""
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
            denoise=data["denoise"] if data["denoise"] is not None else orders.DENOISE,
            reference=data["picture"],
            mix=tuple(self.mix),
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
        "denoise": order.denoise if order.reference else orders.DENOISE,
        "reference_id": order.reference.pk if order.reference else None,
        "mix": order.mix,
    }


def offered(user: User) -> list[Style]:
    """Styles that can be chosen now: sketch styles only while the preview engine serves."""
    styles = Style.objects.prefetch_related("versions").in_picker_order()
    if not engines.preview_serves():
        styles = styles.filter(preview_only=False)
    return [style for style in styles if style.version]


def picked(data: QueryDict | Mapping[str, Any], user: User) -> list[Ingredient]:
    """The mix of a posted form: chosen styles in the order of the mix, new ones last. The base style adds nothing."""
    if not isinstance(data, QueryDict):
        return []
    wanted = {_row(text) for text in data.getlist("style")}
    order = [_row(text) for text in data.getlist("order")]
    chosen = [style for style in offered(user) if style.pk in wanted and not style.is_base]
    chosen.sort(key=lambda style: order.index(style.pk) if style.pk in order else len(order))
    off = {pair.partition(":")[::2] for pair in data.getlist("off")}
    mix = []
    for style in chosen:
        version = style.version
        assert version is not None  # `offered` leaves out styles without a published version
        phrases = frozenset(phrase for pk, phrase in off if pk == str(style.pk))
        mix.append(Ingredient(version, _weight(data.get(f"weight-{style.pk}"), version.default_strength), phrases))
    return mix


def _weight(text: Any, default: float) -> float:
    try:
        weight = float(text)
    except (TypeError, ValueError):
        return default
    return round(min(max(weight, 0.0), MAX_STRENGTH), 2) if weight == weight else default


@dataclass(frozen=True, slots=True)
class StyleChoice:
    """A card of the picker."""

    pk: int
    slug: str
    title: str
    version_number: int
    kind: str
    kind_title: str
    default_strength: float
    sheet_url: str
    checked: bool
    is_base: bool
    preview_only: bool
    triggers: list[str]


@dataclass(frozen=True, slots=True)
class MixRow:
    """A row under "Styles in this picture"."""

    pk: int
    title: str
    version_number: int
    weight: float
    sheet_url: str
    triggers: list[str]


@dataclass(frozen=True, slots=True)
class Chip:
    """A trigger phrase in the prompt box. Phrases that the prompt already has are not shown."""

    pk: int
    phrase: str
    on: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why pressing Generate would not work, with the field or page that mends it."""

    text: str
    href: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What will happen, in numbers, and which engine that waits for; or what has to be done first."""

    lines: list[str]
    problems: list[Problem]
    wait: str = ""


def desk(form: OrderForm) -> dict[str, Any]:
    """Everything that the page shows around the form, for its present values."""
    values = {name: form[name].value() for name in form.fields}
    prompt = str(values["prompt"] or "")
    reference = Reference.objects.filter(pk=_row(str(values["reference_id"] or "")) or 0).first()
    if form.is_bound and form.is_valid() and form.cleaned_data["picture"]:
        reference = form.cleaned_data["picture"]
    mix = form.mix
    return {
        "form": form,
        "styles": _choices(form.user, {ingredient.version.style_id for ingredient in mix}),
        "mix": [_mix_row(ingredient) for ingredient in mix],
        "chips": list(_chips(mix, prompt)),
        "final_parts": final_parts(prompt, [phrase for one in mix for phrase in one.triggers]),
        "readiness": readiness(
            form.user,
            mix,
            _whole(values["count"], 1),
            str(values["shape"] or ""),
            _whole(values["steps"], orders.STEPS),
            str(values["mode"]),
        ),
        "reference": reference,
        "request_id": uuid.uuid4(),
        "shapes": SHAPES,
        "counts": sorted({*COUNTS, _whole(values["count"], COUNTS[0])}),
        "samplers": SAMPLERS,
        "schedulers": SCHEDULERS,
    }


def _choices(user: User, chosen: set[int]) -> list[StyleChoice]:
    sketched = engines.preview_serves()
    choices = []
    for style in offered(user):
        version = style.version
        assert version is not None  # `offered` leaves out styles without a published version
        # The base style's sheet was drawn by the preview engine; a real engine's base looks different.
        sheet = version.sheet.url if version.sheet and (sketched or not style.is_base) else ""
        choices.append(
            StyleChoice(
                pk=style.pk,
                slug=style.slug,
                title=style.title,
                version_number=version.number,
                kind=style.kind,
                kind_title=style.get_kind_display(),
                default_strength=version.default_strength,
                sheet_url=sheet,
                checked=style.pk in chosen,
                is_base=style.is_base,
                preview_only=style.preview_only,
                triggers=version.triggers,
            )
        )
    return choices


def _mix_row(ingredient: Ingredient) -> MixRow:
    version = ingredient.version
    sheet = version.sheet.url if version.sheet else ""
    return MixRow(version.style_id, version.style.title, version.number, ingredient.weight, sheet, version.triggers)


def _chips(mix: Iterable[Ingredient], prompt: str) -> Iterable[Chip]:
    for ingredient in mix:
        for phrase in missing_triggers(prompt, ingredient.version.triggers):
            yield Chip(ingredient.version.style_id, phrase, phrase not in ingredient.off)


def readiness(user: User, mix: Iterable[Ingredient], count: int, shape: str, steps: int, mode: str) -> Readiness:
    """What pressing Generate will do: pictures, time, place in the queue; or which file or engine is missing."""
    order = Order(prompt="x", mix=tuple(mix))
    checkpoint, lightning = order.files()
    files = [("checkpoints", checkpoint), ("loras", lightning)]
    files += [("loras", one.version.lora_name) for one in order.mix if one.version.lora_name]
    outlook = needs.outlook(files, installs.stored(one.version for one in order.mix))
    problems = [Problem(text, reverse("queue") + "#engines") for text in outlook.problems]
    if len(order.mix) > MOST_STYLES:
        problems.append(Problem(_("Choose at most %d styles.") % MOST_STYLES, "#mix", "style"))
    lines = [ngettext("%(count)d picture", "%(count)d pictures", count) % {"count": count}]
    width, _x, height = shape.partition("x")
    forecast = estimates.Forecast()
    like = estimates.Like(mode, _whole(width, 1024) * _whole(height, 1024), steps)
    if (seconds := forecast.duration(count, like)) is not None:
        lines[0] += " · " + about(seconds)
    if engines.preview_serves():
        lines.append(_("sketches, no GPU"))
    if ahead := forecast.ahead_of_new(user.pk):
        lines.append(
            ngettext("%(count)d picture before you", "%(count)d pictures before you", ahead) % {"count": ahead}
        )
    return Readiness(lines, problems, outlook.wait)


def _whole(value: Any, default: int) -> int:
    """A number as typed, for reckoning; nonsense is `default`."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return default
    return number if abs(number) < 10**6 else default


def _row(text: str) -> int | None:
    """The number of a row as forms send it; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def random_seed() -> int:
    """A fresh seed for the dice button."""
    return secrets.randbelow(orders.RANDOM_SEEDS)


def complain(form: OrderForm, error: ValidationError) -> None:
    """Show what `Order.check` found at the fields it concerns."""
    for name, messages in error.message_dict.items():
        form.add_error(name if name in form.fields else None, messages)


def explain(form: OrderForm, task: GenerationTask) -> None:
    """Show what the engine said of a failed job at the field it is about, where it is about one.

    The form was not sent yet: it shows this as it shows errors, and may be sent as it is.
    """
    if task.error_field in form.fields and not form.errors:
        form.cleaned_data = {}  # without it a form that was not sent takes no errors
        form.add_error(task.error_field, task.error or task.explanation)
