"""The parts around the form "New pictures": picker, mix, trigger chips, final prompt, readiness."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.forms import BoundField
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from generation.engines import installs, roster
from generation.ordering import availability, forms, recipe_fields, references
from generation.ordering.asked_pictures import showing as asked_pictures
from generation.ordering.control_form import showing
from generation.ordering.control_form.fields import OFF
from generation.ordering.english_form import fields as english_fields
from generation.ordering.english_form.unread import unread
from generation.ordering.forms import OrderForm
from generation.ordering.orders import COLUMNS, Ingredient, Order, misfit_words, misfits
from generation.ordering.style_wishes import base_checkpoints, transparency
from generation.pictures import estimates
from generation.pictures.models import MOST_STYLES, GenerationTask, TaskStyle
from generation.pictures.prompts import Frame, final_parts, missing_triggers
from generation.recipes import registry
from generation.recipes.recipe import Field, Recipe
from generation.recipes.registry import DEFAULT
from styles.models import Preset, Style
from stylestudio import __version__
from stylestudio.templatetags.studio import about

# Newest tasks of a person that determine the recently used styles. Those that were taken over have no styles, and may
# be a million: so many are looked at, and no more.
LATELY = 200
RECENT = 4  # recently used styles at the top of the picker
FIRST = RECENT  # cards that come with the page; the others are fetched when they come into view or are searched


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
    safe_from: float | None
    safe_to: float | None
    shelf: str  # the heading above it, if a group starts with it
    family_title: str  # of a style that the chosen recipe makes no pictures with
    misfit: str  # and why it does not; both are "" if it does


@dataclass(frozen=True, slots=True)
class MixRow:
    """A row under "Styles in this picture"."""

    pk: int
    title: str
    version_number: int
    weight: float
    sheet_url: str
    triggers: list[str]
    safe_from: float | None
    safe_to: float | None
    where: str  # above or below the safe range, or inside
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class PresetChip:
    """A preset above the prompt. `pk` is None for one that the form uses but no chosen style has."""

    pk: int | None
    name: str
    style: str
    used: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A trigger phrase in the prompt box. Phrases already in the prompt are not shown."""

    pk: int
    phrase: str
    on: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why Generate would not work, with the field or page to fix it."""

    text: str
    href: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What will happen, in numbers, and which engine that waits for; or what has to be done first.

    `warnings` do not prevent generating.
    """

    lines: list[str]
    problems: list[Problem]
    wait: str = ""
    warnings: list[str] = field(default_factory=list)


def around(form: OrderForm) -> dict[str, Any]:
    """Everything the page shows around the form, for its current values."""
    values = {name: form[name].value() for name in form.fields}
    prompt = str(values["prompt"] or "")
    reference = references.of_ticket(values.get("reference_id"), form.user)
    if form.is_bound:
        form.is_valid()  # also of a form that comes back the picture is stored, and is not chosen again
        reference = form.cleaned_data.get("picture") or reference
    mix = form.mix
    styles = _choices(form.user, form.made_by, {ingredient.version.style_id for ingredient in mix})
    holds = str(values.get("control") or OFF) != OFF and form.made_by.control is not None
    frame = Frame(*(str(values[name] or "").strip() for name in ("before", "after", "preset")))
    in_english = english_fields.beside(form)
    read = english_fields.read_by(in_english, prompt)
    return {
        "form": form,
        "made_by": form.made_by,
        "is_advanced_open": any(
            _is_own(form[name], each) for name, each in form.made_by.fields.items() if each.advanced
        ),
        "examples": recipe_fields.examples(form.made_by) if reference else None,
        "is_muted": form.made_by.is_muted(values.get("cfg")),
        "main_fields": [form[name] for name, each in form.made_by.fields.items() if _is_main(name, each)],
        "more_fields": [
            form[name] for name, each in form.made_by.fields.items() if name not in COLUMNS and each.advanced
        ],
        "styles": styles,
        "first_styles": (first := [style for place, style in enumerate(styles) if place < FIRST or style.checked]),
        "other_styles": _other_styles(form.made_by, first, styles),
        "mix": [_mix_row(ingredient) for ingredient in mix],
        "unread": unread(prompt, form.made_by),
        "english": in_english,
        "cut_out_words": transparency.words(mix, str(values["cut_out_by"]), is_on=bool(values["cut_out"])),
        "chips": list(_chips(mix, frame.around(read))),
        "presets": _presets(form.user, mix, frame),
        "final_parts": final_parts(read, [phrase for one in mix for phrase in one.triggers], frame),
        "readiness": _beside_errors(
            form,
            readiness(
                form.user,
                form.made_by,
                mix,
                _whole(values["count"], 1),
                "x".join(map(str, form.sides or ())),
                _whole(values.get("steps"), form.made_by.defaults.get("steps", 1)),
                form.graph,
                holds=holds,
            ),
        ),
        **showing.shown(values, form.made_by, form.sides, reference, form.user),
        **references.shown(reference, form.user),
        **asked_pictures.shown(form, form.made_by, form.asked, form.user),
        "request_id": uuid.uuid4(),
    }


