"""What a recipe is: graphs, the files they need, the fields that people see, and where styles are plugged in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from stylestudio.comfy.graphs.graph import Graph, GraphError
from stylestudio.comfy.graphs.workflow import Form as Form
from stylestudio.comfy.graphs.workflow import Lora, Source, Workflow, chain_loras, hold_form

# Placeholders that every order fills, besides those of the recipe's own files and fields.
GIVEN: Mapping[str, str] = {
    "positive": "text",
    "width": "integer",
    "height": "integer",
    "seed": "integer",
    "filename_prefix": "text",
    "reference": "picture",
    "mask": "picture",
    "braces": "text",
}
OWN = "own-"  # what names of a studio's own recipes begin with, and those of no others
CHANGED = frozenset({"mask", "larger"})  # outputs of what only changes a picture: what is in front of it; larger
READ = frozenset({"depth", "pose"})  # outputs of what only reads a control picture of this kind from a picture
KINDS = ("canny", "lines", "depth", "pose")  # of control pictures; the file that understands them has the role CONTROL
# Roles of the pictures that every job may be given, so that no recipe calls one that it asks for like this.
ROLES = CONTROL, SOURCE, FITTED = ("control", "source", "fitted")
BRACES = "{{"  # what `braces` always stands for, so that a graph may contain it
# A placeholder of these types is a whole input, never a part of a longer text.
WHOLE = frozenset({"integer", "number", "choice", "picture", "file"})


@dataclass(frozen=True, slots=True)
class Words:
    """A text in the languages of the studio; as a string it is in the reader's."""

    en: str
    zh_hans: str

    def __str__(self) -> str:
        return self.zh_hans if (get_language() or "").startswith("zh") else self.en


NO_WORDS = Words("", "")


