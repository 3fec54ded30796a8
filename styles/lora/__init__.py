"""LoRA files: what is in them, whether a style can use them, and copies with other metadata.

Knows no models and no views. Nothing here loads tensors or executes anything from a file, and every function copes with
hostile input. Begin with `inspect` below; the rooms are `file`, then `structure`, `metadata` and `engines`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO

from styles.lora.engines.behaviour import Behaviour, Sentences, behaviour_in_words, observe, original_in_words, refused
from styles.lora.engines.respell import Plan, plan, source_of, write_copy
from styles.lora.file.census import Census
from styles.lora.file.hashes import Hashes, read_hashes
from styles.lora.file.header import BadLora, Header, read_header
from styles.lora.metadata.facts import Facts, Thumbnail, labelled, read_facts
from styles.lora.metadata.lora_sidecars import Note, Sidecars, find_sidecars, parse_note, read_notes
from styles.lora.metadata.write import Label, write_lora
from styles.lora.structure.accelerators import Accelerator, Sign, accelerator, by_name
from styles.lora.structure.alphas import TrainedAlphas
from styles.lora.structure.architecture import Algorithm, Architecture, Kind, Layout, describe, refusal
from styles.lora.structure.families import OF_STYLES, Family, family_said
from styles.lora.structure.keys import layers

__all__ = [
    "OF_STYLES",
    "Accelerator",
    "Algorithm",
    "Architecture",
    "BadLora",
    "Behaviour",
    "Census",
    "Facts",
    "Family",
    "Hashes",
    "Header",
    "Inspection",
    "Kind",
    "Label",
    "Layout",
    "Note",
    "Plan",
    "Sentences",
    "Sidecars",
    "Sign",
    "Thumbnail",
    "accelerator",
    "behaviour_in_words",
    "by_name",
    "describe",
    "family_said",
    "find_sidecars",
    "inspect",
    "labelled",
    "original_in_words",
    "parse_note",
    "read_facts",
    "read_hashes",
    "read_header",
    "read_notes",
    "refusal",
    "refused",
    "source_of",
    "write_copy",
    "write_lora",
]

_ENDING = re.compile(r"\.(?:safetensors|sft)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything known about a file. `hashes` is None if they were not requested.

    `behaviour` is what engines do with it; `plan` is how to respell it for them, if necessary.
    """

    name: str
    header: Header
    architecture: Architecture
    facts: Facts
    hashes: Hashes | None
    behaviour: Behaviour = Behaviour()  # noqa: RUF009 - it is immutable
    plan: Plan | None = None
    accelerator: Accelerator | None = None

    @property
    def refusal(self) -> str | None:
        """Why a style cannot use it, in the reader's language; None if it can."""
        if why := refusal(self.architecture):
            return why
        if self.architecture.family is Family.SDXL:
            return refused(self.behaviour)
        # The preview engine reads what it wrote; only NaN and infinity are refused.
        return refused(Behaviour(read=1, broken=self.hashes.census.broken if self.hashes else ""))

    @property
    def title(self) -> str:
        """The title in its metadata, else the file's name without its extension."""
        return self.facts.title or _ENDING.sub("", self.name) or self.name


def inspect(file: IO[bytes], name: str, *, note: Note | None = None, with_hashes: bool = False) -> Inspection:
    """Inspect a seekable file called `name`. Raises BadLora, with the reason, if it cannot be used at all.

    A sound file for another model does not raise: see `Inspection.refusal`. Hashing reads the whole file, which takes
    some seconds per gigabyte; without it only the header and a few bytes are read, and NaN or zero weights go
    unnoticed.
    """
    header = read_header(file)
    found = layers(header.tensors)
    alphas = TrainedAlphas(header, note.settings if note else None)
    what = describe(header, file, found, alphas)
    facts = read_facts(header.metadata, note, header.long_texts)
    hashes = read_hashes(file, header) if with_hashes else None
    spelled = plan(header, found, alphas) if what.family is Family.SDXL else None
    is_sdxl = what.kind is Kind.LORA and what.family is Family.SDXL
    return Inspection(
        name=name,
        header=header,
        architecture=what,
        facts=facts,
        hashes=hashes,
        behaviour=observe(header, found, file, spelled, hashes.census if hashes else None) if is_sdxl else Behaviour(),
        plan=spelled,
        accelerator=accelerator(name, hashes.file if hashes else "", header.metadata, found, facts.triggers)
        if is_sdxl
        else None,
    )
