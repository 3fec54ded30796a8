"""Node classes, what they may use while running, and the values passed between nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from PIL import Image

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.painter.brief import Brief, Painter
from stylestudio.preview_engine.painter.control import held as held
from stylestudio.preview_engine.painter.learned import Learned

Graph: TypeAlias = dict[str, dict[str, Any]]
InputSpecs: TypeAlias = dict[str, list[Any]]
Images: TypeAlias = tuple[Image.Image, ...]
CELL = 8  # pixels that a side of a latent's cell stands for


@dataclass(frozen=True, slots=True)
class Model:
    """A MODEL or a CLIP: a checkpoint with LoRAs, in chain order. `learned` holds those that were trained here."""

    checkpoint: str
    loras: tuple[tuple[str, float], ...] = ()
    learned: tuple[tuple[Learned, float], ...] = ()

    def with_lora(self, name: str, strength: float, learned: Learned | None = None) -> Model:
        # As in ComfyUI, a LoRA of strength 0 is ignored.
        if not strength:
            return self
        if learned:
            return replace(self, learned=(*self.learned, (learned, strength)))
        return replace(self, loras=(*self.loras, (name, strength)))


@dataclass(frozen=True, slots=True)
class Conditioning:
    """A CONDITIONING: the words, what their picture's form is held by and how strictly, and what it is to be like."""

    words: str
    control: Image.Image | None = None
    control_strength: float = 0.0
    example: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Latent:
    """A LATENT: empty, encoded pictures, or sampled sketches. Only where `mask` is white sampling changes it."""

    width: int
    height: int
    batch: int
    encoded: Images = ()
    drawn: tuple[tuple[Image.Image, Brief], ...] = ()
    mask: Image.Image | None = None

    def decode(self, painter: Painter) -> Images:
        grey = Image.new("RGB", (self.width, self.height), (128, 128, 128))
        kept = self.encoded or (grey,) * self.batch
        if not self.drawn:
            return kept
        finished = [held(painter.finish(sketch, brief), brief) for sketch, brief in self.drawn]
        return tuple(self.masked(image, kept[place]) for place, image in enumerate(finished))

    def masked(self, image: Image.Image, kept: Image.Image) -> Image.Image:
        """`image` where the mask is white, and what was there before elsewhere; in cells of 8 pixels, as engines do."""
        if self.mask is None:
            return image
        cells = self.mask.resize((self.width // CELL, self.height // CELL), Image.Resampling.BOX)
        mask = cells.resize(image.size, Image.Resampling.NEAREST)
        return Image.composite(image, kept.convert(image.mode).resize(image.size), mask)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a running node may use. `check` raises if the prompt is interrupted; `step` reports a sampling step.

    `train` reports a training step; if quiet, it sends nothing and ignores interrupts. `learned` returns the contents
    of a LoRA that was trained here, None for others.
    """

    files: Files
    painter: Painter
    graph: Graph
    pnginfo: dict[str, Any] | None
    check: Callable[[], None]
    step: Callable[[int, int, Callable[[], Image.Image]], None]
    train: Callable[[int, int, bool], None]
    learned: Callable[[str], Learned | None]


@dataclass(frozen=True, slots=True)
class NodeClass:
    """`run(stage, inputs)` returns the outputs in order; for an output node, what the history shows of it.

    An output node that shows nothing returns None.

    `refuse` returns (input name, reason) if an input value cannot be used, otherwise None.
    `fingerprint` is added to the cache key of nodes whose result depends on more than their inputs.
    `optional` inputs are checked if they are set. `output_names` is set if they differ from the types, `lists` marks
    outputs that are lists, and `more` holds further fields of /object_info. `passes(stage, inputs, shown)` returns the
    outputs of an output node whose outputs other nodes may use.
    """

    name: str
    display_name: str | None
    category: str
    inputs: Callable[[Files], InputSpecs]
    outputs: tuple[str, ...]
    run: Callable[[Stage, dict[str, Any]], Any]
    is_output: bool = False
    hidden: Mapping[str, Any] | None = None
    module: str = "nodes"
    refuse: Callable[[Files, dict[str, Any]], tuple[str, str] | None] | None = None
    fingerprint: Callable[[Files, dict[str, Any]], str] | None = None
    optional: Callable[[Files], InputSpecs] | None = None
    output_names: tuple[str, ...] = ()
    lists: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    passes: Callable[[Stage, dict[str, Any], Any], tuple[Any, ...]] | None = None

    def info(self, files: Files) -> dict[str, Any]:
        """The class in the format of GET /object_info."""
        required = self.inputs(files)
        kinds: dict[str, Any] = {"required": required}
        order = {"required": list(required)}
        if self.optional:
            kinds["optional"] = self.optional(files)
            order["optional"] = list(kinds["optional"])
        if self.hidden:
            kinds["hidden"] = dict(self.hidden)
            order["hidden"] = list(self.hidden)
        return {
            "input": kinds,
            "input_order": order,
            "output": list(self.outputs),
            "output_is_list": [self.lists] * len(self.outputs),
            "output_name": list(self.output_names or self.outputs),
            "name": self.name,
            "display_name": self.display_name,
            "description": "",
            "python_module": self.module,
            "category": self.category,
            "output_node": self.is_output,
            **self.more,
        }
