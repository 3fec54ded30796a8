"""Filling the form from the settings of a picture, wherever it was made, and saying what cannot be done here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext as _

from generation.ordering import forms
from generation.ordering.orders import Ingredient, Order
from generation.ordering.style_wishes import base_checkpoints, transparency
from generation.pictures import shapes
from generation.pictures.models import MOST_PROMPT, MOST_SEED, MOST_STYLES
from generation.pictures.shapes import nearest, size_text
from generation.recipes import registry
from generation.recipes.recipe import Field, Recipe
from styles.models import Style, StyleVersion
from stylestudio.picture_settings.settings import PictureSettings, Trouble, UsedLora, stem

LEAST_DIGEST = 8  # characters of a hash by which a file is known
READ = {"steps", "cfg", "sampler", "scheduler"}  # settings that files tell
FEW_STEPS = 8  # that LoRAs for few steps are made for


@dataclass(slots=True)
class Honoured:
    """The form's initial values, and a sentence for everything that is different here."""

    values: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def honour(found: PictureSettings, user: User) -> Honoured:
    """The form's values for a picture with these settings, as near to them as this studio comes."""
    recipe = _recipe(found)
    made = Honoured({"mode": "text", "count": 1, "recipe": recipe.name, "cut_out_by": transparency.OWN})
    _words(found, made)
    _numbers(found, recipe, made)
    _names(found, recipe, made)
    _size(found, recipe, made)
    mix = _mix(found, user, made)
    _files(found, recipe, mix, made)
    made.said += _beyond(found, recipe)
    return made


def _recipe(found: PictureSettings) -> Recipe:
    """The recipe that comes nearest: the one with the accelerator that the picture was made with; for many steps one
    without an accelerator; else the default one.
    """
    used = {lora.stem for lora in found.loras}
    able = [recipe for recipe in registry.shipped().values() if recipe.fields.keys() >= READ]
    quick = {recipe.name: registry.files_of(recipe).get("accelerator", "") for recipe in able}
    named = next((name for name, file in quick.items() if file and stem(file) in used), "")
    if not named and (found.steps or 0) > FEW_STEPS:
        named = next((name for name, file in quick.items() if not file), "")
    return registry.named(named)


def _words(found: PictureSettings, made: Honoured) -> None:
    for name, text in (("prompt", found.prompt), ("negative", found.negative)):
        made.values[name] = text[:MOST_PROMPT]
        if len(text) > MOST_PROMPT:
            made.said.append(_("The prompt is longer than %d characters, so its end is missing.") % MOST_PROMPT)


def _numbers(found: PictureSettings, recipe: Recipe, made: Honoured) -> None:
    made.values["seed"] = found.seed
    if found.seed is not None and found.seed > MOST_SEED:
        made.values["seed"] = None
        made.said.append(_("The seed %d is larger than seeds are here, so it is a random one.") % found.seed)
    steps, cfg = (recipe.fields[name] for name in ("steps", "cfg"))
    if found.clip_skip and "clip_skip" in recipe.fields:
        made.values["clip_skip"] = min(found.clip_skip, _most(recipe.fields["clip_skip"]))
    made.values["steps"] = min(found.steps or steps.default, _most(steps))
    if found.steps and found.steps > _most(steps):
        text = _("It was made with %(its)d steps. The most here is %(most)d.")
        made.said.append(text % {"its": found.steps, "most": _most(steps)})
    its = cfg.default if found.cfg is None else found.cfg
    made.values["cfg"] = min(its, _most(cfg))
    if its > _most(cfg):
        text = _("It was made with cfg %(its)g. The most here is %(most)g.")
        made.said.append(text % {"its": its, "most": _most(cfg)})


def _most(field: Field) -> float:
    assert field.most is not None  # a number
    return field.most


def _names(found: PictureSettings, recipe: Recipe, made: Honoured) -> None:
    """Sampler and scheduler. ComfyUI's variants that draw their noise on the GPU are told apart by the name alone."""
    sampler = found.sampler.removesuffix("_gpu")
    samplers, schedulers = (recipe.fields[name] for name in ("sampler", "scheduler"))
    made.values["sampler"] = sampler if sampler in samplers.choices else samplers.default
    if found.sampler and found.sampler != made.values["sampler"]:
        text = _("Its sampler %(its)s is not offered here; this one takes %(ours)s.")
        made.said.append(text % {"its": found.sampler, "ours": made.values["sampler"]})
    usual = schedulers.default if not found.sampler else "normal"
    made.values["scheduler"] = found.scheduler if found.scheduler in schedulers.choices else usual
    if found.scheduler and found.scheduler != made.values["scheduler"]:
        text = _("Its scheduler %(its)s is not offered here; this one takes %(ours)s.")
        made.said.append(text % {"its": found.scheduler, "ours": made.values["scheduler"]})


