"""The node classes that train a LoRA: those of a new ComfyUI, and those of an old one if they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from PIL import Image, ImageDraw, ImageOps

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.node_class import Images, InputSpecs, Latent, NodeClass, Stage
from stylestudio.preview_engine.nodes.pictures import SEED_COUNT, encoded
from stylestudio.preview_engine.painter.learned import Learned
from stylestudio.preview_engine.painter.measures import swatch
from stylestudio.preview_engine.training import sketch_files
from stylestudio.preview_engine.training.learning import LOSSES, OPTIMIZERS, Recipe, Training

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LARGEST = 512  # pixels; training uses fewer, and a whole set is held in memory
NOTHING = "[None]"
MODULE = "comfy_extras.nodes_train"
DTYPES = ["bf16", "fp32"]
ALGORITHMS = ["LoRA", "LoHa", "LoKr", "OFT"]
RESIZING = ["None", "Stretch", "Crop", "Pad"]
NEW = {"output_matchtypes": None, "deprecated": False, "experimental": True, "api_node": False}
OLD = {"experimental": True}
HIDDEN = {"prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]}
OLD_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_OTHER = "Your input image size does not match the first image in the dataset. "
OTHER_SIZE = f"{_OTHER}Either select a valid resize method or use the same size for all images."


@dataclass(frozen=True, slots=True)
class Trained:
    """A LORA_MODEL: what was learned, and how to store it."""

    learned: Learned
    dtype: Literal["bf16", "fp32"]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of a set with its caption, "" if it has none."""

    image: Image.Image
    caption: str


def _examples(files: Files, folder: str) -> Iterator[Example]:
    """The pictures of an input folder and its subfolders, one by one; those in `3_name` three times."""
    top = files.folder("input")
    paths: list[Path] = []
    for path in sorted((top / folder).iterdir()):
        if path.is_dir():
            times, _, _ = path.name.partition("_")
            inside = [inner for inner in sorted(path.iterdir()) if _is_picture(inner)]
            paths += inside * (int(times) if times.isdigit() else 1)
        elif _is_picture(path):
            paths.append(path)
    if not paths:
        raise ValueError("No valid images found in input")
    for path in paths:
        yield Example(_opened(path), _caption(top, path))


