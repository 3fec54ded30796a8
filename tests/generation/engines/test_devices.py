"""The memory of a processor is RAM, several devices are told each, and doctor tells of packages that are too old."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from generation.engines import diagnostics, roster
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer, FailNode
from tests.pages import tight

pytestmark = pytest.mark.django_db

GB = 2**30
CARD = {"name": "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "type": "cuda", "index": 0,
        "vram_total": 24 * GB, "vram_free": 15 * GB}  # fmt: skip
SECOND = {
    **CARD,
    "name": "cuda:1 NVIDIA GeForce RTX 3060 : cudaMallocAsync",
    "vram_total": 12 * GB,
    "vram_free": 11 * GB,
}
CPU = {"name": "cpu", "type": "cpu", "index": None, "vram_total": 24 * GB, "vram_free": 15 * GB}
PACKAGES = [
    {"name": "comfyui-frontend-package", "installed": "1.28.6", "required": "1.45.2"},
    {"name": "comfyui-workflow-templates", "installed": "0.9.10", "required": "0.9.2"},
    {"name": "comfyui-embedded-docs", "installed": None, "required": "0.4.0"},
]


def tells(preview: PreviewThread, *devices: dict[str, Any], packages: Any = None) -> None:
    """The engine says that it has these devices and packages."""
    system = {"comfyui_version": "0.33.0", "python_version": "3.12.1", "comfy_package_versions": packages or []}
    body = json.dumps({"system": system, "devices": devices})
    preview.troubles.add(Answer("/system_stats", "GET", 200, body, "application/json", times=None))


def probed(engine: Engine) -> Engine:
    assert roster.probe(engine)
    return Engine.objects.get(pk=engine.pk)


def card(client: Client) -> str:
    html = client.get(reverse("queue")).content.decode()
    return html[html.index('id="engines"') :]


@pytest.mark.parametrize(
    ("device", "kind", "other"), [(CARD, "VRAM", "RAM"), (CPU, "RAM", "VRAM"), ({**CPU, "type": "mps"}, "RAM", "VRAM")]
)
def test_the_memory_of_a_processor_is_called_ram_on_every_page(
    engine: Engine,
    preview: PreviewThread,
    client: Client,
    admin_user: User,
    device: dict[str, Any],
    kind: str,
    other: str,
) -> None:
    tells(preview, device)
    probed(engine)
    client.force_login(admin_user)
    html = tight(card(client))
    assert f"<dt>{kind}</dt><dd>9.0 GB of 24 GB</dd>" in html and f"<dt>{other}</dt>" not in html
    assert f'aria-label="{kind} of ' in html
    change = reverse("admin:engines_engine_change", args=[engine.pk])
    for address in (reverse("admin:engines_engine_changelist"), change):
        page = client.get(address).content.decode()
        assert f"9.0 GB of 24 GB {kind}" in page and f"24 GB {other}" not in page


def test_each_of_several_devices_is_told(
    engine: Engine, preview: PreviewThread, client: Client, admin_user: User
) -> None:
    tells(preview, CARD, SECOND)
    row = probed(engine)
    assert (row.device, row.vram_total, row.vram_free) == ("RTX 4090", 24 * GB, 15 * GB)
    client.force_login(admin_user)
    html = tight(card(client))
    for used, total, name in (("9.0 GB", "24 GB", "RTX 4090"), ("1.0 GB", "12 GB", "RTX 3060")):
        assert f'<dt>VRAM</dt><dd>{used} of {total}<span class="dim">{name}</span></dd>' in html
        assert f'aria-label="VRAM of {name}"' in html
    page = client.get(reverse("admin:engines_engine_changelist")).content.decode()
    assert "9.0 GB of 24 GB VRAM, 1.0 GB of 12 GB VRAM" in page


def test_a_device_that_does_not_say_its_memory_shows_none(
    engine: Engine, preview: PreviewThread, client: Client, ada: User
) -> None:
    tells(preview, {"name": "privateuseone", "type": "privateuseone", "vram_total": GB, "vram_free": GB})
    row = probed(engine)
    assert (row.vram_total, row.vram_free) == (None, None)
    client.force_login(ada)
    assert "VRAM" not in card(client) and "<progress" not in card(client)


def test_an_engine_of_before_the_update_is_told_by_what_is_known(client: Client, ada: User) -> None:
    known = {"health": "ok", "vram_total": 24 * GB, "vram_free": 15 * GB}
    Engine.objects.create(address="http://10.0.0.1:1", device="CPU", **known)
    client.force_login(ada)
    assert "<dt>RAM</dt>" in card(client)
    Engine.objects.update(device="RTX 4090")
    assert "<dt>VRAM</dt>" in card(client)


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([CARD], "ComfyUI 0.33.0, RTX 4090, 16.1 GB VRAM"),
        ([CPU], "ComfyUI 0.33.0, CPU, 16.1 GB RAM"),
        ([CARD, SECOND], "ComfyUI 0.33.0, RTX 4090, 16.1 GB VRAM, RTX 3060, 11.8 GB VRAM"),
    ],
)
def test_doctor_tells_the_memory_of_each_device_by_its_kind(
    engine: Engine, preview: PreviewThread, settings: Settings, devices: list[dict[str, Any]], said: str
) -> None:
    tells(preview, *devices)
    settings.COMFYUI_URLS = [preview.url]
    Engine.objects.all().delete()
    assert next(iter(diagnostics.look_at_engines())).state == said


def test_doctor_tells_of_a_package_that_is_older_than_its_comfyui_asks_for(
    engine: Engine, preview: PreviewThread, settings: Settings
) -> None:
    tells(preview, CPU, packages=PACKAGES)
    settings.COMFYUI_URLS = [preview.url]
    Engine.objects.all().delete()
    [finding] = [finding for finding in diagnostics.look_at_engines() if not finding.well]
    assert finding.name == "Package comfyui-frontend-package"
    assert finding.state == "1.28.6 is installed, its ComfyUI asks for 1.45.2"
    assert "requirements.txt" in finding.remedy


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (
            "RuntimeError",
            "Could not allocate tensor with 4915840 bytes. There is not enough GPU video memory available!",
        ),
        ("RuntimeError", "Invalid buffer size: 19.38 GiB"),
        ("OSError", "页面文件太小，无法完成操作。 (os error 1455)"),
    ],
)
def test_an_engine_without_memory_is_let_rest_in_whatever_words_it_says_so(
    engine: Engine, preview: PreviewThread, ada: User, type_: str, message: str
) -> None:
    preview.troubles.add(FailNode("KSampler", type_, message))
    preview.engine.requests.clear()
    task = orders.place(Order(prompt="a fox", width=1024, height=1024, steps=1), ada)
    runner.work()
    task = GenerationTask.objects.get(pk=task.pk)
    assert (task.error_kind, bool(task.smaller)) == ("out_of_memory", True)
    assert "POST /free" in preview.engine.requests
    engine.refresh_from_db()
    assert engine.ooms == 1


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("KSampler (node 3): torch.OutOfMemoryError: Allocation on device", "The engine ran out of GPU memory."),
        (
            "CheckpointLoaderSimple (node 1): OSError: 页面文件太小，无法完成操作。 (os error 1455)",
            "machine ran out of memory",
        ),
        ("KSampler (node 3): RuntimeError: DefaultCPUAllocator: can't allocate memory", "machine ran out of memory"),
    ],
)
def test_a_machine_without_memory_is_not_said_to_lack_that_of_a_card(detail: str, words: str) -> None:
    task = GenerationTask(status=Status.FAILED, error_kind="out_of_memory", error_detail=detail)
    assert words in task.explanation and "Smaller pictures need less of it." in task.remedy
