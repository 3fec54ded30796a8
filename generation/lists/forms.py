"""The forms of lists: a new one of a table, a grid, its columns, its download, and lists of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.lists import grids, holding
from generation.lists.models import MOST_NAME, OrderList, WordList
from generation.lists.outcome import results
from generation.lists.reading import columns, tables
from generation.lists.reading.tables import BadTable, Table
from generation.ordering.forms import offered
from generation.pictures.models import MOST_PROMPT
from generation.pictures.shapes import SHAPES
from generation.recipes import registry
from generation.selecting import names
from stylestudio.forms.fields import StudioFields, StudioForm
from stylestudio.forms.widgets import Choices, Line, Segments, TextBox
from stylestudio.people.visibility import Visibility

if TYPE_CHECKING:
    ListModelForm = forms.ModelForm[OrderList]
    WordsModelForm = forms.ModelForm[WordList]
else:
    ListModelForm = WordsModelForm = forms.ModelForm

MOST_TEXT = 2_000_000  # characters of a table that is pasted
TABLES = ".csv,.tsv,.txt,.xlsx,.xlsm,text/csv,text/tab-separated-values"
SWITCH = _("Braces and names of the studio's words in prompts are choices: {red|blue}, __metals__. The seed decides.")
PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class ListForm(StudioForm):
    """What every new list says: its name, who sees it, and what holds for rows that say nothing of it."""

    name = forms.CharField(label=_("Name of the list"), max_length=MOST_NAME, widget=Line({"autocomplete": "off"}))
    recipe = forms.ChoiceField(label=_("Recipe"), required=False, widget=Choices)
    style = forms.ChoiceField(label=_("Style"), required=False, widget=Choices)
    shape = forms.ChoiceField(
        label=_("Shape"), choices=[(shape.name, shape.label) for shape in SHAPES], initial="1:1", widget=Choices
    )
    hold = forms.BooleanField(label=_("Hold the form"), required=False)
    chooses_words = forms.BooleanField(label=_("Let prompts choose"), required=False, help_text=SWITCH)
    visibility = forms.ChoiceField(
        label=_("Who sees it"), choices=Visibility.choices, initial=Visibility.TEAM, widget=Segments(full=False)
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.held = holding.now(user)
        if self.held:
            self.fields["hold"].help_text = holding.words(self.held)
        else:
            del self.fields["hold"]
        recipes = cast(forms.ChoiceField, self.fields["recipe"])
        recipes.choices = [(each.name, str(each.title)) for each in registry.current().values()]
        recipes.initial = registry.DEFAULT
        styles = [style for style in offered(user) if not style.is_base]
        cast(forms.ChoiceField, self.fields["style"]).choices = [
            ("", gettext("As each row says")),
            *((style.slug, str(style.title)) for style in styles),
        ]

    @property
    def shared(self) -> dict[str, str]:
        """What holds for rows that say nothing of it."""
        return {name: str(self.cleaned_data[name]) for name in ("recipe", "style", "shape") if self.cleaned_data[name]}


class NewListForm(ListForm):
    """A list of a table."""

    field_order = ("name", "table", "file", "recipe", "style", "shape", "hold", "chooses_words", "visibility")

    table = forms.CharField(
        label=_("Table"),
        required=False,
        max_length=MOST_TEXT,
        strip=False,
        help_text=_("Copy the cells in your spreadsheet, with the row of their names, and paste them here."),
        widget=TextBox({"rows": 8, "class": "in mono pasted", **PLAIN}),
    )
    file = forms.FileField(
        label=_("Or a file"),
        required=False,
        help_text=_("XLSX, CSV or TSV."),
        widget=forms.FileInput({"accept": TABLES}),
    )

    def clean(self) -> dict[str, Any]:
        """Read the table."""
        cleaned = super().clean() or {}
        text, file = cleaned.get("table", ""), cleaned.get("file")
        where = "file" if file else "table"
        try:
            if file:
                self.found: Table = tables.read_file(str(file.name), file.read())
            elif text.strip():
                self.found = tables.read_text(text)
            elif not self.errors:
                self.add_error("table", gettext("Paste a table, or choose a file."))
        except BadTable as error:
            self.add_error(where, str(error))
        return cleaned


class GridForm(ListForm):
    """A list of every value of some settings with every value of others."""

    field_order = (
        "name", "x", "x_values", "y", "y_values", "z", "z_values", "prompt", "seed", "recipe", "style", "shape",
        "hold", "chooses_words", "visibility",
    )  # fmt: skip

    x = forms.ChoiceField(label=_("Columns show"), initial="style", widget=Choices)
    x_values = forms.CharField(label=_("Their values, one a line"), max_length=20_000, widget=TextBox({"rows": 4}))
    y = forms.ChoiceField(label=_("Rows show"), required=False, initial="prompt", widget=Choices)
    y_values = forms.CharField(
        label=_("Their values, one a line"), required=False, max_length=20_000, widget=TextBox({"rows": 4})
    )
    z = forms.ChoiceField(label=_("One grid for each"), required=False, widget=Choices)
    z_values = forms.CharField(
        label=_("Their values, one a line"), required=False, max_length=20_000, widget=TextBox({"rows": 2})
    )
    prompt = forms.CharField(
        label=_("Prompt"),
        required=False,
        max_length=MOST_PROMPT,
        help_text=_("For all pictures, if no axis says the prompts."),
        widget=TextBox({"rows": 2}),
    )
    seed = forms.CharField(
        label=_("Seed"),
        required=False,
        max_length=20,
        help_text=_("All pictures have the same one, so that only the settings of the axes differ."),
        widget=Line({"inputmode": "numeric", "placeholder": _("Random"), "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        offer = [(name, title) for name, title in columns.titles().items() if name not in ("name", "count")]
        for axis in ("x", "y", "z"):
            none = [] if axis == "x" else [("", gettext("Nothing"))]
            cast(forms.ChoiceField, self.fields[axis]).choices = [*none, *offer]
        if not self.is_bound:
            styles = [str(style.title) for style in offered(user) if not style.is_base]
            self.initial.setdefault("x_values", "\n".join(styles))

    def clean(self) -> dict[str, Any]:
        """Read the axes, and combine them."""
        cleaned = super().clean() or {}
        self.axes: list[grids.Axis] = []
        for axis in ("x", "y", "z"):
            column, values = cleaned.get(axis, ""), grids.values_of(cleaned.get(f"{axis}_values", ""))
            if column and values:
                self.axes.append((column, values))
            elif column and f"{axis}_values" not in self.errors:
                self.add_error(f"{axis}_values", gettext("Say at least one value, or choose nothing above."))
        used = [column for column, _values in self.axes]
        if not self.errors and "prompt" not in used and not cleaned.get("prompt", "").strip():
            self.add_error("prompt", gettext("Say what should be in the picture."))
        if not self.errors:
            shared = {name: cleaned[name] for name in ("prompt", "seed") if cleaned.get(name) and name not in used}
            try:
                self.cells = grids.cells(self.axes, shared)
            except BadTable as error:
                self.add_error(None, str(error))
        return cleaned


class ListDownloadForm(StudioForm):
    """How the files of a list's zip are named."""

    template = forms.CharField(
        label=_("File names"),
        max_length=200,
        initial=results.NAME,
        help_text=names.known_fields(results.MORE_FIELDS),
        widget=forms.TextInput(attrs={"class": "in mono", **PLAIN}),
    )
    sidecars = forms.BooleanField(label=_("A JSON file with the settings beside each picture"), required=False)

    def clean_template(self) -> str:
        """Known fields only."""
        template = str(self.cleaned_data["template"])
        names.check(template, results.MORE_FIELDS)
        return template


class ListSettingsForm(StudioFields, ListModelForm):
    """What of a draft can be changed: its name, who sees it, and whether its prompts choose."""

    class Meta:
        model = OrderList
        fields = ("name", "chooses_words", "visibility")
        widgets = {"visibility": Segments(full=False)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.ordered_at:
            del self.fields["chooses_words"]  # what its prompts chose is frozen
            self.fields["visibility"].help_text = _("Pictures that are ordered already stay as they are.")


class WordsForm(StudioFields, WordsModelForm):
    """A list of words."""

    class Meta:
        model = WordList
        fields = ("name", "words")
        widgets = {"words": TextBox({"rows": 14, "class": "in mono"})}

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_name(self) -> str:
        """One list of a name; names are told apart without regard to case."""
        name = str(self.cleaned_data["name"])
        if WordList.objects.visible_to(self.user).filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(gettext("There is a list of words of this name."))
        return name
