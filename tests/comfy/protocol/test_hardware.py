"""What engines say of their devices and packages."""

from __future__ import annotations

from typing import Any

import pytest

from stylestudio.comfy.protocol import answers
from stylestudio.comfy.protocol.hardware import Package

CARD = {"name": "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "type": "cuda", "index": 0,
        "vram_total": 24, "vram_free": 9}  # fmt: skip
SECOND = {**CARD, "name": "cuda:1 NVIDIA GeForce RTX 3060 : cudaMallocAsync", "index": 1, "vram_total": 12}


def stats(devices: list[Any], packages: object = None) -> answers.SystemStats:
    return answers.system_stats({"system": {"comfy_package_versions": packages}, "devices": devices})


def test_the_first_of_several_devices_is_the_one_that_computes() -> None:
    found = stats([CARD, SECOND])
    assert (found.device_name, found.device_type, found.vram_total, found.vram_free) == (CARD["name"], "cuda", 24, 9)
    assert [(device.name, device.total) for device in found.devices] == [(CARD["name"], 24), (SECOND["name"], 12)]


@pytest.mark.parametrize(
    ("kind", "memory"), [("cuda", "VRAM"), ("xpu", "VRAM"), ("npu", "VRAM"), ("cpu", "RAM"), ("mps", "RAM")]
)
def test_the_memory_of_the_machine_is_not_called_that_of_a_card(kind: str, memory: str) -> None:
    [device] = stats([{**CARD, "type": kind}]).devices
    assert (device.memory_kind, device.total) == (memory, 24)


def test_the_memory_that_comfyui_makes_up_for_directml_is_not_believed() -> None:
    [device] = stats(
        [{"name": "privateuseone", "type": "privateuseone", "vram_total": 2**30, "vram_free": 2**30}]
    ).devices
    assert (device.total, device.free) == (0, 0)


@pytest.mark.parametrize("devices", [[], [None], ["x"], [{}], [{"vram_total": -1, "vram_free": "much"}]])
def test_a_device_that_says_nothing_is_unknown(devices: list[Any]) -> None:
    found = stats(devices)
    assert (found.device_name, found.device_type, found.vram_total) == ("unknown", "unknown", 0)


@pytest.mark.parametrize(
    ("installed", "required", "old"),
    [
        ("1.28.6", "1.45.2", True),
        ("0.9.2", "0.9.10", True),
        ("0.2", "0.2.0", False),
        ("0.3.0", "0.2.9", False),
        ("1.0.0rc1", "1.0.0", True),
        ("1.0.0+local", "1.0.0", False),
        ("main", "1.0.0", False),
    ],
)
def test_a_package_is_old_by_the_rules_of_pip(installed: str, required: str, old: bool) -> None:
    [package] = stats([CARD], [{"name": "comfy-kitchen", "installed": installed, "required": required}]).packages
    assert package == Package("comfy-kitchen", installed, required) and package.is_old is old


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        "x",
        [None],
        [{"name": "comfyui-embedded-docs", "installed": None, "required": "0.4.0"}],
        [{"name": "x"}],
    ],
)
def test_what_is_not_installed_or_not_said_is_no_old_package(told: object) -> None:
    assert stats([CARD], told).packages == ()
