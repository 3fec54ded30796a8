"""What a node class is, what it may use while it runs, and what goes from one node to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from PIL import Image

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.painter.brief import Brief, Painter
from stylestudio.preview_engine.painter.learned import Learned

Graph: TypeAlias = dict[str, dict[str, Any]]
InputSpecs: TypeAlias = dict[str, list[Any]]
Images: TypeAlias = tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A MODEL or a CLIP: a checkpoint with LoRAs on it, in chain order. `learned` are those that were trained here."""

    checkpoint: str
    loras: tuple[tuple[str, float], ...] = ()
    learned: tuple[tuple[Learned, float], ...] = ()

    def with_lora(self, name: str, strength: float, learned: Learned | None = None) -> Model:
        # As in ComfyUI, a LoRA without strength is not there at all.
        if not strength:
            return self
        if learned:
            return replace(self, learned=(*self.learned, (learned, strength)))
        return replace(self, loras=(*self.loras, (name, strength)))


@dataclass(frozen=True, slots=True)
class Latent:
    """A LATENT: empty, or pictures that were encoded, or sketches that were sampled."""

    width: int
    height: int
    batch: int
    encoded: Images = ()
    drawn: tuple[tuple[Image.Image, Brief], ...] = ()

    def decode(self, painter: Painter) -> Images:
        if self.drawn:
            return tuple(painter.finish(sketch, brief) for sketch, brief in self.drawn)
        grey = Image.new("RGB", (self.width, self.height), (128, 128, 128))
        return self.encoded or (grey,) * self.batch


@dataclass(frozen=True, slots=True)
class Stage:
    """What a running node may use. `check` raises when the prompt is interrupted; `step` reports one sampling step.

    `train` reports one training step; quietly it tells nobody and no interrupt gets through. `learned` is what a LoRA
    that was trained here holds, None for others.
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
    """`run(stage, inputs)` gives the outputs in order, or for an output node what history shows of it.

    An output node that shows nothing gives None.

    `refuse` says why an input value cannot be used, None when it can, as (input name, reason).
    `fingerprint` joins the cache key, for nodes whose result depends on more than their inputs.
    `optional` inputs are checked where they are given. `output_names` where they are not the types, `lists` says which
    outputs are lists, `more` is what /object_info tells besides. `passes(stage, inputs, shown)` gives the outputs of an
    output node that others may go on from.
    """

    name: str
    display_name: str
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
        """The class as GET /object_info describes it."""
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