def _size(found: PictureSettings, recipe: Recipe, made: Honoured) -> None:
    if not (found.width and found.height):
        return
    shape = nearest(found.width, found.height, shapes.of(recipe.shapes))
    made.values["shape"] = shape.value
    if (shape.width, shape.height) != (found.width, found.height):
        text = _("It was made at %(its)s. The nearest shape here is %(ours)s.")
        made.said.append(text % {"its": size_text(found.width, found.height), "ours": shape.label})


# --- Styles


def _mix(found: PictureSettings, user: User, made: Honoured) -> list[Ingredient]:
    """The styles whose files the picture was made with, each in its current version."""
    styles = {style.pk: style for style in forms.offered(user) if style.version and not style.is_base}
    accelerators = {stem(name) for name in registry.lora_names()}
    mix: dict[int, Ingredient] = {}
    for lora in found.loras:
        if lora.stem in accelerators:
            continue  # part of its recipe
        version = _version_of(lora, styles)
        if version is None:
            made.said.append(_("The LoRA %s is not a style of this studio, so it is left out.") % lora.name)
        elif len(mix) == MOST_STYLES:
            made.said.append(_("Only %(most)d styles go into one picture; %(name)s is left out.")
                             % {"most": MOST_STYLES, "name": lora.name})  # fmt: skip
        elif version.style_id not in mix:
            mix[version.style_id] = _ingredient(lora, version, styles[version.style_id], made)
    chosen = list(mix.values())
    made.values["mix"] = chosen
    return chosen


def _version_of(lora: UsedLora, styles: dict[int, Style]) -> StyleVersion | None:
    """The version with this file: by a hash, by the name of its file, by the name of its style; the newest of several.

    A1111 writes the beginning of the hash of the tensors, Fooocus that of the file, SwarmUI the first one whole.
    """
    versions = StyleVersion.objects.filter(style__in=styles).order_by("-number")
    digest = lora.digest.lower().removeprefix("0x")
    if len(digest) >= LEAST_DIGEST and digest.isalnum():
        same = Q(sha256__startswith=digest) | Q(tensor_sha256__startswith=digest)
        if version := versions.filter(same).first():
            return version
    named = versions.filter(lora_name__icontains=lora.stem)[:200] if lora.stem else ()
    if version := next((each for each in named if stem(each.lora_name) == lora.stem), None):
        return version
    alike = (style for style in styles.values() if lora.stem in {style.slug, style.title.lower()})
    return next((style.version for style in alike), None)


def _ingredient(lora: UsedLora, version: StyleVersion, style: Style, made: Honoured) -> Ingredient:
    current = style.version
    assert current is not None  # styles without one are not offered
    if version.number != current.number:
        text = _("It was made with version %(its)d of %(style)s. Here it is version %(ours)d.")
        made.said.append(text % {"its": version.number, "style": style.title, "ours": current.number})
    low, high = current.strengths
    weight = current.default_strength if lora.weight is None else lora.weight
    if not low <= weight <= high:
        text = _("%(style)s had the weight %(its)g. Here weights go from %(low)g to %(high)g.")
        made.said.append(text % {"style": style.title, "its": weight, "low": low, "high": high})
    return Ingredient(current, round(min(max(weight, low), high), 2))


# --- What the studio decides itself


def _files(found: PictureSettings, recipe: Recipe, mix: list[Ingredient], made: Honoured) -> None:
    checkpoint = Order(prompt="x", mix=mix, recipe=recipe).files().get("checkpoint", "")
    if found.checkpoint and base_checkpoints.differ(found.checkpoint, checkpoint):
        text = _("It was made with %(its)s. Here pictures are made with %(ours)s.")
        made.said.append(text % {"its": found.checkpoint, "ours": checkpoint})


def _beyond(found: PictureSettings, recipe: Recipe) -> Iterator[str]:
    if found.clip_skip and found.clip_skip > 1 and "clip_skip" not in recipe.fields:
        yield _("Clip skip %d cannot be set here.") % found.clip_skip
    if found.denoise is not None and found.denoise < 1:
        yield _("It was made from another picture or in two passes, with a strength of change of %g.") % found.denoise
    if found.beyond:
        yield _("Not used here: %s.") % ", ".join(found.beyond)
    if Trouble.SEVERAL in found.troubles:
        yield _("Its graph has several samplers. These are the settings of the first one.")
    if Trouble.TANGLED in found.troubles:
        yield _("Its graph is too large or runs in circles, so some of it may be missing.")


def why_nothing(found: PictureSettings) -> str:
    """Why there is nothing to use in a file."""
    if Trouble.TOO_LONG in found.troubles:
        return _("The text inside this file is too long to be read: at most 8 MB, and 4 MB of JSON.")
    if Trouble.NO_SAMPLER in found.troubles or Trouble.UNREADABLE in found.troubles:
        return _("This file has notes of a program inside, but no settings that are understood here.")
    if Trouble.BROKEN in found.troubles:
        return _("This file is broken or not complete, and no settings were found in it.")
    return _("No settings are inside this file. Many programs and websites remove them when a picture is sent.")
