"""What is asked before pictures of a dataset are cut out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.making import recipe_lacks
from stylestudio.forms.widgets import Segments
from training.datasets.captions.forms import OneSentence
from training.datasets.cut_outs import making
from training.datasets.models import ImageQuerySet

GROUNDS = (
    ("#ffffff", gettext_lazy("White")),
    ("#808080", gettext_lazy("Grey")),
    ("#000000", gettext_lazy("Black")),
    ("", gettext_lazy("Transparent")),
)


class CutOutForm(OneSentence):
    """The ground of the cut-outs. `images` are those that were chosen; the transparent ones among them are left out."""

    ground = forms.ChoiceField(
        label=gettext_lazy("Ground in training"),
        required=False,
        choices=GROUNDS,
        initial=GROUNDS[0][0],
        widget=Segments(),
        help_text=gettext_lazy(
            "Trainers know no transparency. The files stay transparent, and the ground can be changed later; "
            "transparent ones lie on that of the dataset."
        ),
    )

    def __init__(self, data: Any = None, *, images: ImageQuerySet) -> None:
        super().__init__(data)
        chosen = images.order_by("position", "pk").values_list("pk", "width", "height", "has_alpha")
        rows = list(chosen)
        self.pictures = [pk for pk, _width, _height, is_clear in rows if not is_clear]
        self.clear = len(rows) - len(self.pictures)
        self.size = making.room_for([(width, height) for _pk, width, height, is_clear in rows if not is_clear])
        self.lack = recipe_lacks.trouble(making.recipe())

    def clean(self) -> dict[str, Any]:
        """There is something to cut out, and an engine that can."""
        if not self.pictures:
            raise ValidationError(_("None of these pictures can be cut out: they are transparent already, or gone."))
        if self.lack:
            raise ValidationError(self.lack)
        return self.cleaned_data
