"""The form "New pictures": the order and the mix of styles."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.controls.models import NOTHING, Given
from generation.controls.words import no_control
from generation.engines import roster
from generation.ordering import orders, recipe_fields
from generation.ordering.asked_pictures import fields as asked_fields
from generation.ordering.control_form import fields as control_fields
from generation.ordering.control_form import preparing
from generation.ordering.control_form.fields import OFF, ControlFields
from generation.ordering.english_form import fields as english_fields
from generation.ordering.english_form.fields import EnglishFields
from generation.ordering.orders import Ingredient, Order
from generation.ordering.references import add_reference, of_ticket, sent_at_once, ticket
from generation.ordering.style_wishes import transparency
from generation.pictures import shapes
from generation.pictures.models import (
    LEAST_SIDE,
    MOST_PICTURES,
    MOST_PROMPT,
    MOST_SEED,
    MOST_SIDE,
    MOST_STYLES,
    GenerationTask,
    Reference,
)
from generation.pictures.prompts import Frame
from generation.pictures.shapes import SHAPES, Shape, size_text
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.for_engines import USUAL_STRENGTHS
from styles.models import MOST_NAME, MOST_WORDS, Preset, Style
from styles.queries import with_published
from stylestudio.edge.page_memory import once_a_page
from stylestudio.forms.widgets import PICTURES, Line, Segments, TextBox
from stylestudio.images.decoding import BadPicture

COUNTS = (1, 2, 4, 8, 12)  # pictures that are offered
SENT_AT_ONCE = sent_at_once(reverse_lazy("generation:reference"), "reference", "reference")
# Earlier prompts and completions, see static/js/ordering.
HELPED = {
    "data-earlier": reverse_lazy("generation:prompts"),
    "data-place": gettext_lazy("Earlier prompt %1 of %2"),
    "aria-autocomplete": "list",
    "aria-haspopup": "listbox",
    "aria-controls": "completion-list",
}
CUSTOM = "custom"  # the shape whose width and height are typed
TO_SAVE = {"data-enter": "save-preset"}  # Enter in these fields keeps a preset, and orders nothing


SIDES = gettext_lazy("A multiple of 8 from 64 to 2048.")


class ShapePicker(Segments):
    """The shapes to choose from, each drawn, and a size of one's own."""

    template_name = "generation/ordering/_shape_choices.html"
    shapes: tuple[Shape, ...] = SHAPES
    typed = ""  # what the heading says of a size of one's own

    def create_option(self, name: str, value: Any, label: int | str, *rest: Any, **more: Any) -> dict[str, Any]:
        """With the shape itself, and with what the heading says once it is chosen."""
        option = super().create_option(name, value, label, *rest, **more)
        shape = next((shape for shape in self.shapes if shape.value == value), None)
        option["attrs"] |= {"aria-label": label} if shape else {"data-text": self.typed}
        return {**option, "shape": shape}


def side_field(label: Any) -> forms.IntegerField:
    """Width or height in pixels of a size of one's own."""
    widget = forms.NumberInput({"step": 8, "inputmode": "numeric", "autocomplete": "off", "data-side": True})
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=LEAST_SIDE,
        max_value=MOST_SIDE,
        initial=SHAPES[0].width,
        widget=widget,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), SIDES),
    )


