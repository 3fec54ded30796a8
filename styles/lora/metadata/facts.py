"""What a LoRA's metadata says. Nothing in it is trusted; malformed values are ignored."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from styles.lora.file.long_text import LongText
from styles.lora.file.values import LONG, SHORT, moment, number, parsed, size, text, whole
from styles.lora.metadata.lora_sidecars import Note
from styles.lora.metadata.triggers import trigger_words

MOST_THUMBNAIL = 2 * 2**20  # bytes
MOST_WEIGHT = 10.0  # in either direction; sliders are made for up to 8

# Models derived from SDXL; a LoRA for one of them mostly has little effect on plain SDXL and on the others. In names
# such as realityPony_v2 words are joined.
_MODELS = (
    ("Pony", r"(?:(?i:(?<![a-z])pony|ponydiffusion)|(?<=[a-z])P(?:ony|ONY))(?!(?i:tail))"),
    ("NoobAI", r"(?i:(?<![a-z])noob(?:ai)?(?![a-z])|noobai)|(?<=[a-z])Noob"),
    ("Illustrious", r"(?i:illustrious|(?<![a-z])ilxl)|(?<![A-Za-z])(?:il|IL)(?=[vV]\d|[_.\s-]|\Z)"),
    ("Animagine", r"(?i:animagine)"),
)

_DATA_URI = re.compile(r"data:image/(png|jpeg|jpg|webp);base64,")
_HASH = re.compile(r"(?:0x)?([0-9a-f]{8,64})\Z")
# Metadata about the training, in the order in which people look for it.
_TRAINING: dict[str, str | Promise] = {
    "ss_network_module": _("Network"),
    "ss_network_dim": _("Rank"),
    "ss_network_alpha": _("Alpha"),
    "ss_network_dropout": _("Network dropout"),
    "ss_network_args": _("Network options"),
    "ss_num_train_images": _("Pictures, with repeats"),
    "ss_resolution": _("Training size"),
    "ss_steps": _("Steps"),
    "ss_max_train_steps": _("Planned steps"),
    "ss_epoch": _("Epoch"),
    "ss_num_epochs": _("Planned epochs"),
    "ss_total_batch_size": _("Pictures per batch"),
    "ss_gradient_accumulation_steps": _("Batches per step"),
    "ss_learning_rate": _("Learning rate"),
    "ss_unet_lr": _("Learning rate of the U-Net"),
    "ss_text_encoder_lr": _("Learning rate of the text encoders"),
    "ss_optimizer": _("Optimizer"),
    "ss_lr_scheduler": _("Learning rate schedule"),
    "ss_lr_warmup_steps": _("Warm-up steps"),
    "ss_noise_offset": _("Noise offset"),
    "ss_min_snr_gamma": _("Min-SNR gamma"),
    "ss_caption_dropout_rate": _("Caption dropout"),
    "ss_mixed_precision": _("Precision"),
    "ss_clip_skip": _("Clip skip"),
    "ss_seed": _("Seed"),
    "ss_training_comment": _("Comment"),
}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture from the metadata. `kind` is png, jpeg or webp as the file claims; it has not been decoded yet."""

    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """What a LoRA says about itself; empty or None if it says nothing.

    Texts are clipped and free of control characters. All files of one training run have the same `session`; `epoch` and
    `steps` tell them apart. `base_hash` is a SHA-256, or an older and shorter hash. `tensors_sha256` is what the file
    claims; if it differs from the real hash, the tensors were changed later or are damaged. `training` holds metadata
    keys with their values; `labelled` names them in the reader's language.
    `triggers` are those the makers wrote down; `proposed` are words that only the captions suggest; `left_out` are
    triggers that are too long or too many. `weight` is from -MOST_WEIGHT to MOST_WEIGHT, and `odd_weight` is one
    outside; `safe` is the recommended range. `made_for` is a model derived from SDXL whose LoRAs suit no other, such as
    Pony.
    """

    title: str = ""
    author: str = ""
    description: str = ""
    licence: str = ""
    usage_hint: str = ""
    triggers: tuple[str, ...] = ()
    proposed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    weight: float | None = None
    odd_weight: float | None = None
    safe: tuple[float, float] | None = None
    base_name: str = ""
    made_for: str = ""
    base_version: str = ""
    base_hash: str = ""
    tensors_sha256: str = ""
    software: str = ""
    session: str = ""
    output_name: str = ""
    epoch: int | None = None
    steps: int | None = None
    resolution: tuple[int, int] | None = None
    made_at: datetime | None = None
    trained_from: datetime | None = None
    trained_until: datetime | None = None
    thumbnail: Thumbnail | None = None
    training: tuple[tuple[str, str], ...] = ()


