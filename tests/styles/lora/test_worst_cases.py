"""The worst header of each kind, up to the format's own 100 MB, stays within ten seconds and 300 megabytes."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from collections.abc import Callable
from io import BytesIO

import pytest

from styles.lora import BadLora, inspect
from styles.lora.file.header import MOST_HEADER, MOST_TENSORS
from styles.lora.file.values import MOST_JSON
from tests.styles.lora.files import framed

BRUSH = "\U0001f58c"  # four bytes for each character of a text that has it
EMPTY = '"{0:x}":{{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}'
SCALAR = '"{0:05x}{name}":{{"dtype":"F16","shape":[],"data_offsets":[{1},{2}]}}'


def filled(unit: str, before: str = "{", after: str = "") -> bytes:
    """A file whose header repeats something up to the limit."""
    room = MOST_HEADER - len(before.encode()) - len(after.encode())
    return framed((before + unit * (room // len(unit.encode())) + after).encode())


def listed(form: str, count: int) -> str:
    """An object with numbered entries."""
    return "{" + ",".join(form.format(number) for number in range(count)) + "}"


def scalars(count: int = MOST_TENSORS, name: str = "", metadata: str = "") -> bytes:
    """As many tensors as are allowed, and a text beside them."""
    entries = [SCALAR.format(number, 2 * number, 2 * number + 2, name=name) for number in range(count)]
    header = ("{" + ",".join([*entries, f'"__metadata__":{{"modelspec.title":"{metadata}"}}']) + "}").encode()
    assert len(header) <= MOST_HEADER
    return framed(header, bytes(2 * count))


def told(**metadata: str) -> bytes:
    """A file with one tensor and that metadata."""
    tensor = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}
    names = {name.replace("__", "."): value for name, value in metadata.items()}
    header = json.dumps({"a": tensor, "__metadata__": names}, ensure_ascii=False).encode()
    assert len(header) <= MOST_HEADER, len(header)
    return framed(header, bytes(4))


def arrays() -> str:
    """The JSON that takes most memory for its length, as long as is parsed at once."""
    return '{"1_a":[' + "[]," * (MOST_JSON // 3 - 10) + "[]]}"


def tags(count: int) -> str:
    """Counts of so many tags."""
    return '{"1_a":' + listed('"{0:x}":1', count) + "}"


CASES: dict[str, Callable[[], bytes]] = {
    "arrays in arrays": lambda: filled("[", '{"a":'),
    "objects in objects": lambda: filled('{"a":', ""),
    "empty arrays": lambda: filled("[],", '{"a":['),
    "empty objects": lambda: filled("{},", '{"__metadata__":{"a":['),
    "numbers": lambda: filled("1,", '{"a":{"shape":['),
    "one large number": lambda: filled("9", '{"a":{"shape":['),
    "a long name": lambda: filled("x", '{"'),
    "a long name of wide characters": lambda: filled(BRUSH, '{"'),
    "spaces": lambda: filled(" "),
    "escapes": lambda: filled("\\n", '{"__metadata__":{"a":"', '"}}'),
    "escaped wide characters": lambda: filled("\\ud83d\\udd8c", '{"__metadata__":{"a":"', '"}}'),
    "wide text": lambda: told(modelspec__title=BRUSH * (MOST_HEADER // 4 - 100)),
    "wide texts": lambda: told(**{f"text{number}": BRUSH * 60_000 for number in range(400)}),
    "text that one character makes wide": lambda: told(a=BRUSH + "x" * (MOST_HEADER - 200)),
    "entries in metadata": lambda: framed(('{"__metadata__":' + listed('"{0:x}":""', 400_000)).encode()),
    "as many tensors as are allowed": scalars,
    "and with wide text beside them": lambda: scalars(metadata=BRUSH + "x" * (MOST_HEADER - 90 * MOST_TENSORS)),
    "names as long as are allowed": lambda: scalars(name="x" * 150),
    "layers of as many tensors": lambda: scalars(name=".lora_down.weight"),
    "more tensors": lambda: framed(
        listed('"{0:x}":{{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}', MOST_TENSORS + 1).encode()
    ),
    "names that are hard to split": lambda: scalars(name=".lora_" * 40),
    "names of layers": lambda: scalars(name="." * 100 + "lora_down.weight"),
    "nested JSON in metadata": lambda: told(ss_tag_frequency="[" * MOST_JSON),
    "empty arrays in metadata": lambda: told(ss_tag_frequency=arrays()),
    "empty arrays everywhere in metadata": lambda: told(
        **dict.fromkeys(("ss_tag_frequency", "ss_dataset_dirs", "training_info", "software", "trainedWords"), arrays())
    ),
    "tags": lambda: told(ss_tag_frequency=tags(48_000), ss_dataset_dirs=tags(25_000)),
    "tags up to the limit": lambda: told(ss_tag_frequency=tags(6_500_000)),
    "tags that are more frequent each time": lambda: told(
        ss_tag_frequency='{"1_a":' + listed('"{0:x}":{0}', 5_000_000) + "}"
    ),
    "a caption up to the limit": lambda: told(ss_tag_frequency='{"1_a":{"' + "x" * 90_000_000 + '":1}}'),
    "folders up to the limit": lambda: told(ss_tag_frequency=listed('"{0:x}":{{}}', 7_000_000)),
    "a thumbnail": lambda: told(modelspec__thumbnail="data:image/png;base64," + "A" * (2 * 2**20)),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", CASES)
def test_it_takes_less_than_ten_seconds_and_300_megabytes(name: str) -> None:
    file = BytesIO(CASES[name]())
    started = time.thread_time()  # reading never waits, so that other programs on the machine need not count
    attempt(file)
    took = time.thread_time() - started
    tracemalloc.start()
    try:
        attempt(file)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"\n{name}: {took:.3f} s, {most / 10**6:.1f} MB")
    assert took < 10
    assert most < 300 * 10**6


def attempt(file: BytesIO) -> None:
    """Look into it as an import does."""
    with contextlib.suppress(BadLora):
        inspect(file, "hostile.safetensors")