class OrderForm(EnglishFields, ControlFields):
    """The order. `picked` reads the styles of the mix, because their fields are named after style numbers."""

    compose_url = reverse_lazy("generation:compose")  # what answers changes of it

    mode = forms.ChoiceField(
        label=gettext_lazy("Mode"),
        choices=[
            (GenerationTask.Mode.TEXT, gettext_lazy("Text to image")),
            (GenerationTask.Mode.IMAGE, gettext_lazy("Image to image")),
        ],
        initial=GenerationTask.Mode.TEXT,
        widget=Segments(hidden_legend=True),
    )
    prompt = forms.CharField(
        label=gettext_lazy("Prompt"),
        max_length=MOST_PROMPT,
        widget=TextBox({"rows": 4, "placeholder": gettext_lazy("What should be in the picture?"), **HELPED}),
        error_messages={"required": gettext_lazy("Say what should be in the picture.")},
    )
    recipe = forms.ChoiceField(label=gettext_lazy("Recipe"), required=False, widget=recipe_fields.RecipePicker)
    # The recipe that the settings on the page are of: until they are swapped, another one may be chosen above.
    fields_of = forms.CharField(required=False, widget=forms.HiddenInput)
    shape = forms.ChoiceField(
        label=gettext_lazy("Shape"),
        choices=[*((shape.value, shape.label) for shape in SHAPES), (CUSTOM, gettext_lazy("Custom"))],
        initial=SHAPES[0].value,
        widget=ShapePicker,
    )
    width, height = side_field(gettext_lazy("Width")), side_field(gettext_lazy("Height"))
    count = forms.IntegerField(
        label=gettext_lazy("Pictures"), min_value=1, max_value=MOST_PICTURES, initial=4, widget=Segments
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"),
        required=False,
        min_value=0,
        max_value=MOST_SEED,
        widget=Line({"inputmode": "numeric", "autocomplete": "off", "placeholder": gettext_lazy("Random")}),
        error_messages={"invalid": gettext_lazy("A seed is a whole number. Leave it empty for a random one.")},
    )
    cut_out = forms.BooleanField(
        label=gettext_lazy("Transparent ground"),
        required=False,
        help_text=gettext_lazy("Each picture is cut out as well, once it is made. The original stays."),
    )
    # Who set that switch, see `transparency.follow`.
    cut_out_by = forms.CharField(required=False, initial=transparency.OFF, widget=forms.HiddenInput)
    before = forms.CharField(
        label=gettext_lazy("Before the prompt"), required=False, max_length=MOST_WORDS, widget=Line(TO_SAVE)
    )
    after = forms.CharField(
        label=gettext_lazy("After the prompt"), required=False, max_length=MOST_WORDS, widget=Line(TO_SAVE)
    )
    preset_name = forms.CharField(
        label=gettext_lazy("Name of the preset"),
        required=False,
        max_length=MOST_NAME,
        widget=Line({**TO_SAVE, "autocomplete": "off", "aria-describedby": "preset-hint"}),
    )
    reference = forms.FileField(
        label=gettext_lazy("Reference picture"),
        required=False,
        widget=forms.FileInput({"class": "sr", "id": "reference-file", "accept": PICTURES, **SENT_AT_ONCE}),
    )
    # What the page says of these it says where they stand.
    style = forms.CharField(required=False, widget=forms.HiddenInput)  # what is wrong with the mix; see `picked`
    preset = forms.CharField(required=False, max_length=MOST_NAME, widget=forms.HiddenInput)
    reference_id = forms.CharField(required=False, widget=forms.HiddenInput)  # see `references.ticket`
    request_id = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        chosen = self.data if self.is_bound else self.initial
        self.made_by = registry.named(chosen.get("recipe"))
        self.fields |= recipe_fields.fields_of(self.made_by, chosen) | asked_fields.fields_of(self.made_by)
        self.asked: dict[str, Reference] = {}  # pictures that the recipe asks for, once the form was looked through
        self._offer_shapes(chosen.get("shape"))
        recipes = registry.current()
        recipe_choice = cast(forms.ChoiceField, self.fields["recipe"])
        recipe_choice.choices = [(recipe.name, str(recipe.title)) for recipe in recipes.values()]
        cast(recipe_fields.RecipePicker, recipe_choice.widget).recipes = recipes
        self.fields["prompt"].required = "positive" not in self.made_by.unused
        of_recipe = {"recipe": self.made_by.name, "fields_of": self.made_by.name}
        self.initial = {**self.initial, **of_recipe, **self.settled(self.initial)}
        self.mix: list[Ingredient] = (
            picked(self.data, user) if self.is_bound else list(kwargs.get("initial", {}).get("mix", ()))
        )
        counts = cast(Segments, self.fields["count"].widget)
        now = row_number(str(self["count"].value()))
        own = {now} if now is not None and 1 <= now <= MOST_PICTURES else set()
        counts.choices = [(number, number) for number in sorted({*COUNTS, *own})]
        cast(ShapePicker, self.fields["shape"].widget).typed = size_text(*self._typed) if self._typed else ""

    def _offer_shapes(self, chosen: object) -> None:
        """Offer the sizes of the recipe, and a usual one that is chosen already, such as that of an earlier draft."""
        own = shapes.of(self.made_by.shapes)
        self.shapes = own + tuple(shape for shape in SHAPES if shape.value == chosen and shape not in own)
        field = cast(forms.ChoiceField, self.fields["shape"])
        field.choices = [*((shape.value, shape.label) for shape in self.shapes), (CUSTOM, _("Custom"))]
        field.initial = own[0].value
        cast(ShapePicker, field.widget).shapes = self.shapes

    @property
    def graph(self) -> str:
        """The graph of the recipe that would make its pictures."""
        return str(self["mode"].value())

    @property
    def _typed(self) -> tuple[int, int] | None:
        """Width and height as they were typed; None unless both are whole numbers."""
        width, height = (row_number(str(self[name].value())) for name in ("width", "height"))
        return None if width is None or height is None else (width, height)

    @property
    def sides(self) -> tuple[int, int] | None:
        """Width and height of the shape that is chosen, or as typed; None if that is no size that can be made."""
        chosen = self["shape"].value()
        typed = self._typed if chosen == CUSTOM else None
        if typed and all(LEAST_SIDE <= side <= MOST_SIDE and side % 8 == 0 for side in typed):
            return typed
        return next(((shape.width, shape.height) for shape in self.shapes if shape.value == chosen), None)

    @property
    def size(self) -> str:
        """The size that is chosen, as people read it; "" if that is none."""
        return size_text(*self.sides) if self.sides else ""

    def clean(self) -> dict[str, Any]:
        """Store an uploaded file as a reference; image mode needs one."""
        cleaned = super().clean()
        cleaned["picture"] = None
        self._clean_sides(cleaned)
        if cleaned.get("mode") == GenerationTask.Mode.IMAGE and "reference" not in self.errors:
            cleaned["picture"] = self._reference(cleaned)
        self.asked = asked_fields.taken(self, self.made_by, self.user)
        cleaned["control_wish"] = self._control_wish(cleaned) if "control" in self.fields else None
        if len(self.mix) > MOST_STYLES:
            self.add_error(None, _("Choose at most %d styles.") % MOST_STYLES)
        return cleaned

    def _clean_sides(self, cleaned: dict[str, Any]) -> None:
        """Width and height count only for a size of one's own, and are then needed."""
        for name in ("width", "height"):
            if cleaned.get("shape") != CUSTOM:
                self.errors.pop(name, None)
            elif name not in self.errors and (cleaned.get(name) or 1) % 8:
                self.add_error(name, SIDES)

    def _control_wish(self, cleaned: Mapping[str, Any]) -> preparing.Wish | None:
        """What is to hold the form, if the recipe can be held by it."""
        kind, control = cleaned.get("control"), self.made_by.control
        if kind not in (None, OFF) and control is None:
            self.add_error("control", no_control(self.made_by))
        elif kind not in (None, OFF) and control and kind not in control.types:
            words = _("%(recipe)s knows no control pictures of this kind.")
            self.add_error("control", words % {"recipe": self.made_by.title})
        return self.control_wish(self.user)

    def kept(self) -> dict[str, str]:
        """The tickets of the pictures that came with the form, once it was looked through."""
        wish, picture = self.cleaned_data.get("control_wish"), self.cleaned_data.get("picture")
        found = {"reference_id": picture, "control_id": wish.source if wish else None}
        own = {name: ticket(each.pk, self.user) for name, each in found.items() if each}
        return own | asked_fields.tickets(self.asked, self.user)

    def given(self, size: tuple[int, int]) -> Given:
        """What a valid form gives besides words and the reference, stored. Raises ValidationError."""
        wish, picture = self.cleaned_data["control_wish"], self.cleaned_data["picture"]
        try:
            return preparing.given(wish, self.fit_of_reference(), picture, self.made_by, size, self.user)
        except BadPicture as error:
            raise ValidationError({"control_file": str(error)}) from error

    def _reference(self, cleaned: dict[str, Any]) -> Reference | None:
        if cleaned.get("reference"):
            try:
                return add_reference(cleaned["reference"], self.user)
            except BadPicture as error:
                self.add_error("reference", str(error))
                return None
        found = of_ticket(cleaned.get("reference_id"), self.user)
        if found is None:
            self.add_error("reference", _("Choose a picture to start from."))
        return found

    def order(self) -> Order:
        """The order of a valid form. Raises ValidationError if its control picture would hold nothing."""
        data = self.cleaned_data
        known = next((shape for shape in self.shapes if shape.value == data["shape"]), None)
        width, height = (known.width, known.height) if known else (data["width"], data["height"])
        return self.order_for(width, height, reference=data["picture"], given=self.given((width, height)))

    def order_for(self, width: int, height: int, *, given: Given = NOTHING, **more: Any) -> Order:
        """The order of a valid form for pictures of this size, in pixels."""
        data = self.cleaned_data
        asked = self.made_by.defaults | {name: data[name] for name in self.made_by.fields if data[name] is not None}
        return Order(
            prompt=data["prompt"] or str(self.made_by.title),  # a recipe that takes no words has its own name as them
            english=data.get("english", ""),
            recipe=self.made_by,
            **orders.told(asked),
            width=width,
            height=height,
            count=data["count"],
            seed=data["seed"],
            mix=tuple(self.mix),
            frame=Frame(data["before"], data["after"], data["preset"]),
            given=replace(given, asked=self.asked),
            **more,
            cut_out=data["cut_out"],
        )


