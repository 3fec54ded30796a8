"""Copying a LoRA with other metadata. The tensors' bytes and order stay the same."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from django.utils.translation import gettext

from styles.lora.file.hashes import CHUNK, tensors_sha256
from styles.lora.file.header import MOST_HEADER, BadLora, Header, Tensor
from styles.lora.file.long_text import LongText
from styles.lora.file.values import MOST_JSON, parsed
from styles.lora.metadata.facts import Thumbnail
from styles.lora.metadata.triggers import training_folders
from stylestudio.comfy.sketch_mark import MARK, is_sketch

SPEC_VERSION = "1.0.1"
_ARCHITECTURE = "stable-diffusion-xl-v1-base/lora"
# The standard's value for an adapter of SDXL: it names the code whose naming the tensors follow.
_IMPLEMENTATION = "https://github.com/Stability-AI/generative-models"
_ALIGNMENT = 8
# For a LoRA that is not for SDXL at all.
_SKETCH = {"modelspec.architecture": f"{MARK}/lora", "modelspec.implementation": "StyleStudio preview engine"}

# Metadata with folders of the computer that trained it.
_PRIVATE = {"ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_datasets", "ss_config_file", "ot_config"}
_PATHS = {"ss_sd_model_name", "ss_vae_name"}
_TAGS, _FOLDERS = "ss_tag_frequency", "ss_dataset_dirs"


@dataclass(frozen=True, slots=True)
class Label:
    """The metadata to write. Empty or None leaves the file's own value.

    `extra` is written as it is, for the keys of stylestudio.*.
    """

    title: str
    author: str = ""
    description: str = ""
    licence: str = ""
    usage_hint: str = ""
    triggers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    weight: float | None = None
    resolution: tuple[int, int] = (1024, 1024)
    made_at: datetime | None = None
    thumbnail: Thumbnail | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def write_lora(
    source: IO[bytes],
    header: Header,
    target: IO[bytes],
    label: Label,
    *,
    digest: str = "",
    without_folders: bool = False,
) -> None:
    """Copy `source`, whose header is given, to `target`, a megabyte at a time.

    `digest` is the hash of its tensors; without it, the whole file is read once more to compute it. All ss_* metadata
    is kept; `without_folders` removes the names of folders where it was trained. Raises BadLora if the metadata becomes
    larger than this package reads.
    """
    old = _without_folders(header.metadata) if without_folders else header.metadata
    metadata = {"format": "pt"} | old | spec(label, digest or tensors_sha256(source, header)) | dict(label.extra)
    if is_sketch(header.metadata, header.tensors):
        metadata |= _SKETCH
    long_texts = {key: text for key, text in header.long_texts.items() if key not in metadata}
    if without_folders:
        long_texts = {key: text for key, text in long_texts.items() if key not in {*_PRIVATE, _TAGS}}
    target.writelines(head(header.tensors, metadata, long_texts))
    source.seek(header.data_start)
    while chunk := source.read(CHUNK):
        target.write(chunk)


def spec(label: Label, sha256: str) -> dict[str, str]:
    """The modelspec.* metadata of a LoRA whose tensors have this hash."""
    thumbnail = label.thumbnail
    values = {
        "sai_model_spec": SPEC_VERSION,
        "architecture": _ARCHITECTURE,
        "implementation": _IMPLEMENTATION,
        "title": label.title,
        "resolution": "{}x{}".format(*label.resolution),
        "description": label.description,
        "author": label.author,
        "date": label.made_at.isoformat(timespec="seconds") if label.made_at else "",
        "hash_sha256": f"0x{sha256}",
        "license": label.licence,
        "usage_hint": label.usage_hint,
        "tags": ", ".join(label.tags),
        "trigger_phrase": ", ".join(label.triggers),
        "lora_default_weight": "" if label.weight is None else f"{label.weight:g}",
        "thumbnail": _data_uri(thumbnail) if thumbnail else "",
    }
    return {f"modelspec.{key}": value for key, value in values.items() if value}


def head(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], long_texts: Mapping[str, LongText] | None = None
) -> list[bytes | memoryview]:
    """A file's beginning: length and header, padded with spaces so that the data starts at a multiple of eight.

    In several parts, so that `long_texts` are not copied. Raises BadLora if the header exceeds the format's limit.
    """
    described = {
        name: {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (tensor.start, tensor.end)}
        for name, tensor in tensors.items()
    }
    if sum(map(len, metadata.values())) > MOST_HEADER:
        raise _too_much()
    parts: list[bytes | memoryview] = [b'{"__metadata__":' + _json(dict(metadata))[:-1]]
    for key, text in (long_texts or {}).items():
        parts += [b"," if len(parts) > 1 or metadata else b"", _json(key), b":", text.raw]
    parts.append(b"}" + (b"," + _json(described)[1:] if described else b"}"))
    length = sum(map(len, parts))
    padding = -length % _ALIGNMENT
    if length + padding > MOST_HEADER:
        raise _too_much()
    return [(length + padding).to_bytes(8, "little"), *parts, b" " * padding]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _too_much() -> BadLora:
    return BadLora(gettext("This LoRA would carry too much metadata. Choose a smaller picture or a shorter text."))


def _data_uri(thumbnail: Thumbnail) -> str:
    return f"data:image/{thumbnail.kind};base64,{base64.b64encode(thumbnail.data).decode()}"


def _without_folders(metadata: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in metadata.items() if key not in _PRIVATE}
    for key in _PATHS & kept.keys():
        kept[key] = re.split(r"[/\\]", kept[key])[-1]
    if _TAGS in kept:
        frequency = parsed(kept.pop(_TAGS), MOST_JSON)
        if isinstance(frequency, dict):
            # Folders with such names yield no trigger words. Their picture counts are still needed to interpret the tag
            # counts, and to tell that regularisation folders are not among them.
            sizes = training_folders(metadata)
            numbered = {f"{number}_img": tags for number, tags in enumerate(frequency.values(), start=1)}
            kept[_TAGS] = json.dumps(numbered)
            kept[_FOLDERS] = json.dumps(
                {
                    f"{number}_img": {"img_count": sizes[folder]}
                    for number, folder in enumerate(frequency, start=1)
                    if folder in sizes
                }
            )
    return kept
