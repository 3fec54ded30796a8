"""The LoRA files of ComfyUI's training nodes: prepared for continuing, and respelled for other programs.

They hold `diffusion_model.<module>.lora_up.weight`, `.lora_down.weight` and `.alpha` for every layer of the U-Net, all
as flat matrices, even those of convolutions; `.diff` for every norm and `.diff_b` for every bias. Alpha starts at 1 and
is trained too.
Only one tensor is in memory at a time.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from styles.lora.file.header import Header, Tensor
from styles.lora.metadata.write import head
from styles.models import Source, StyleVersion

if TYPE_CHECKING:  # functions import it: a worker that has never trained needs none of it
    import numpy as np

_NUMBERS_PER_RANK = 3_088_000  # in the layers of SDXL's U-Net, including convolutions
_MODEL = "diffusion_model."
_UP, _ALPHA = ".lora_up.weight", ".alpha"
_DTYPES = {"F32": "<f4", "F16": "<f2"}
_KERNELS = {
    "input_blocks.0.0": 3,
    "out.2": 3,
    ".in_layers.2": 3,
    ".out_layers.3": 3,
    ".skip_connection": 1,
    ".op": 3,
    ".conv": 3,
}

# The layers kohya's network knows of SDXL: attention, feed-forward and projections of transformer blocks, and, if it
# has a rank for convolutions, the layers of residual blocks and the resampling between two resolutions.
_TRANSFORMER = re.compile(
    r"(?:input_blocks\.\d+\.1|middle_block\.1|output_blocks\.\d+\.1)\."
    r"(?:proj_in|proj_out|transformer_blocks\.\d+\.(?:attn[12]\.to_(?:q|k|v|out\.0)|ff\.net\.(?:0\.proj|2)))"
)
_RESIDUAL = re.compile(
    r"(?:input_blocks\.\d+\.0|middle_block\.[02]|output_blocks\.\d+\.0)\."
    r"(?:in_layers\.2|emb_layers\.1|out_layers\.3|skip_connection)"
)
_RESAMPLING = re.compile(r"input_blocks\.\d+\.0\.op|output_blocks\.\d+\.[12]\.conv")

# What the prefix of a module's name stands for, if kohya's network has no such layer.
_WORDS = {
    "time_embed": _("how noisy the picture is (time embedding)"),
    "label_emb": _("size and crop (label embedding)"),
    "input_blocks.0.0": _("the first convolution"),
    "out.": _("the last convolution"),
}
_BIASES = _("norms and biases (left out of every checkpoint)")
_OTHERS = _("other layers")


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor to copy into the new file, with its name and shape there; its numbers are multiplied by `scale`."""

    source: Tensor
    name: str
    shape: tuple[int, ...]
    scale: float = 1.0


def file_size(rank: int, dtype: str) -> int:
    """The approximate size in bytes of a checkpoint of this rank; `dtype` is bf16 or fp32."""
    return rank * _NUMBERS_PER_RANK * (4 if dtype == "fp32" else 2)