def initial_of(order: Order, user: User) -> dict[str, Any]:
    """The form's values for an order: what is absent there is absent here too."""
    return {
        "mode": order.mode,
        "prompt": order.prompt,
        "english": order.english,
        "english_of": order.prompt,
        "recipe": order.recipe.name,
        **order.more,
        "negative": order.negative,
        **size_values(order.width, order.height, order.recipe),
        "count": order.count,
        "seed": order.seed,
        "steps": order.steps,
        "cfg": order.cfg,
        "sampler": order.sampler,
        "scheduler": order.scheduler,
        "denoise": order.denoise if order.reference else order.recipe.defaults.get("denoise"),
        "reference_id": ticket(order.reference.pk, user) if order.reference else None,
        **control_fields.initial_of(order.given, user),
        **asked_fields.tickets(order.given.asked, user),
        "mix": order.mix,
        "before": order.frame.prefix,
        "after": order.frame.suffix,
        "preset": order.frame.preset,
        "cut_out": order.cut_out,
        "cut_out_by": transparency.OWN,
    }


def size_values(width: int, height: int, recipe: Recipe) -> dict[str, Any]:
    """The form's values for a size in pixels: one of the recipe's shapes, else a size of one's own."""
    value = f"{width}x{height}"
    is_known = any(shape.value == value for shape in shapes.of(recipe.shapes))
    return {"shape": value if is_known else CUSTOM, "width": width, "height": height}


