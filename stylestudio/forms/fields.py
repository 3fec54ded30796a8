"""Forms whose fields are drawn by one template, `shell/_field.html`: `{{ form.steps.as_field_group }}`.

The template asks the bound field for the ids of what belongs to it, so that hint and error are tied to the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.forms import widgets
from django.forms.renderers import TemplatesSetting

if TYPE_CHECKING:
    Mixin = forms.BaseForm
else:
    Mixin = object

# Inputs that have a look of their own, and not that of a box to write in.
_UNBOXED = ("hidden", "checkbox", "radio", "range", "file", "color")


class Renderer(TemplatesSetting):
    """Draws forms with the templates of the project."""

    field_template_name = "shell/_field.html"


class StudioBoundField(forms.BoundField):
    """A field of a form, which knows the ids of its hint and of its error and ties them to its input."""

    @property
    def _look(self) -> StudioFields:
        return cast("StudioFields", self.form)

    @property
    def hint_id(self) -> str:
        """The id of the help text."""
        return f"{self.auto_id}{self._look.joint}{self._look.hint}"

    @property
    def error_id(self) -> str:
        """The id of the element that says what is wrong."""
        return self._look.errors_at or f"{self.auto_id}{self._look.joint}error"

    @property
    def says_errors(self) -> bool:
        """Whether what is wrong stands beside the field, and not in one place for the whole form."""
        return bool(self.errors) and not self._look.errors_at

    @property
    def is_bare(self) -> bool:
        """Whether only screen readers are told the label, and the input stands in a row with others."""
        return self.name in self._look.bare

    @property
    def is_tick(self) -> bool:
        """Whether it is a box to tick, with its label behind it."""
        return isinstance(self.field.widget, forms.CheckboxInput)

    @property
    def is_slider(self) -> bool:
        """Whether it is moved, and its label shows how far."""
        return getattr(self.field.widget, "input_type", "") == "range"

    @property
    def aria_describedby(self) -> str:
        """The ids of everything that is said of the field: what its widget names, the hint, the error."""
        own = str(self.field.widget.attrs.get("aria-describedby", ""))
        hint = self.hint_id if self.help_text else ""
        return " ".join(part for part in (own, hint, self.error_id if self.errors else "") if part)

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        """With the look of a box to write in, and tied to hint and error."""
        attrs = super().build_widget_attrs(attrs, widget)
        drawn = widget or self.field.widget
        if drawn.use_fieldset:
            attrs.pop("aria-invalid", None)  # the group is wrong, not each of what it offers
        elif self.aria_describedby and not drawn.is_hidden:
            attrs["aria-describedby"] = self.aria_describedby
        if "class" not in drawn.attrs and _is_boxed(drawn):
            attrs["class"] = "in"
        return attrs | self._ends(drawn)

    def _ends(self, drawn: forms.Widget) -> dict[str, Any]:
        """The limits of a number, as it is held to them: by the form, or by the field of its model."""
        if not isinstance(drawn, forms.NumberInput):
            return {}
        found = [*self.field.validators, *self._of_model()]
        low = [each.limit_value for each in found if isinstance(each, MinValueValidator)]
        high = [each.limit_value for each in found if isinstance(each, MaxValueValidator)]
        return {**({"min": _plain(max(low))} if low else {}), **({"max": _plain(min(high))} if high else {})}

    def _of_model(self) -> Sequence[Any]:
        """What the model asks of this field, where the form is one of a model."""
        if not isinstance(self.form, forms.ModelForm) or self.name not in (self.form._meta.fields or ()):
            return ()
        return list(self.form._meta.model._meta.get_field(self.name).validators)


def _is_boxed(widget: forms.Widget) -> bool:
    if isinstance(widget, widgets.ChoiceWidget):
        return isinstance(widget, forms.Select)
    return getattr(widget, "input_type", "") not in _UNBOXED


class StudioFields(Mixin):
    """What a form inherits, before Django's, so that its fields look like those of the studio.

    `bare` names fields whose label only screen readers are told. With `errors_at` what is wrong is said in one place of
    the form, in the element of that id. `joint` and `hint` are how ids of a field's parts are written.
    """

    bound_field_class = StudioBoundField
    bare: ClassVar[tuple[str, ...]] = ()
    errors_at = ""
    joint = "_"
    hint = "helptext"


class StudioForm(StudioFields, forms.Form):
    """A form of the studio."""


def _plain(number: Any) -> Any:
    """A limit without a needless point: 2 for 2.0."""
    return int(number) if isinstance(number, float) and number.is_integer() else number
