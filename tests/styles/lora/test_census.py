"""Every number is looked at: what is none is refused with its tensor, and what is zero throughout is counted."""

from __future__ import annotations

import hashlib
import time
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from styles.lora import behaviour_in_words, inspect, read_hashes, read_header
from styles.lora.file.census import Census
from styles.lora.file.counting import Counter
from tests.styles.lora.files import framed, packed

UNET = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
ENCODER = "lora_te1_text_model_encoder_layers_2_mlp_fc1"


def counted(data: bytes, piece: int = 2**20) -> Census:
    """The census of a file that comes in pieces of that length."""
    header = read_header(BytesIO(data))
    counter = Counter(header)
    for at in range(header.data_start, len(data), piece):
        counter.see(data[at : at + piece])
    return counter.result()


def layer(name: str, up: float = 1.0, down: float = 1.0, dtype: str = "f2") -> dict[str, np.ndarray]:
    wide = 2048 if name == UNET else 768
    return {
        f"{name}.lora_down.weight": np.full((4, wide), down, dtype),
        f"{name}.lora_up.weight": np.full((640, 4), up, dtype),
    }


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("place", "piece"), [(0, 1), (2559, 7), (1, 4096), (2559, 2**20)])
def test_what_is_no_number_is_found_wherever_it_is(dtype: str, value: float, place: int, piece: int) -> None:
    tensors = {"a": np.ones(3, dtype), "b": np.ones(2560, dtype), "c": np.ones(5, dtype)}
    tensors["b"][place] = value
    assert counted(save(tensors), piece).broken == "b"


@pytest.mark.parametrize(
    ("dtype", "bits", "broken"),
    [
        ("BF16", b"\x80\x7f", True), ("BF16", b"\x7f\x7f", False), ("F8_E4M3", b"\x7f", True),
        ("F8_E4M3", b"\x7e", False), ("F8_E5M2", b"\x7c", True), ("F8_E5M2", b"\x7b", False),
        ("F8_E4M3FNUZ", b"\x80", True), ("F8_E5M2FNUZ", b"\x7f", False), ("F8_E8M0", b"\xff", True),
        ("I8", b"\x7f", False), ("U8", b"\xff", False), ("BOOL", b"\x01", False),
    ],
)  # fmt: skip
def test_numbers_of_every_format_are_understood(dtype: str, bits: bytes, broken: bool) -> None:
    header = f'{{"a":{{"dtype":"{dtype}","shape":[3],"data_offsets":[0,{3 * len(bits)}]}}}}'
    one = b"\x01" + b"\x00" * (len(bits) - 1)
    found = counted(framed(header.encode(), one + bits + one))
    assert (found.broken, found.zeros) == ("a" if broken else "", frozenset())


@pytest.mark.parametrize("piece", [1, 3, 4096, 2**20])
def test_zeros_are_told_from_small_numbers_and_minus_zero_is_one(piece: int) -> None:
    tensors = {
        "zero": np.zeros(700, "f4"), "minus": np.full(700, -0.0, "f4"), "last": np.zeros(700, "f4"),
        "small": np.full(700, 1e-42, "f4"), "odd": np.zeros(3, "u1"), "whole": np.zeros(9, "i8"),
    }  # fmt: skip
    tensors["last"][-1] = 1e-38
    assert counted(save(tensors), piece).zeros == {"zero", "minus", "odd", "whole"}


def refusal(*layers: dict[str, np.ndarray]) -> str | None:
    tensors = {name: value for each in layers for name, value in each.items()}
    return inspect(BytesIO(save(tensors)), "ink.safetensors", with_hashes=True).refusal


def test_a_file_with_nan_is_refused_with_the_name_of_its_tensor() -> None:
    broken = layer(UNET)
    broken[f"{UNET}.lora_up.weight"][3, 2] = np.nan
    assert refusal(broken) == (
        f"{UNET}.lora_up.weight holds NaN or infinity, which gives black pictures. The training went wrong."
    )


def test_a_file_whose_modules_are_all_zero_is_refused() -> None:
    zero = "All weights of this LoRA are zero, so pictures would look as without it."
    assert refusal(layer(UNET, up=0.0)) == refusal(layer(UNET, down=0.0)) == zero
    assert refusal(layer(UNET) | {f"{UNET}.alpha": np.zeros((), "f4")}) == zero
    assert refusal(layer(UNET, up=0.0), layer(ENCODER)) is None


def test_modules_that_do_nothing_are_told_with_their_share() -> None:
    tensors = layer(UNET) | layer(ENCODER, up=0.0)
    found = inspect(BytesIO(save(tensors)), "ink.safetensors", with_hashes=True)
    assert behaviour_in_words(found.behaviour).warnings == (
        "1 of its 2 modules do nothing (50 %): their weights are zero. Not trained at all: text encoder 1.",
    )


def test_magnitudes_and_norms_still_do_something_where_the_matrices_are_zero() -> None:
    scaled = layer(UNET, up=0.0) | {f"{UNET}.dora_scale": np.ones((640, 1), "f2")}
    assert refusal(scaled) is None
    biased = layer(UNET, up=0.0) | {f"{UNET}.diff_b": np.ones(640, "f2")}
    assert refusal(biased) is None


def test_the_hashes_are_what_they_were() -> None:
    data = packed({f"{UNET}.lora_down.weight": [4, 2048], f"{UNET}.lora_up.weight": [640, 4]}, {"a": "b"})
    found = inspect(BytesIO(data), "x.safetensors", with_hashes=True)
    assert found.hashes is not None and found.hashes.file == hashlib.sha256(data).hexdigest()
    assert found.hashes.tensors == hashlib.sha256(data[found.header.data_start :]).hexdigest()


@pytest.mark.heavy
def test_looking_at_every_number_takes_at_most_a_third_more_than_hashing(tmp_path: Path) -> None:
    layers_of_one = {"down": (32, 1280), "up": (1280, 32)}
    random = np.random.default_rng(1)
    tensors = {
        f"{number}.lora_{name}.weight": random.standard_normal(shape).astype("f2")
        for number in range(640)
        for name, shape in layers_of_one.items()
    }
    path = tmp_path / "large.safetensors"
    path.write_bytes(save(tensors))
    alone, both = min(timed(hashing, path) for _time in range(5)), min(timed(counting, path) for _time in range(5))
    print(f"\n{path.stat().st_size / 1e6:.0f} MB: hashing {alone:.3f} s, with the census {both:.3f} s")
    assert both < 1.3 * alone
    tracemalloc.start()
    counting(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 64 * 10**6


def timed(work: Callable[[Path], object], path: Path) -> float:
    started = time.perf_counter()
    work(path)
    return time.perf_counter() - started


def hashing(path: Path) -> None:
    """Both hashes, and nothing else."""
    whole, tensors = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        header = read_header(file)
        file.seek(0)
        whole.update(file.read(header.data_start))
        while chunk := file.read(2**20):
            whole.update(chunk)
            tensors.update(chunk)


def counting(path: Path) -> None:
    with path.open("rb") as file:
        read_hashes(file, read_header(file))
