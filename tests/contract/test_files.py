"""Uploads and downloads."""

from __future__ import annotations

import io
import json
import os
import tempfile
from uuid import uuid4

import aiohttp
import pytest
from PIL import Image

from stylestudio.comfy.errors import BadResponse, NotFound, NotInstalled
from stylestudio.comfy.graphs.node_info import combo_options
from stylestudio.comfy.protocol.events import ImageRef

from .conftest import Engine


def _png(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(data, "PNG")
    return data.getvalue()


async def test_an_upload_comes_back_byte_for_byte(engine: Engine) -> None:
    name, folder = f"{uuid4().hex}.png", uuid4().hex
    ref = await engine.client.upload_image(_png("red"), name, subfolder=folder)
    assert ref == ImageRef(name, folder, "input")
    assert await engine.client.fetch(ref) == _png("red")


async def test_the_same_bytes_keep_the_name_and_other_bytes_get_another(engine: Engine) -> None:
    stem = uuid4().hex
    first, again, other, third = [
        await engine.client.upload_image(data, f"{stem}.png")
        for data in (_png("red"), _png("red"), _png("blue"), _png("green"))
    ]
    assert first == again == ImageRef(f"{stem}.png", "", "input")
    assert [other.filename, third.filename] == [f"{stem} (1).png", f"{stem} (2).png"]
    assert await engine.client.fetch(first) == _png("red")
    assert await engine.client.fetch(other) == _png("blue")


async def test_a_name_beyond_ascii_is_kept(engine: Engine) -> None:
    name = f"猫 é {uuid4().hex}.png"
    ref = await engine.client.upload_image(_png("red"), name)
    assert ref.filename == name
    assert await engine.client.fetch(ref) == _png("red")


@pytest.mark.parametrize("subfolder", ["../..", "/tmp"])
async def test_an_upload_outside_the_input_folder_is_refused(engine: Engine, subfolder: str) -> None:
    with pytest.raises(BadResponse):
        await engine.client.upload_image(_png("red"), "x.png", subfolder=subfolder)


async def test_an_upload_without_a_file_is_refused(engine: Engine) -> None:
    form = aiohttp.FormData({"type": "input"}, default_to_multipart=True)
    async with engine.session.post(f"{engine.url}/upload/image", data=form) as answer:
        assert answer.status == 400


async def test_a_file_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound):
        await engine.client.fetch(ImageRef("nope.png", "", "output"))


async def test_a_file_larger_than_the_limit_is_not_read(engine: Engine) -> None:
    ref = await engine.client.upload_image(_png("red"), f"{uuid4().hex}.png")
    with pytest.raises(BadResponse, match="too large"):
        await engine.client.fetch(ref, limit=len(_png("red")) - 1)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"filename": "../secret.png"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "x.png", "subfolder": "../.."}, 403),
        ({"filename": "x.png", "type": "bogus"}, 400),
        ({}, 404),
    ],
)
async def test_views_outside_the_folders_are_refused(engine: Engine, params: dict[str, str], status: int) -> None:
    assert (await engine.get("/view", **params))[0] == status


async def test_a_part_of_a_file_can_be_asked_for(engine: Engine) -> None:
    ref = await engine.client.upload_image(_png("red"), f"{uuid4().hex}.png")
    params, headers = {"filename": ref.filename, "type": "input"}, {"Range": "bytes=0-3"}
    async with engine.session.get(f"{engine.url}/view", params=params, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (206, b"\x89PNG")


@pytest.mark.every_generation
async def test_current_engines_send_what_a_browser_might_run_as_an_attachment(engine: Engine) -> None:
    stem = uuid4().hex
    await engine.client.upload_image(_png("red"), f"{stem}.png")
    await engine.client.upload_image(b"<p>hello</p>", f"{stem}.html")
    seen = {}
    for suffix in ("png", "html"):
        params = {"filename": f"{stem}.{suffix}", "type": "input"}
        async with engine.session.get(f"{engine.url}/view", params=params) as answer:
            seen[suffix] = answer.headers
    assert [seen["png"]["Content-Type"], seen["html"]["Content-Type"]] == ["image/png", "application/octet-stream"]
    assert seen["png"]["Content-Disposition"] == f'filename="{stem}.png"'
    if engine.since(0, 33):
        assert seen["png"]["X-Content-Type-Options"] == "nosniff"
        assert seen["html"]["Content-Disposition"] == f'attachment; filename="{stem}.html"'


async def test_an_installed_lora_is_listed_at_once_and_comes_back_byte_for_byte(engine: Engine) -> None:
    name, data = f"stylestudio_contract_v1_{uuid4().hex[:8]}.safetensors", os.urandom(300_000)
    heard: list[int] = []
    assert not await engine.client.has_lora(name)
    await engine.client.install_lora(io.BytesIO(data), len(data), name, sent=heard.append)
    assert heard[-1] == len(data) and heard == sorted(heard)
    assert await engine.client.has_lora(name)
    info = json.loads((await engine.get("/object_info/LoraLoader"))[1])
    options = combo_options(info["LoraLoader"]["input"]["required"]["lora_name"])
    assert options is not None and name in options
    assert await engine.client.fetch(ImageRef(name, "loras", "output")) == data


async def test_installing_the_same_lora_again_changes_nothing_and_another_one_is_refused(engine: Engine) -> None:
    name = f"stylestudio_contract_v1_{uuid4().hex[:8]}.safetensors"
    for _time in range(2):
        await engine.client.install_lora(io.BytesIO(b"one"), 3, name)
    with pytest.raises(NotInstalled, match="already has another file"):
        await engine.client.install_lora(io.BytesIO(b"two"), 3, name)
    assert await engine.client.fetch(ImageRef(name, "loras", "output")) == b"one"


async def test_the_engine_says_how_large_an_upload_may_be(engine: Engine) -> None:
    size = await engine.client.max_upload()
    assert size is not None and size >= 2**20


async def test_a_lora_that_is_larger_than_that_is_refused(engine: Engine) -> None:
    most = await engine.client.max_upload()
    assert most is not None
    if most > 200 * 2**20:
        pytest.skip("this server takes more than a test should send")
    name = f"stylestudio_contract_v1_{uuid4().hex[:8]}.safetensors"
    with tempfile.TemporaryFile() as file:
        file.truncate(most + 1)
        with pytest.raises(NotInstalled, match="too large"):
            await engine.client.install_lora(file, most + 1, name)
    assert not await engine.client.has_lora(name)