def preset_values(preset: Preset, recipe: str) -> dict[str, str]:
    """The form values that a preset fills in. An empty negative prompt leaves the current one.

    Its steps are those of the default recipe, and mean nothing to others.
    """
    size = size_values(preset.width, preset.height, registry.named(recipe))
    values = {
        "preset": preset.name,
        "before": preset.prefix,
        "after": preset.suffix,
        **{name: str(value) for name, value in size.items()},
    }
    if recipe in ("", registry.DEFAULT):
        values["steps"] = str(preset.steps)
    return values | {"negative": preset.negative} if preset.negative else values


@once_a_page
def offered(user: User) -> list[Style]:
    """Styles that can be chosen: sketch styles only where sketches are made."""
    styles = Style.objects.visible_to(user).in_picker_order()
    if not roster.sketches():
        styles = styles.filter(preview_only=False)
    return with_published(styles)


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


def say(form: OrderForm, field: str, messages: Any) -> None:
    """Show something at a field of a form that was not sent: it shows this as it shows errors."""
    if not form.is_bound and not form.errors:
        form.cleaned_data = {}  # an unbound form needs this to accept errors
    form.add_error(field, messages)


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
        say(form, task.error_field, task.error or task.explanation)


def press(data: QueryDict, user: User) -> None:
    """Apply the pressed button: a chip off or on, a style out or moved, a preset, no reference, its shape, sides
    swapped, a translation, a new seed.
    """
    if pair := data.get("drop"):
        data.appendlist("off", pair)
    if pair := data.get("add"):
        data.setlist("off", [one for one in data.getlist("off") if one != pair])
    if pk := data.get("without"):
        data.setlist("style", [one for one in data.getlist("style") if one != pk])
    for name, step in (("up", -1), ("down", 1)):
        if pk := data.get(name):
            data.setlist("order", _moved(data, pk, step))
    if pk := data.get("use_preset"):
        _fill(data, preset_named(pk, user, data.get("recipe", "")))
    if "drop_preset" in data:
        _fill(data, dict.fromkeys(("preset", "before", "after"), ""))
    if "clear_reference" in data:
        data["reference_id"] = ""
    control_fields.press(data)
    asked_fields.press(data)
    english_fields.press(data, user)
    if "dice" in data:
        data["seed"] = str(random_seed())
    _press_size(data, user)


def _press_size(data: QueryDict, user: User) -> None:
    """Take the shape of the reference, or swap the sides."""
    if "own_shape" in data:
        found = of_ticket(data.get("reference_id", ""), user)
        if found:
            size, recipe = found.fitting, registry.named(data.get("recipe"))
            _fill(data, size_values(size.width, size.height, recipe))
    if "swap" in data:
        data["width"], data["height"] = data.get("height", ""), data.get("width", "")


def _fill(data: QueryDict, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        data[name] = str(value)


def _moved(data: QueryDict, pk: str, step: int) -> list[str]:
    """The order of the mix with one style moved, stopping at the ends; without styles no longer chosen."""
    chosen = data.getlist("style")
    order = [one for one in dict.fromkeys(data.getlist("order")) if one in chosen]
    if pk in order:
        place = max(order.index(pk) + step, 0)
        order.remove(pk)
        order.insert(place, pk)
    return order


def preset_named(text: str, user: User, recipe: str) -> dict[str, str]:
    """The form values of this preset; empty if it no longer exists."""
    preset = Preset.objects.visible_to(user).filter(pk=row_number(text) or 0).first()
    return preset_values(preset, recipe) if preset else {}