def _is_own(shown: BoundField, field: Field) -> bool:
    """Whether a setting is another than the usual one, or wrong: what holds it stays open."""
    return bool(shown.errors) or field.read(shown.value() or "") != field.default


def _is_main(name: str, field: Field) -> bool:
    """Whether a setting stands in the form itself. The strength of change stands beside the reference."""
    return not field.advanced and name != "denoise"


def _beside_errors(form: OrderForm, found: Readiness) -> Readiness:
    """Without the problems that the form says at their field."""
    return replace(found, problems=[each for each in found.problems if not each.field or each.field not in form.errors])


def other_styles(user: User, recipe: Recipe, shown: set[int]) -> list[StyleChoice]:
    """The cards of the picker that are not on the page yet, for pictures by a recipe."""
    return [style for style in _choices(user, recipe, set()) if style.pk not in shown]


def likeness(styles: Sequence[StyleChoice]) -> str:
    """A digest of what the cards of these styles show."""
    return hashlib.blake2b(repr((__version__, get_language(), styles)).encode(), digest_size=6).hexdigest()


def _other_styles(recipe: Recipe, first: Sequence[StyleChoice], styles: Sequence[StyleChoice]) -> str:
    """Where the other cards are; "" without any. Another address when they change, so that browsers may keep them."""
    others = [style for style in styles if style not in first]
    if not others:
        return ""
    shown = ",".join(str(style.pk) for style in first)
    asked = {"shown": shown, "like": likeness(others)} | ({"recipe": recipe.name} if recipe.name != DEFAULT else {})
    return f"{reverse('generation:other-styles')}?{urlencode(asked, safe=',')}"


def _choices(user: User, recipe: Recipe, chosen: set[int]) -> list[StyleChoice]:
    """The base style, what this person used last, then the rest by name."""
    sketched = roster.sketches()
    offered = list(forms.offered(user))
    recent = _recent(user, offered)
    offered.sort(key=lambda style: (not style.is_base, recent.index(style.pk) if style.pk in recent else RECENT))
    rest = next((style.pk for style in offered if not style.is_base and style.pk not in recent), 0)
    shelves = {rest: _("Other styles"), recent[0]: _("Recent")} if recent else {}
    choices = []
    for style in offered:
        version = style.version
        assert version is not None  # `offered` leaves out styles without a published version
        # The preview engine drew the base style's sheet; a real engine's base looks different.
        sheet = version.sheet.url if version.sheet and (sketched or not style.is_base) else ""
        misfit = misfit_words(recipe, style) if version.lora_name and style.family != recipe.family else ""
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
                safe_from=version.safe_from,
                safe_to=version.safe_to,
                shelf=shelves.get(style.pk, ""),
                family_title=style.family_title if misfit and not style.is_base else "",
                misfit="" if style.is_base else misfit,
            )
        )
    return choices


def _recent(user: User, offered: Iterable[Style]) -> list[int]:
    """Primary keys of the few styles that this person used last, the newest first."""
    newest = GenerationTask.objects.visible_to(user).filter(owner=user).values("pk")[:LATELY]
    rows = TaskStyle.objects.filter(task__in=newest).order_by("-task_id", "position")
    known = {style.pk for style in offered}
    used = dict.fromkeys(rows.values_list("version__style", flat=True))
    return [pk for pk in used if pk in known][:RECENT]