def _is_picture(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.convert("RGB")


def _caption(top: Path, path: Path) -> str:
    # As in the real node, the suffix is replaced wherever it occurs, so a.png.png has no caption.
    name = path.relative_to(top).as_posix().replace(path.suffix, ".txt")
    told = top / name
    return told.read_text("utf-8").strip() if told.is_file() else ""


def _smaller(image: Image.Image) -> Image.Image:
    image.thumbnail((LARGEST, LARGEST))
    return image


def _load_set(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    images, captions = [], []
    for example in _examples(stage.files, inputs["folder"]):
        images.append(_smaller(example.image))
        captions.append(example.caption)
    return tuple(images), tuple(captions)


def _load_old_set(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    if "resize_method" not in inputs:
        name = "LoadImageTextSetFromFolderNode.load_images()"
        raise TypeError(f"{name} missing 1 required positional argument: 'resize_method'")
    images: list[Image.Image] = []
    captions: list[str] = []
    size = (0, 0)  # of the first picture, unless something else is set
    for example in _examples(stage.files, inputs["folder"]):
        if not images:
            width, height = example.image.size
            size = (max(inputs.get("width", -1), 0) or width, max(inputs.get("height", -1), 0) or height)
        images.append(_smaller(_resized(example.image, size, inputs["resize_method"])))
        # The old node encodes an empty caption twice, which makes the training fail.
        captions += [example.caption] if example.caption else ["", ""]
    return tuple(images), tuple(captions)


def _resized(image: Image.Image, size: tuple[int, int], method: str) -> Image.Image:
    if method == "Stretch":
        return image.resize(size)
    if method == "Crop":
        return ImageOps.fit(image, size)
    if method == "Pad":
        return ImageOps.pad(image, size)
    if image.size != size:
        raise ValueError(OTHER_SIZE)
    return image


def _make_set(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    images: Images = inputs["images"]
    given = inputs.get("texts") or ("",)
    texts = (given,) if isinstance(given, str) else tuple(given)
    count = len(images)
    if len(texts) == 1:
        texts *= count
    if len(texts) != count:
        raise ValueError(
            f"Number of texts ({len(texts)}) does not match number of images ({count}). "
            f"Text list should have length {count}, 1, or 0."
        )
    latents = []
    for image in images:
        stage.check()
        latents.append(encoded((image,)))
    return tuple(latents), texts


def train(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return _trained(stage, inputs, quiet=False)


def _train_quietly(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return _trained(stage, inputs, quiet=True)


def _trained(stage: Stage, inputs: dict[str, Any], *, quiet: bool) -> tuple[Any, ...]:
    """Model, LoRA, losses, total steps. Precision and algorithm affect only the file."""
    latents: Sequence[Latent] = inputs["latents"] if isinstance(inputs["latents"], tuple) else (inputs["latents"],)
    pictures = [picture for latent in latents for picture in latent.decode(stage.painter)]
    positive = inputs["positive"]
    conditions = 1 if isinstance(positive, str) else len(positive)
    if conditions not in (1, len(pictures)):
        raise ValueError(
            f"Number of positive conditions ({conditions}) does not match number of images ({len(pictures)})."
        )
    start, steps_before = _existing(stage, inputs["existing_lora"])
    recipe = Recipe(
        learning_rate=inputs["learning_rate"],
        rank=inputs["rank"],
        batch_size=inputs["batch_size"],
        accumulation=inputs["grad_accumulation_steps"],
        optimizer=inputs["optimizer"],
        loss_function=inputs["loss_function"],
        seed=inputs["seed"],
    )
    training = Training([swatch(picture) for picture in pictures], recipe, start)
    micro_steps = inputs["steps"] * recipe.accumulation
    losses = []
    for step in range(1, micro_steps + 1):
        losses.append(training.step())
        stage.train(step, micro_steps, quiet)
    learned = training.learned()
    lora = Trained(learned, inputs["lora_dtype"])
    model = inputs["model"].with_lora("", 1.0, learned)
    return model, lora, {"loss": losses}, inputs["steps"] + steps_before


def _existing(stage: Stage, name: str) -> tuple[Learned | None, int]:
    """What to continue from, and the number of steps in its name; ValueError if the name has none."""
    if name == NOTHING:
        return None, 0
    steps = int(name.partition("_steps_")[0].rpartition("_")[2])
    return stage.learned(name), steps


def _load_trained(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    lora: Trained = inputs["lora"]
    return (inputs["model"].with_lora("", inputs["strength_model"], lora.learned),)


def _save_trained(stage: Stage, inputs: dict[str, Any]) -> None:
    lora: Trained = inputs["lora"]
    stage.files.save_lora(sketch_files.packed(lora.learned, lora.dtype), inputs["prefix"], inputs.get("steps"))


def _loss_graph(stage: Stage, inputs: dict[str, Any]) -> dict[str, Any]:
    losses: list[float] = inputs["loss"]["loss"]
    low, high = min(losses), max(losses)
    if low == high:
        raise ZeroDivisionError("float division by zero")
    width, height, margin = 800, 480, 40
    graph = Image.new("RGB", (width + margin, height + margin), "white")
    draw = ImageDraw.Draw(graph)
    points = [
        (margin + place / len(losses) * width, height - (loss - low) / (high - low) * height)
        for place, loss in enumerate(losses)
    ]
    draw.line(points, fill="blue", width=2)
    draw.line([(margin, 0), (margin, height), (margin + width, height)], fill="black", width=2)
    # The real node ignores the requested prefix too.
    saved = stage.files.save([graph], f"ComfyUI_temp_{uuid4().hex[:5]}", "temp", stage.graph, stage.pnginfo)
    return {"images": [file.as_json() for file in saved], "animated": [False]}


def combo(options: list[str], default: str | None = None) -> list[Any]:
    """The choices of an input in the format of newer node classes."""
    named = {} if default is None else {"default": default}
    return ["COMBO", {**named, "multiselect": False, "options": options}]


def _old_combo(options: list[str], default: str | None = None) -> list[Any]:
    return [options, {} if default is None else {"default": default}]


def new_training_inputs(files: Files) -> InputSpecs:
    return {**_shared_inputs(files, combo), "bucket_mode": ["BOOLEAN", {"default": False}]}


def _old_training_inputs(files: Files) -> InputSpecs:
    return _shared_inputs(files, _old_combo)


def _shared_inputs(files: Files, combo: Any) -> InputSpecs:
    return {
        "model": ["MODEL", {}],
        "latents": ["LATENT", {}],
        "positive": ["CONDITIONING", {}],
        "batch_size": ["INT", {"default": 1, "min": 1, "max": 10000}],
        "grad_accumulation_steps": ["INT", {"default": 1, "min": 1, "max": 1024}],
        "steps": ["INT", {"default": 16, "min": 1, "max": 100000}],
        "learning_rate": ["FLOAT", {"default": 0.0005, "min": 1e-07, "max": 1.0, "step": 1e-07}],
        "rank": ["INT", {"default": 8, "min": 1, "max": 128}],
        "optimizer": combo(list(OPTIMIZERS), "AdamW"),
        "loss_function": combo(list(LOSSES), "MSE"),
        "seed": ["INT", {"default": 0, "min": 0, "max": SEED_COUNT - 1}],
        "training_dtype": combo(DTYPES, "bf16"),
        "lora_dtype": combo(DTYPES, "bf16"),
        "algorithm": combo(ALGORITHMS, "LoRA"),
        "gradient_checkpointing": ["BOOLEAN", {"default": True}],
        "existing_lora": combo([*files.loras(), NOTHING], NOTHING),
    }


def _saving_inputs(files: Files) -> InputSpecs:
    return {
        "lora": ["LORA_MODEL", {}],
        "prefix": ["STRING", {"default": "loras/ComfyUI_trained_lora", "multiline": False}],
    }


def _loading_inputs(files: Files) -> InputSpecs:
    strength = {"default": 1.0, "min": -100.0, "max": 100.0}
    return {"model": ["MODEL", {}], "lora": ["LORA_MODEL", {}], "strength_model": ["FLOAT", strength]}


def _graph_inputs(files: Files) -> InputSpecs:
    return {"loss": ["LOSS_MAP", {}], "filename_prefix": ["STRING", {"default": "loss_graph", "multiline": False}]}


TRAIN = NodeClass(
    "TrainLoraNode",
    "Train LoRA",
    "training",
    new_training_inputs,
    ("MODEL", "LORA_MODEL", "LOSS_MAP", "INT"),
    train,
    module=MODULE,
    output_names=("model", "lora", "loss_map", "steps"),
    more=NEW,
)
SAVE = NodeClass(
    "SaveLoRA",
    "Save LoRA Weights",
    "loaders",
    _saving_inputs,
    (),
    _save_trained,
    is_output=True,
    hidden=HIDDEN,
    module=MODULE,
    optional=lambda files: {"steps": ["INT", {}]},
    more=NEW,
)
LOAD = NodeClass(
    "LoraModelLoader",
    "Load LoRA Model",
    "loaders",
    _loading_inputs,
    ("MODEL",),
    _load_trained,
    module=MODULE,
    output_names=("model",),
    more=NEW,
)
GRAPH = NodeClass(
    "LossGraphNode",
    "Plot Loss Graph",
    "training",
    _graph_inputs,
    (),
    _loss_graph,
    is_output=True,
    hidden=HIDDEN,
    module=MODULE,
    more=NEW,
)

NEW_CLASSES = (
    NodeClass(
        "LoadImageTextDataSetFromFolder",
        "Load Image and Text Dataset from Folder",
        "dataset",
        lambda files: {"folder": combo(files.input_folders())},
        ("IMAGE", "STRING"),
        _load_set,
        module="comfy_extras.nodes_dataset",
        output_names=("images", "texts"),
        lists=True,
        more=NEW,
    ),
    NodeClass(
        "MakeTrainingDataset",
        "Make Training Dataset",
        "dataset",
        lambda files: {"images": ["IMAGE", {}], "vae": ["VAE", {}], "clip": ["CLIP", {}]},
        ("LATENT", "CONDITIONING"),
        _make_set,
        module="comfy_extras.nodes_dataset",
        optional=lambda files: {"texts": ["STRING", {"multiline": False}]},
        output_names=("latents", "conditioning"),
        lists=True,
        more=NEW,
    ),
    TRAIN,
    SAVE,
    LOAD,
    GRAPH,
)

OLD_CLASSES = (
    NodeClass(
        "LoadImageTextSetFromFolderNode",
        "Load Image and Text Dataset from Folder",
        "loaders",
        lambda files: {"folder": _old_combo(files.input_folders()), "clip": ["CLIP", {}]},
        ("IMAGE", "CONDITIONING"),
        _load_old_set,
        module=MODULE,
        optional=lambda files: {
            "resize_method": _old_combo(RESIZING, "None"),
            "width": ["INT", {"default": -1, "min": -1, "max": 10000, "step": 1}],
            "height": ["INT", {"default": -1, "min": -1, "max": 10000, "step": 1}],
        },
        more=OLD,
    ),
    replace(
        TRAIN,
        inputs=_old_training_inputs,
        run=_train_quietly,
        output_names=("model_with_lora", "lora", "loss", "steps"),
        more=OLD,
    ),
    replace(
        SAVE,
        name="SaveLoRANode",
        hidden=None,
        optional=lambda files: {"steps": ["INT", {"forceInput": True}]},
        more=OLD,
    ),
    replace(LOAD, output_names=(), more=OLD),
    replace(GRAPH, hidden=OLD_HIDDEN, more=OLD),
)
