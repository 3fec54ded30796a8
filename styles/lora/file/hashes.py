"""Hashes of a LoRA: of the whole file, and of its tensors alone, which stays the same when metadata is edited."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO

from styles.lora.file.census import Census, Counter
from styles.lora.file.header import Header

CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 in lower-case hexadecimal. `tensors` is what others call sshs_model_hash and modelspec.hash_sha256.

    `census` tells what the numbers are, which were all read for the hashes anyway.
    """

    file: str
    tensors: str
    census: Census = field(default_factory=Census)


def read_hashes(file: IO[bytes], header: Header) -> Hashes:
    """Both hashes and the census in one pass over `file`, a megabyte at a time."""
    whole = hashlib.sha256()
    tensors = hashlib.sha256()
    counter = Counter(header)
    file.seek(0)
    left = header.data_start
    while left and (chunk := file.read(min(left, CHUNK))):
        whole.update(chunk)
        left -= len(chunk)
    # The second hash on another core; hashing does not hold up other threads of Python.
    with ThreadPoolExecutor(1) as aside:
        while chunk := file.read(4 * CHUNK):
            hashed = aside.submit(tensors.update, chunk)
            whole.update(chunk)
            for at in range(0, len(chunk), CHUNK):
                counter.see(chunk[at : at + CHUNK])
            hashed.result()
    return Hashes(whole.hexdigest(), tensors.hexdigest(), counter.result())


def tensors_sha256(file: IO[bytes], header: Header) -> str:
    """The hash of everything after the header alone."""
    tensors = hashlib.sha256()
    file.seek(header.data_start)
    while chunk := file.read(CHUNK):
        tensors.update(chunk)
    return tensors.hexdigest()