def _mix_row(ingredient: Ingredient) -> MixRow:
    version = ingredient.version
    sheet = version.sheet.url if version.sheet else ""
    return MixRow(
        pk=version.style_id,
        title=version.style.title,
        version_number=version.number,
        weight=ingredient.weight,
        sheet_url=sheet,
        triggers=version.triggers,
        safe_from=version.safe_from,
        safe_to=version.safe_to,
        where=version.side(ingredient.weight),
        least=version.strengths[0],
        most=version.strengths[1],
    )


def _presets(user: User, mix: Sequence[Ingredient], frame: Frame) -> list[PresetChip]:
    """Presets of the chosen styles in the order of the mix, else of the base style; always including the one in use."""
    of = {ingredient.version.style_id: place for place, ingredient in enumerate(mix)}
    seen = Preset.objects.visible_to(user)
    found = seen.filter(style__in=of) if mix else seen.filter(style__is_base=True)
    presets = sorted(found.select_related("style"), key=lambda preset: of.get(preset.style_id, 0))
    used = next((preset for preset in presets if frame.preset and preset.name == frame.preset), None)
    chips = [PresetChip(preset.pk, preset.name, preset.style.title, preset is used) for preset in presets]
    if used is None and frame.facts:
        chips.insert(0, PresetChip(None, frame.preset or _("Own words"), "", True))
    return chips


def _chips(mix: Iterable[Ingredient], prompt: str) -> Iterable[Chip]:
    for ingredient in mix:
        for phrase in missing_triggers(prompt, ingredient.version.triggers):
            yield Chip(ingredient.version.style_id, phrase, phrase not in ingredient.off)


def readiness(
    user: User,
    recipe: Recipe,
    mix: Iterable[Ingredient],
    count: int,
    shape: str,
    steps: int,
    mode: str,
    *,
    holds: bool = False,
) -> Readiness:
    """What pressing Generate will do: pictures, time, place in the queue; or which file or engine is missing."""
    mix = tuple(mix)
    order = Order(prompt="x", mix=mix, recipe=recipe)
    files = [(recipe.files[role].folder, name) for role, name in order.files().items()]
    files += [("loras", one.version.lora_name) for one in order.mix if one.version.lora_name]
    files += [("controlnet", registry.control_file(recipe))] if holds else []
    outlook = availability.outlook(files, installs.stored(one.version for one in mix))
    problems = [
        Problem(text, reverse("queue") + "#engines") for text in (*outlook.problems, *availability.unfit(recipe))
    ]
    if holds:
        problems = [*_with_source(problems, recipe)]
        problems += [Problem(text, reverse("queue") + "#engines") for text in availability.unfit_to_hold(recipe)]
    for each in misfits(recipe, mode, mix):
        problems.append(Problem(each.words, f"#{'mix' if each.field == 'style' else each.field}", each.field))
    if len(order.mix) > MOST_STYLES:
        problems.append(Problem(_("Choose at most %d styles.") % MOST_STYLES, "#mix", "style"))
    lines = [ngettext("%(count)d picture", "%(count)d pictures", count) % {"count": count}]
    width, _x, height = shape.partition("x")
    forecast = estimates.forecast_now()
    like = estimates.Like(recipe.name, mode, _whole(width, 1024) * _whole(height, 1024), steps)
    if (seconds := forecast.duration(count, like)) is not None:
        lines[0] += " · " + about(seconds)
    if "positive" in recipe.unused:
        lines.append(_("the prompt is only a name"))
    if not recipe.takes_size:
        lines.append(_("the recipe decides the size"))
    if own := base_checkpoints.chosen(mix):
        lines.append(own)
    if roster.preview_serves():
        lines.append(_("sketches, no GPU"))
    if ahead := forecast.ahead_of_new(user.pk):
        lines.append(ngettext("after %(count)d picture", "after %(count)d pictures", ahead) % {"count": ahead})
    return Readiness(lines, problems, outlook.wait, base_checkpoints.warnings(order))


def _with_source(problems: Iterable[Problem], recipe: Recipe) -> Iterable[Problem]:
    """The problems; one about the control model says where people get it."""
    assert recipe.control is not None  # the caller has checked
    file, name = recipe.control.file, registry.control_file(recipe)
    words = _("People get it from %(address)s (%(licence)s).") % {"address": file.source, "licence": file.licence}
    return [replace(each, text=f"{each.text} {words}") if name in each.text else each for each in problems]


def _whole(value: Any, default: int) -> int:
    """A typed number, for calculating; `default` if it is nonsense."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return default
    return number if abs(number) < 10**6 else default
