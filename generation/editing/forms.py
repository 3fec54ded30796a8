"""The form of the editor: an order for pictures of which only a part is made anew."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.signing import BadSignature, Signer
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from PIL import Image

from generation.editing.preparing import Wish, prepare, size_of, too_large
from generation.masks import geometry, models, pixels
from generation.masks.facts import Box, EditFacts, Size
from generation.masks.models import Mask
from generation.ordering.control_form.fields import ControlFields
from generation.ordering.forms import OrderForm
from generation.ordering.orders import Order
from generation.ordering.recipe_fields import RecipePicker
from generation.pictures.models import GeneratedImage
from generation.recipes import registry
from stylestudio.forms.widgets import PICTURES
from stylestudio.images.decoding import BadPicture

STRENGTH = 0.85  # of change: what is there shows through as little as that
SIDES = ("left", "top", "right", "bottom")
STEPS = gettext_lazy("A multiple of 8 from 0 to 1024.")


def _length(label: Any, most: int, step: int = 1, **more: Any) -> forms.IntegerField:
    widget = forms.NumberInput({"step": step, "inputmode": "numeric", "autocomplete": "off"})
    return forms.IntegerField(label=label, required=False, min_value=0, max_value=most, widget=widget, **more)


def _margin(label: Any) -> forms.IntegerField:
    wrong = dict.fromkeys(("invalid", "min_value", "max_value"), STEPS)
    return _length(label, geometry.MOST_MARGIN, geometry.STEP, initial=0, error_messages=wrong)


class EditForm(OrderForm):
    """What is made anew of a picture, and how. `size` is that of the picture; None if it cannot be edited."""

    add_left, add_top = _margin(gettext_lazy("Left")), _margin(gettext_lazy("Top"))
    add_right, add_bottom = _margin(gettext_lazy("Right")), _margin(gettext_lazy("Bottom"))
    box_left = _length(gettext_lazy("From the left"), geometry.MOST_CANVAS)
    box_top = _length(gettext_lazy("From the top"), geometry.MOST_CANVAS)
    box_width = _length(gettext_lazy("Width"), geometry.MOST_CANVAS)
    box_height = _length(gettext_lazy("Height"), geometry.MOST_CANVAS)
    feather = _length(gettext_lazy("Feather"), pixels.MOST_FEATHER, initial=8)
    seam = _length(
        gettext_lazy("Blend with the picture over"),
        pixels.MOST_FEATHER,
        initial=16,
        help_text=gettext_lazy("Pixels at the old edges that are made anew too, so that no seam is seen."),
    )
    detail = forms.BooleanField(
        label=gettext_lazy("Make the marked part in full size"),
        required=False,
        help_text=gettext_lazy("For small parts: it is made as large as the model can, and then put back."),
    )
    solid = forms.BooleanField(
        label=gettext_lazy("What is made anew becomes solid"),
        required=False,
        help_text=gettext_lazy("Otherwise it is as transparent as the picture was there."),
    )
    mask = forms.FileField(
        label=gettext_lazy("Mask as a picture"),
        required=False,
        widget=forms.FileInput({"accept": PICTURES}),
        help_text=gettext_lazy("As large as the picture; white is made anew."),
    )
    mask_id = forms.CharField(required=False, widget=forms.HiddenInput)  # a stored one, see `ticket`

    def __init__(self, *args: Any, source: GeneratedImage, size: Size | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source, self.source_size = source, size
        left_out = ("mode", "shape", "width", "height", "preset_name", "reference", "reference_id")
        for name in (*left_out, *ControlFields.base_fields):
            del self.fields[name]
        able = {name: recipe for name, recipe in registry.current().items() if "edit" in recipe.graphs}
        choice = cast(forms.ChoiceField, self.fields["recipe"])
        choice.choices = [(recipe.name, str(recipe.title)) for recipe in able.values()]
        cast(RecipePicker, choice.widget).makes = ("edit",)
        if not source.has_alpha:
            del self.fields["solid"]
        self.wish: Wish | None = None

    @property
    def compose_url(self) -> str:  # type: ignore[override]  # its own, of one picture
        """What answers changes of it."""
        return reverse("generation:edit-compose", args=[self.source.pk])

    @property
    def graph(self) -> str:
        """The graph of the recipe that would make its pictures."""
        return "edit"

    @property
    def sides(self) -> Size | None:
        """The size by which it is told how long pictures take."""
        return self.source_size

    def clean(self) -> dict[str, Any]:
        """Read the mask. What is wrong with it, and with the picture, is said here."""
        cleaned = super().clean()
        for side in SIDES:
            if (cleaned.get(f"add_{side}") or 0) % geometry.STEP:
                self.add_error(f"add_{side}", STEPS)
        parts = {
            *(f"add_{side}" for side in SIDES),
            "box_left",
            "box_top",
            "box_width",
            "box_height",
            "feather",
            "seam",
        }
        if self.source_size and not parts & self.errors.keys():
            try:
                self.wish = self._wish(self.source_size, cleaned)
            except BadPicture as error:
                self.add_error("mask", str(error))
        return cleaned

    def _wish(self, size: Size, cleaned: dict[str, Any]) -> Wish:
        left, top, right, bottom = (cleaned[f"add_{side}"] or 0 for side in SIDES)
        canvas = geometry.canvas_of(size, (left, top, right, bottom))
        if max(canvas) > geometry.MOST_CANVAS:
            raise BadPicture(too_large(canvas))
        margins: Box = (left, top, right, bottom)
        mask = pixels.with_margins(self._mask(canvas, cleaned), margins, cleaned["seam"] or 0)
        if mask.getbbox() is None:
            raise BadPicture(_("Nothing is marked. Paint over what is to be made anew, or add something at an edge."))
        return Wish(self.source, mask, margins, detail=cleaned["detail"], solid=cleaned.get("solid", False))

    def _mask(self, canvas: Size, cleaned: dict[str, Any]) -> Image.Image:
        """The mask that was sent, else the rectangle that was typed, else one that is stored, else an empty one."""
        if cleaned.get("mask"):
            return pixels.read(cleaned["mask"], canvas)
        if cleaned["box_width"] and cleaned["box_height"]:
            left, top = cleaned["box_left"] or 0, cleaned["box_top"] or 0
            box = (left, top, left + cleaned["box_width"], top + cleaned["box_height"])
            return pixels.rectangle(canvas, box, cleaned["feather"] or 0)
        if stored := of_ticket(cleaned.get("mask_id"), self.user):
            with stored.file.open("rb") as handle:
                return pixels.read(handle, canvas)
        return Image.new("L", canvas)

    def keep_mask(self) -> None:
        """Store a mask that came with a form that is shown again: browsers do not send the same file twice."""
        if self.wish and self.wish.mask.getbbox():
            mask = models.keep(self.wish.mask.tobytes(), *self.wish.mask.size)
            data = cast(QueryDict, self.data).copy()
            data["mask_id"] = ticket(mask.pk, self.user)
            self.data = data

    def order(self) -> Order:
        """The order of a valid form; what it needs is stored. Raises BadPicture if nothing can be made of it."""
        size_of(self.source)
        assert self.wish is not None  # of a picture that can be edited every valid form has one
        ready = prepare(self.wish, self.made_by, self.user)
        width, height = ready.size
        return self.order_for(width, height, reference=ready.reference, edit=ready.parts)


def values_of(facts: EditFacts, mask: Mask, user: User) -> dict[str, Any]:
    """The form's values for an edit that was made before."""
    margins = {f"add_{side}": length for side, length in zip(SIDES, facts.margins, strict=True)}
    return {**margins, "detail": facts.detail, "solid": facts.solid, "mask_id": ticket(mask.pk, user)}


def ticket(mask: int, user: User) -> str:
    """What forms of this person call a stored mask by its key: equal ones are stored once, whoever may see them."""
    return _signer(user).sign(str(mask))


def of_ticket(text: object, user: User) -> Mask | None:
    """The mask; None if the text is no ticket of this person, or the mask is gone."""
    try:
        key = _signer(user).unsign(str(text))
    except BadSignature:
        return None
    return Mask.objects.filter(pk=key).first()


def _signer(user: User) -> Signer:
    return Signer(salt=f"mask of {user.pk}")
