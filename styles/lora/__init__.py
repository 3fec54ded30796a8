"""LoRA files: what is in them, whether a style can use them, and copies with other metadata.

Knows no models and no views. Nothing here loads tensors or runs anything from a file; every function copes with
hostile input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from .architecture import Algorithm, Architecture, Kind, Layout, describe, refusal
from .facts import Facts, Thumbnail, labelled, read_facts
from .families import Family
from .hashes import Hashes, read_hashes
from .header import BadLora, Header, read_header
from .sidecars import Note, Sidecars, find_sidecars, parse_note, read_notes
from .write import Label, write_lora

__all__ = [
    "Algorithm",
    "Architecture",
    "BadLora",
    "Facts",
    "Family",
    "Hashes",
    "Header",
    "Inspection",
    "Kind",
    "Label",
    "Layout",
    "Note",
    "Sidecars",
    "Thumbnail",
    "describe",
    "find_sidecars",
    "inspect",
    "labelled",
    "parse_note",
    "read_facts",
    "read_hashes",
    "read_header",
    "read_notes",
    "refusal",
    "write_lora",
]


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that is known of a file. `hashes` is None where they were not asked for."""

    name: str
    header: Header
    architecture: Architecture
    facts: Facts
    hashes: Hashes | None

    @property
    def refusal(self) -> str | None:
        """Why a style cannot use it, in the reader's language; None where it can."""
        return refusal(self.architecture)

    @property
    def title(self) -> str:
        """What it calls itself, or the name of the file without its ending."""
        return self.facts.title or self.name.removesuffix(".safetensors")


def inspect(file: IO[bytes], name: str, *, note: Note | None = None, with_hashes: bool = False) -> Inspection:
    """Look into a seekable file that is called `name`. BadLora says why it cannot be used at all.

    A sound file for another model does not raise: see `Inspection.refusal`. Hashes read the whole file, which takes
    some seconds for each gigabyte; without them only the header and a few bytes are read.
    """
    header = read_header(file)
    return Inspection(
        name=name,
        header=header,
        architecture=describe(header, file),
        facts=read_facts(header.metadata, note),
        hashes=read_hashes(file, header) if with_hashes else None,
    )
