"""Hashes of a LoRA: of the whole file, and of its tensors alone, which does not change with the metadata."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO

from styles.lora.file.census import Census
from styles.lora.file.header import Header

CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 in lower-case hexadecimal. `tensors` is also known as sshs_model_hash and modelspec.hash_sha256.

    `census` is the result of checking the numbers, which are all read for the hashes anyway.
    """

    file: str
    tensors: str
    census: Census = field(default_factory=Census)


def read_hashes(file: IO[bytes], header: Header) -> Hashes:
    """Compute both hashes and the census in one pass over `file`, a megabyte at a time."""
    # With numpy, which models that describe files do not need.
    from styles.lora.file.counting import Counter

    whole = hashlib.sha256()
    tensors = hashlib.sha256()
    counter = Counter(header)
    file.seek(0)
    left = header.data_start
    while left and (chunk := file.read(min(left, CHUNK))):
        whole.update(chunk)
        left -= len(chunk)
    # The second hash runs on another core: hashing releases the GIL.
    with ThreadPoolExecutor(1) as aside:
        while chunk := file.read(4 * CHUNK):
            hashed = aside.submit(tensors.update, chunk)
            whole.update(chunk)
            for at in range(0, len(chunk), CHUNK):
                counter.see(chunk[at : at + CHUNK])
            hashed.result()
    return Hashes(whole.hexdigest(), tensors.hexdigest(), counter.result())


def tensors_sha256(file: IO[bytes], header: Header) -> str:
    """Hash only the part after the header."""
    tensors = hashlib.sha256()
    file.seek(header.data_start)
    while chunk := file.read(CHUNK):
        tensors.update(chunk)
    return tensors.hexdigest()