def read_facts(
    metadata: Mapping[str, str], note: Note | None = None, long_texts: Mapping[str, LongText] | None = None
) -> Facts:
    """Extract the facts from the metadata, and from the files beside the LoRA if it does not have them.
    Never raises.
    """
    note = note or Note()
    long_texts = long_texts or {}
    steps, epoch = _progress(metadata)
    words = trigger_words(metadata, note.triggers, long_texts)
    weight, odd_weight = _weights(number(metadata.get("modelspec.lora_default_weight")), note.weight)
    base_name = _file_name(metadata.get("ss_sd_model_name")) or note.base
    thumbnail = long_texts.get("modelspec.thumbnail")
    return Facts(
        title=_spec(metadata, "title") or text(metadata.get("ss_output_name")) or note.title,
        author=_spec(metadata, "author") or note.author,
        description=_spec(metadata, "description", LONG) or note.description,
        licence=_spec(metadata, "license") or note.licence,
        usage_hint=_spec(metadata, "usage_hint", LONG) or note.usage_hint,
        triggers=words.told,
        proposed=words.proposed,
        left_out=words.left_out,
        tags=tuple(filter(None, (text(tag, 60) for tag in _spec(metadata, "tags", LONG).split(",")[:50]))) or note.tags,
        weight=weight,
        odd_weight=odd_weight,
        safe=note.safe if note.safe and all(abs(end) <= MOST_WEIGHT for end in note.safe) else None,
        base_name=base_name,
        made_for=_made_for(note.base, base_name, metadata),
        base_version=text(metadata.get("ss_base_model_version")),
        base_hash=_hash(metadata.get("ss_new_sd_model_hash")) or _hash(metadata.get("ss_sd_model_hash")),
        tensors_sha256=_hash(metadata.get("modelspec.hash_sha256")) or _hash(metadata.get("sshs_model_hash")),
        software=_software(metadata),
        session=text(metadata.get("ss_session_id"), 40),
        output_name=text(metadata.get("ss_output_name")),
        epoch=epoch,
        steps=steps,
        resolution=size(metadata.get("modelspec.resolution")) or size(metadata.get("ss_resolution")),
        made_at=moment(metadata.get("modelspec.date")),
        trained_from=moment(metadata.get("ss_training_started_at")),
        trained_until=moment(metadata.get("ss_training_finished_at")),
        thumbnail=_thumbnail(
            thumbnail.whole(2 * MOST_THUMBNAIL) if thumbnail else metadata.get("modelspec.thumbnail", "")
        ),
        training=tuple((key, value) for key in _TRAINING if (value := text(metadata.get(key)))),
    )


def labelled(training: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Label and value of each fact about the training, in the reader's language."""
    return [(str(_TRAINING.get(key, key)), value) for key, value in training]


def _spec(metadata: Mapping[str, str], key: str, most: int = SHORT) -> str:
    return text(metadata.get(f"modelspec.{key}"), most)


def _progress(metadata: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Steps and epoch, which ai-toolkit writes into one JSON text."""
    info = parsed(metadata.get("training_info"))
    told = info if isinstance(info, dict) else {}
    return (
        whole(metadata.get("ss_steps", told.get("step"))),
        whole(metadata.get("ss_epoch", told.get("epoch"))),
    )


def _weights(*told: float | None) -> tuple[float | None, float | None]:
    """The first strength given, and None; None and the strength if it is out of range. 0 means not set."""
    weight = next((value for value in told if value), None)
    if weight is None or -MOST_WEIGHT <= weight <= MOST_WEIGHT:
        return weight, None
    return None, weight


def _made_for(noted: str, base_name: str, metadata: Mapping[str, str]) -> str:
    said = " ".join((noted, base_name, text(metadata.get("ss_base_model")), text(metadata.get("baseModel"))))
    return next((name for name, pattern in _MODELS if re.search(pattern, said)), "")


def _software(metadata: Mapping[str, str]) -> str:
    """The program that trained it, recognised by the keys it leaves."""
    software = parsed(metadata.get("software"))
    if isinstance(software, dict):
        return text(software.get("name"))
    if metadata.keys() & {"ss_sd_scripts_commit_hash", "ss_session_id"}:
        return "sd-scripts"
    return "OneTrainer" if "ot_revision" in metadata or "ot_branch" in metadata else ""


def _file_name(value: object) -> str:
    """The last part of a path; the rest is private."""
    return re.split(r"[/\\]", text(value, LONG))[-1][:SHORT]


def _hash(value: object) -> str:
    found = _HASH.match(text(value).lower())
    return found[1] if found else ""


def _thumbnail(uri: str) -> Thumbnail | None:
    found = _DATA_URI.match(uri)
    if found is None or len(uri) > MOST_THUMBNAIL * 4 / 3 + 100:
        return None
    try:
        data = base64.b64decode(uri[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Thumbnail(found[1].replace("jpg", "jpeg"), data) if data else None