def copy(
    source: IO[bytes], header: Header, target: IO[bytes], kept: Iterable[Kept], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file with these tensors of `source`, in this order. Raises EOFError if one is truncated."""
    every = list(kept)
    tensors: dict[str, Tensor] = {}
    at = 0
    for each in every:
        end = at + each.source.end - each.source.start
        tensors[each.name] = Tensor(each.source.dtype, each.shape, at, end)
        at = end
    target.writelines(head(tensors, metadata))
    for each in every:
        data = _data(source, header, each.source)
        target.write(data if each.scale == 1.0 else _scaled(data, each.source.dtype, each.scale))


def checkpoint(source: IO[bytes], header: Header) -> list[Kept]:
    """The tensors a training continues with: the state in which the next segment starts, in every layer.

    When the node continues, it starts `.diff` and `.diff_b` at zero and alpha at 1 again, whatever the file says. So
    the former are left out, and the learned alpha is multiplied into the weights, which changes nothing in pictures.
    """
    alphas = {
        name.removesuffix(_ALPHA): _number(_data(source, header, tensor), tensor.dtype)
        for name, tensor in header.tensors.items()
        if name.startswith(_MODEL) and name.endswith(_ALPHA)
    }
    kept = []
    for name, tensor in header.tensors.items():
        if name.endswith((".diff", ".diff_b")):
            continue
        alpha = alphas.get(name.removesuffix(_ALPHA).removesuffix(_UP)) or 1.0
        scale = alpha if name.endswith(_UP) else 1 / alpha if name.endswith(_ALPHA) else 1.0
        kept.append(Kept(tensor, name, tensor.shape, scale))
    return kept


def _data(source: IO[bytes], header: Header, tensor: Tensor) -> bytes:
    source.seek(header.data_start + tensor.start)
    data = source.read(tensor.end - tensor.start)
    if len(data) != tensor.end - tensor.start:
        raise EOFError("The file is cut off.")
    return data


def _floats(data: bytes, dtype: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    import numpy as np

    if dtype == "BF16":  # the upper half of a 32-bit number
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, _DTYPES[dtype]).astype(np.float32)


def _number(data: bytes, dtype: str) -> float:
    return float(_floats(data, dtype)[0])


def _scaled(data: bytes, dtype: str, scale: float) -> bytes:
    import numpy as np

    values = _floats(data, dtype) * np.float32(scale)
    if dtype != "BF16":
        return values.astype(_DTYPES[dtype]).tobytes()
    bits = values.view(np.uint32)
    nearest = bits + 0x7FFF + ((bits >> 16) & 1)  # round to nearest, ties to even
    return (nearest >> 16).astype("<u2").tobytes()


@dataclass(frozen=True, slots=True)
class Conversion:
    """A file in kohya's layout. `foreign` are modules that ComfyUI reads there but sd-scripts ignores.

    `left_out` are biases and norms, for which it has no place.
    """

    kept: list[Kept]
    metadata: dict[str, str]
    foreign: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def losses(self) -> list[str]:
        """What is lost in programs that only know kohya's own layers, in the reader's language."""
        return [str(words) for words in dict.fromkeys(map(_word, (*self.foreign, *self.left_out)))]


def is_native(header: Header) -> bool:
    """Whether the file is one of these, which `to_kohya` converts."""
    return any(name.startswith(_MODEL) and name.endswith(".lora_up.weight") for name in header.tensors)


def to_kohya(header: Header) -> Conversion:
    """How to write the file in the spelling of kohya's scripts, which most programs read for SDXL.

    Layers that kohya's network lacks are spelled in the same way: programs that have them use them, and without them
    pictures differ visibly.
    """
    kept: list[Kept] = []
    foreign: dict[str, None] = {}
    left_out: list[str] = []
    ranks: dict[bool, int] = {}  # of linear layers and of convolutions
    for name, tensor in header.tensors.items():
        module, part = _parted(name)
        if part in {"diff", "diff_b", ""}:
            left_out.append(f"{module}.{part}")
            continue
        if not _is_known(module):
            foreign[module] = None
        kernel = _kernel(module)
        if part == "lora_down.weight":
            ranks[bool(kernel)] = tensor.shape[0]
        kept.append(Kept(tensor, f"lora_unet_{module.replace('.', '_')}.{part}", _unfolded(tensor, part, kernel)))
    return Conversion(kept, header.metadata | _metadata(ranks), tuple(foreign), tuple(left_out))


def _parted(name: str) -> tuple[str, str]:
    """Module and part of a tensor's name."""
    bare = name.removeprefix(_MODEL)
    for part in ("lora_up.weight", "lora_down.weight", "alpha", "diff_b", "diff"):
        if bare.endswith(f".{part}"):
            return bare.removesuffix(f".{part}"), part
    return bare, ""


def _is_known(module: str) -> bool:
    return any(pattern.fullmatch(module) for pattern in (_TRANSFORMER, _RESIDUAL, _RESAMPLING))


def _kernel(module: str) -> int:
    """The side of the kernel if the module is a convolution, otherwise 0."""
    return next((side for end, side in _KERNELS.items() if module.endswith(end)), 0)


def _unfolded(tensor: Tensor, part: str, kernel: int) -> tuple[int, ...]:
    """The shape with the kernel's sides, which the node folds into the second dimension."""
    if not kernel or len(tensor.shape) != 2:
        return tensor.shape
    rows, columns = tensor.shape
    if part == "lora_down.weight":
        return rows, columns // kernel**2, kernel, kernel
    return rows, columns, 1, 1


def _metadata(ranks: Mapping[bool, int]) -> dict[str, str]:
    rank, of_convolutions = ranks.get(False, 0), ranks.get(True, 0)
    arguments = {"conv_dim": str(of_convolutions), "conv_alpha": "1"} if of_convolutions else {}
    return {
        "format": "pt",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": "1.0",
        "ss_network_args": json.dumps(arguments),
    }


def _word(module: str) -> object:
    if module.endswith((".diff", ".diff_b")):
        return _BIASES
    return next((words for start, words in _WORDS.items() if module.startswith(start)), _OTHERS)


def exported(version: StyleVersion, source: IO[bytes], header: Header) -> IO[bytes] | None:
    """A file trained here, in kohya's layout; None for all others, which are exported unchanged."""
    if version.source != Source.TRAINED or not is_native(header):
        return None
    conversion = to_kohya(header)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    copy(source, header, file, conversion.kept, conversion.metadata)
    file.seek(0)
    return file