@dataclass(frozen=True, slots=True)
class File:
    """A file that engines need. `setting` is the variable that names it for the whole studio, `style` the field by
    which a style may name its own.
    """

    folder: str
    name: str
    placeholder: str
    source: str
    licence: str
    setting: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A setting that people see. Numbers go from `least` to `most`, and are multiplied by `factor` in graphs."""

    name: str
    type: str  # text, integer, number, choice or switch
    label: Words
    default: Any
    advanced: bool
    help: Words = NO_WORDS
    least: float | None = None
    most: float | None = None
    step: float | None = None
    factor: int = 1
    choices: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers, with two ends."""
        return self.least is not None and self.most is not None

    def problem(self, value: Any) -> str:
        """What is wrong with a value, in the reader's language; "" if it can be made."""
        if self.least is not None and self.most is not None:
            if isinstance(value, int | float) and self.least <= value <= self.most:
                return ""
            ends = {"label": self.label, "least": self.least, "most": self.most}
            return _("%(label)s: choose %(least)g to %(most)g.") % ends
        if self.choices and value not in self.choices:
            words = _("%(label)s: choose one of %(choices)s.")
            return words % {"label": self.label, "choices": ", ".join(self.choices)}
        if self.type == "switch" and not isinstance(value, bool):
            return _("%(label)s: choose on or off.") % {"label": self.label}
        return ""

    def read(self, text: object) -> Any:
        """The value that a posted text stands for; None if that is none that can be made."""
        value: Any = text
        if self.is_number:
            try:
                value = int(str(text)) if self.type == "integer" else float(str(text))
            except ValueError:
                return None
        if self.type == "switch":
            value = {"true": True, "false": False}.get(str(text).lower())
        return None if self.problem(value) else value


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that people give besides the one to start from."""

    name: str
    label: Words
    help: Words = NO_WORDS

    @property
    def lacking(self) -> str:
        """What to tell somebody who gave none."""
        return _("%(label)s: choose a picture.") % {"label": self.label}


@dataclass(frozen=True, slots=True)
class Slots:
    """Where other things are plugged in. Styles go behind the output `model` and the output `clip` of two nodes, or
    behind the first alone if there is no `clip`; without `model` the recipe takes none. The others are the nodes of the
    accelerator, of the picture to start from, of the mask that says which part of it is made anew, and of the negative
    prompt.
    """

    model: Source | None
    clip: Source | None = None
    accelerator: str = ""
    reference: str = ""
    mask: str = ""
    negative: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """How the form of its pictures is held: by a control model between the prompts and what samples. `positive` and
    `negative` are the outputs of the two prompts, `types` what the model calls each kind of control picture, "" if it
    knows that kind alone.
    """

    positive: Source
    negative: Source
    file: File
    types: Mapping[str, str]

    @property
    def classes(self) -> frozenset[str]:
        """The node classes that engines need for it."""
        usual = {"LoadImage", "ControlNetLoader", "ControlNetApplyAdvanced"}
        return frozenset(usual | ({"SetUnionControlNetType"} if any(self.types.values()) else set()))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A version of a recipe. `document` is all of it as JSON, of which `sha256` is the digest."""

    name: str
    version: int
    family: str
    title: Words
    summary: Words
    source: tuple[str, ...]
    comfyui: str  # the least version
    graphs: Mapping[str, Workflow]  # by what pictures start from: text, image, edit
    files: Mapping[str, File]  # by role, in the order in which engines load them
    fields: Mapping[str, Field]
    pictures: Mapping[str, Picture]  # that every graph takes besides reference and mask, by name
    slots: Slots
    outputs: Mapping[str, str]
    shapes: tuple[str, ...]
    mutes_negative_at_cfg: float | None
    unused: frozenset[str]  # of what every graph usually needs: what none of its graphs has
    packages: Mapping[str, str]  # by node class that ComfyUI itself does not have: where people get it
    control: Control | None  # None if there is no model that holds the form of its pictures
    keeps: Words  # what its pictures keep of the one they start from, if that is an example
    sha256: str
    document: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_own(self) -> bool:
        """Whether it was made in this studio, and did not come with it."""
        return self.name.startswith(OWN)

    @property
    def facts(self) -> dict[str, Any]:
        """What a snapshot says of it."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}

    @property
    def defaults(self) -> dict[str, Any]:
        """The usual value of each field."""
        return {name: each.default for name, each in self.fields.items()}

    def classes(self, mode: str) -> frozenset[str]:
        """The node classes that engines need."""
        return self.graphs[mode].classes

    @property
    def makes_text(self) -> bool:
        """Whether it makes no picture, but a text: about a picture, or if it starts from words, of these."""
        return "text" in self.outputs

    @property
    def changes_pictures(self) -> bool:
        """Whether it makes no new picture, but changes the one that it starts from: the studio lays what the engine
        sends on that.
        """
        return bool(self.outputs.keys() & CHANGED)

    @property
    def only_edits(self) -> bool:
        """Whether all that it can do is to make a part of a picture anew."""
        return {*self.graphs} == {"edit"}

    @property
    def reads(self) -> str:
        """The kind of control picture that it reads from the picture that it starts from; "" if it makes others."""
        return next(iter(self.outputs.keys() & READ), "")

    @property
    def purpose(self) -> str:
        """What it is for: picture, change (of one that is there), control (a control picture read from one), caption or
        translation.
        """
        if self.makes_text:
            return "caption" if "image" in self.graphs else "translation"
        return "control" if self.reads else "change" if self.changes_pictures else "picture"

    @property
    def takes_example(self) -> bool:
        """Whether it takes the picture that it starts from as an example, and does not paint over it."""
        return self.keeps != NO_WORDS

    @property
    def takes_styles(self) -> bool:
        """Whether styles can be mixed into its pictures."""
        return self.slots.model is not None

    @property
    def takes_size(self) -> bool:
        """Whether width and height of an order count for its pictures."""
        return any({"width", "height"} & graph.placeholders for graph in self.graphs.values())

    def is_muted(self, cfg: object) -> bool:
        """Whether the negative prompt does nothing at this cfg."""
        try:
            return self.mutes_negative_at_cfg is not None and float(str(cfg)) == self.mutes_negative_at_cfg
        except ValueError:
            return False

    def build(
        self,
        mode: str,
        values: Mapping[str, Any],
        files: Mapping[str, str],
        loras: Iterable[tuple[str, float]],
        form: Form | None = None,
    ) -> Graph:
        """The graph of one picture. `values` are those of GIVEN, of the fields and the pictures, `files` names by role,
        `loras` names and weights of styles, `form` is what holds its form. Raises GraphError if something is missing.
        """
        named = {each.placeholder: files[role] for role, each in self.files.items() if role in files}
        known = {**values, **named, "braces": BRACES}
        for name, each in self.fields.items():
            if each.factor != 1 and name in known:
                known[name] = known[name] * each.factor
        flow = self.graphs[mode]
        filled = flow.fill({name: known[name] for name in flow.placeholders if name in known})
        if form and self.control is None:
            raise GraphError(f"{self.name} cannot hold a form.")
        if form and self.control:
            filled = hold_form(filled, form, self.control.positive, self.control.negative)
        styles = [Lora(name, weight, weight) for name, weight in loras]
        if self.slots.model is None:
            if styles:
                raise GraphError(f"{self.name} takes no styles.")
            return filled
        return chain_loras(filled, styles, self.slots.model, self.slots.clip)

    def samples(self) -> Sequence[Graph]:
        """A graph of each mode with the usual settings and a style, to see whether an engine's nodes fit."""
        given = {name: "" if kind in ("text", "picture") else 1024 for name, kind in GIVEN.items()}
        given |= self.defaults | dict.fromkeys(self.pictures, "")
        nameless = dict.fromkeys(self.files, "")
        styles = [("", 1.0)] if self.takes_styles else []
        return [self.build(mode, given, nameless, styles) for mode in self.graphs]
