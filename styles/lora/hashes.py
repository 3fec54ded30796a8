"""Hashes of a LoRA: of the whole file, and of its tensors alone, which stays the same when metadata is edited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import IO

from .header import Header

CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 in lower-case hexadecimal. `tensors` is what others call sshs_model_hash and modelspec.hash_sha256."""

    file: str
    tensors: str


def read_hashes(file: IO[bytes], header: Header) -> Hashes:
    """Both hashes in one pass over `file`, a megabyte at a time."""
    whole = hashlib.sha256()
    tensors = hashlib.sha256()
    file.seek(0)
    whole.update(file.read(header.data_start))
    while chunk := file.read(CHUNK):
        whole.update(chunk)
        tensors.update(chunk)
    return Hashes(whole.hexdigest(), tensors.hexdigest())


def tensors_sha256(file: IO[bytes], header: Header) -> str:
    """The hash of everything after the header alone."""
    tensors = hashlib.sha256()
    file.seek(header.data_start)
    while chunk := file.read(CHUNK):
        tensors.update(chunk)
    return tensors.hexdigest()
