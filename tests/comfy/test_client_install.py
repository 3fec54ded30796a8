"""Installing a LoRA: in parts, beside everything else, for as long as it moves, and with a reason where it ends."""

from __future__ import annotations

import asyncio
import io
import tempfile
import time
import tracemalloc

import pytest

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.connection.upload import CHUNK
from stylestudio.comfy.errors import EngineUnreachable, NotInstalled, UploadBroken
from stylestudio.preview_engine.server import PreviewEngine
from stylestudio.preview_engine.troubles import Answer, HoldRequest, LoseAnswer

LARGE = 60 * 2**20
NAME = "stylestudio_ink_v3_0a1b2c3d.safetensors"


class Slow(io.BytesIO):
    """A file of a disk that needs a tenth of a second for every part."""

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(0.1)
        return super().read(size)


class Broken(io.BytesIO):
    """A file of a disk that fails after the first part."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(size)


async def test_a_large_file_is_never_in_memory(client: ComfyClient) -> None:
    heard: list[int] = []
    with tempfile.TemporaryFile() as file:
        file.truncate(LARGE)
        tracemalloc.start()
        try:
            # The engine of this test lives in the same process: both sides are measured.
            await client.install_lora(file, LARGE, NAME, sent=heard.append)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 30 * 2**20, f"{peak / 2**20:.0f} MB"
    assert heard == list(range(CHUNK, LARGE + 1, CHUNK))


async def test_reading_slowly_holds_up_nothing_else(client: ComfyClient) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await client.install_lora(Slow(bytes(3 * CHUNK)), 3 * CHUNK, NAME)
    ticking.cancel()
    assert ticks > 20


async def test_there_is_time_as_long_as_something_moves(client: ComfyClient) -> None:
    began = time.monotonic()
    await client.install_lora(Slow(bytes(8 * CHUNK)), 8 * CHUNK, NAME, stall_timeout=0.6)
    assert time.monotonic() - began > 0.7


async def test_an_engine_that_takes_nothing_more_is_given_up(client: ComfyClient, preview: PreviewEngine) -> None:
    preview.troubles.add(HoldRequest())
    with tempfile.TemporaryFile() as file:
        file.truncate(LARGE)
        with pytest.raises(UploadBroken, match=r"Sending stylestudio_ink.* broke off") as caught:
            await client.install_lora(file, LARGE, NAME, stall_timeout=0.3)
    assert (caught.value.name, caught.value.detail) == (NAME, "Nothing more was taken for 0.3 seconds.")


async def test_an_engine_that_goes_away_meanwhile_is_unreachable(client: ComfyClient, preview: PreviewEngine) -> None:
    preview.troubles.add(LoseAnswer("/upload", handled=False))
    with tempfile.TemporaryFile() as file:
        file.truncate(LARGE)
        with pytest.raises(UploadBroken):
            await client.install_lora(file, LARGE, NAME)


async def test_where_nothing_listens_no_upload_broke_off(client: ComfyClient, preview: PreviewEngine) -> None:
    await preview.stop()
    with pytest.raises(EngineUnreachable) as caught:
        await client.install_lora(io.BytesIO(b"x"), 1, NAME)
    assert not isinstance(caught.value, UploadBroken)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_without_an_engine_behind_it_is_unreachable(
    client: ComfyClient, preview: PreviewEngine, status: int
) -> None:
    preview.troubles.add(Answer("/upload", "POST", status, "<h1>Bad gateway", "text/html"))
    with pytest.raises(UploadBroken):
        await client.install_lora(io.BytesIO(b"x"), 1, NAME)


async def test_the_size_of_what_was_installed_is_known_without_fetching_it(
    client: ComfyClient, preview: PreviewEngine
) -> None:
    assert await client.lora_size(NAME) is None
    await client.install_lora(io.BytesIO(bytes(1000)), 1000, NAME)
    assert await client.lora_size(NAME) == 1000
    preview.troubles.add(Answer("/view", "HEAD", 502, "<h1>Bad gateway", "text/html"))
    with pytest.raises(EngineUnreachable):
        await client.lora_size(NAME)


async def test_what_an_engine_stored_in_part_is_found_out_and_can_be_written_anew(
    client: ComfyClient, preview: PreviewEngine
) -> None:
    await client.install_lora(io.BytesIO(b"half"), 4, NAME)
    with pytest.raises(NotInstalled, match="another file named"):
        await client.install_lora(io.BytesIO(b"half and half"), 13, NAME)
    await client.install_lora(io.BytesIO(b"half and half"), 13, NAME, overwrite=True)
    assert await client.lora_size(NAME) == 13
    preview.troubles.add(Answer("/view", "HEAD", 200, "half"))
    with pytest.raises(NotInstalled, match="stored only a part") as caught:
        await client.install_lora(io.BytesIO(b"half and half"), 13, NAME)
    assert caught.value.detail == "4 of 13 bytes"


async def test_a_refusal_before_everything_was_sent_is_heard(client: ComfyClient, preview: PreviewEngine) -> None:
    preview.troubles.add(Answer("/upload", "POST", 413, "Request Entity Too Large"))
    with tempfile.TemporaryFile() as file:
        file.truncate(LARGE)
        with pytest.raises(NotInstalled, match="too large") as caught:
            await client.install_lora(file, LARGE, NAME)
    assert caught.value.name == NAME


@pytest.mark.parametrize(
    ("file", "size"),
    [(Broken(bytes(2 * CHUNK)), 2 * CHUNK), (io.BytesIO(bytes(10)), 11), (io.BytesIO(bytes(CHUNK + 1)), CHUNK)],
    ids=["broken", "shorter than it was", "longer than it was"],
)
async def test_a_file_that_cannot_be_read_as_promised_is_our_fault_and_not_the_engines(
    client: ComfyClient, file: io.BytesIO, size: int
) -> None:
    with pytest.raises(NotInstalled, match="cannot be read"):
        await client.install_lora(file, size, NAME)
    assert not await client.has_lora(NAME)


async def test_an_engine_that_does_not_list_what_it_took_is_found_out(
    client: ComfyClient, preview: PreviewEngine
) -> None:
    preview.troubles.add(Answer("/models/loras", "GET", 200, "[]", "application/json"))
    with pytest.raises(NotInstalled, match="does not list it"):
        await client.install_lora(io.BytesIO(b"x"), 1, NAME)


@pytest.mark.parametrize("listed", ["team/ink.safetensors", "team\\\\ink.safetensors"])
async def test_a_lora_is_found_however_the_engine_spells_its_path(
    client: ComfyClient, preview: PreviewEngine, listed: str
) -> None:
    preview.troubles.add(Answer("/models/loras", "GET", 200, f'["{listed}"]', "application/json", times=2))
    assert await client.has_lora("team/ink.safetensors")
    assert not await client.has_lora("ink.safetensors")


@pytest.mark.parametrize("name", ["", "a/b.safetensors", "..\\b", 'a"b'])
async def test_a_name_that_could_lead_elsewhere_is_refused(client: ComfyClient, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        await client.install_lora(io.BytesIO(b"x"), 1, name)


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        ("{}", None),
        ("[]", None),
        ('{"max_upload_size": "big"}', None),
        ('{"max_upload_size": NaN}', None),
        ('{"max_upload_size": Infinity}', None),
        ('{"max_upload_size": 0}', None),
        ('{"max_upload_size": 524288000.0}', 500 * 2**20),  # with --max-upload-size 500
    ],
)
async def test_how_much_an_engine_takes_is_what_it_says_where_it_says_so(
    client: ComfyClient, preview: PreviewEngine, answer: str, size: int | None
) -> None:
    preview.troubles.add(Answer("/features", "GET", 200, answer, "application/json"))
    assert await client.max_upload() == size
    assert await client.max_upload() == 100 * 2**20
