"""What stands around the form "New pictures": the picker, the mix, trigger chips, the final prompt, readiness."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation import engines, estimates, forms, needs, orders
from generation.forms import OrderForm, row_number
from generation.models import MOST_STYLES, Reference
from generation.orders import Ingredient, Order
from generation.prompts import final_parts, missing_triggers
from generation.shapes import SHAPES
from stylestudio.templatetags.studio import about

COUNTS = (1, 2, 4, 8, 12)


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


def around(form: OrderForm) -> dict[str, Any]:
    """Everything that the page shows around the form, for its present values."""
    values = {name: form[name].value() for name in form.fields}
    prompt = str(values["prompt"] or "")
    reference = Reference.objects.filter(pk=row_number(str(values["reference_id"] or "")) or 0).first()
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
        "samplers": forms.SAMPLERS,
        "schedulers": forms.SCHEDULERS,
    }


def _choices(user: User, chosen: set[int]) -> list[StyleChoice]:
    sketched = engines.preview_serves()
    choices = []
    for style in forms.offered(user):
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
    outlook = needs.outlook(files)
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
