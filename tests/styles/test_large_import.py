"""A LoRA of a gigabyte: in through the page, and on to an engine, while the memory of web and worker is watched."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from stylestudio.host.rendezvous import free_port
from tests.chaos.studio import ROOT, Program, ask, wait_until
from tests.styles.lora.files import Shapes, lora, number

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the memory of processes from /proc"),
]

MB = 2**20
PART = 4 * MB
MOST_MORE = 100 * MB
# Where SDXL's U-Net has transformers: their width and how many blocks they have.
TRANSFORMERS = {
    "input_blocks_4_1": (640, 2), "input_blocks_5_1": (640, 2), "input_blocks_7_1": (1280, 10),
    "input_blocks_8_1": (1280, 10), "middle_block_1": (1280, 10), "output_blocks_0_1": (1280, 10),
    "output_blocks_1_1": (1280, 10), "output_blocks_2_1": (1280, 10), "output_blocks_3_1": (640, 2),
}  # fmt: skip


def attention(rank: int) -> Shapes:
    """Every attention of the U-Net, as kohya's scripts name them."""
    shapes: Shapes = {}
    for place, (wide, blocks) in TRANSFORMERS.items():
        for block in range(blocks):
            module = f"lora_unet_{place}_transformer_blocks_{block}"
            for part in ("to_q", "to_k", "to_v", "to_out_0"):
                shapes |= lora(f"{module}_attn1_{part}", wide, wide, rank)
                text = 2048 if part in ("to_k", "to_v") else wide
                shapes |= lora(f"{module}_attn2_{part}", wide, text, rank)
    return shapes


class LargeFile:
    """A whole LoRA, of which no more than one part is ever in memory. Its weights are noise, another in each part."""

    def __init__(self, rank: int, title: str) -> None:
        told = {"modelspec.title": title, "modelspec.license": "CC0", "ss_network_dim": str(rank)}
        header: dict[str, object] = {"__metadata__": told}
        shapes = attention(rank)
        alphas = [name for name, shape in shapes.items() if not shape]
        end = 0
        for name in [*alphas, *(name for name in shapes if shapes[name])]:
            begin, end = end, end + 2 * (shapes[name][0] * shapes[name][1] if shapes[name] else 1)
            header[name] = {"dtype": "F16", "shape": shapes[name], "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        self._head = len(text).to_bytes(8, "little") + text + number(rank / 2, "F16") * len(alphas)
        self.size = 8 + len(text) + end
        self._noise = os.urandom(PART)

    def parts(self) -> Iterator[bytes]:
        """The file from its beginning to its end."""
        yield self._head + self._noise[: PART - len(self._head)]
        for place in range(PART, self.size, PART):
            yield (place.to_bytes(8, "little") + self._noise[8:])[: self.size - place]


class Browser:
    """What a browser does here: it keeps cookies and sends the token along."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, str]:
        """Status and text of the answer."""
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "X-CSRFToken": self.cookies.get("csrftoken", ""),
        } | ({"Content-Type": kind} if kind else {})
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _sign, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def post(self, path: str, **fields: object) -> tuple[int, str]:
        """A form."""
        return self.ask("POST", path, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def sign_in(self, name: str, password: str) -> None:
        """Through the page."""
        self.ask("GET", "/sign-in/")
        status, _text = self.post("/sign-in/", username=name, password=password)
        assert (status, "sessionid" in self.cookies) == (302, True)

    def bring(self, file: LargeFile, name: str) -> tuple[str, str]:
        """Send a file in parts and finish it: the address of its form, and the hash of what was sent."""
        status, text = self.post("/uploads/start", purpose="lora", name=name, size=file.size, fingerprint=name)
        assert status == 200, text
        upload, at, sent = json.loads(text), 0, hashlib.sha256()
        for part in file.parts():
            sent.update(part)
            status, text = self.ask("PUT", f"{upload['parts']}?offset={at}", part, "application/octet-stream")
            at += len(part)
            assert (status, json.loads(text)) == (200, {"received": at})
        status, text = self.post(upload["finish"])
        found = re.search(r'action="(/styles/import/\d+/)"', text)
        assert status == 200 and found, text
        return found[1], sent.hexdigest()


class Memory:
    """Resident memory of some processes from now on. What they had most of is kept by the system."""

    def __init__(self, processes: dict[str, int]) -> None:
        self._processes = processes
        for pid in processes.values():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        self.before = {name: self._read(pid, "VmRSS") for name, pid in processes.items()}
        self._sampled = dict(self.before)
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for name, pid in self._processes.items():
                self._sampled[name] = max(self._sampled[name], self._read(pid, "VmRSS"))

    def more(self) -> dict[str, int]:
        """Bytes more than at the beginning at most, by process."""
        self._over.set()
        self._watching.join()
        most = {name: self._read(pid, "VmHWM") for name, pid in self._processes.items()}
        return {name: max(most[name], self._sampled[name]) - self.before[name] for name in self._processes}

    @staticmethod
    def _read(pid: int, what: str) -> int:
        [size] = re.findall(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(size) * 1024


class Studio:
    """The whole studio and one engine that takes large uploads, or else shares its folder of LoRAs."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        self.data, self.loras = folder / "data", folder / "engine/output/loras"
        self.loras.mkdir(parents=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("STYLESTUDIO_", "COMFYUI_"))}
        port, limit = free_port(), "1" if shared else "2048"
        self._env = own | {"STYLESTUDIO_DATA": str(self.data), "COMFYUI_URL": f"http://127.0.0.1:{port}"}
        self._env |= {"DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
        self._env |= {"COMFYUI_LORA_DIR": str(self.loras)} if shared else {}
        options = f"--port {port} --painter flat --max-upload-size {limit} --exit-with-parent --data"
        engine = [sys.executable, "manage.py", "preview_engine", *options.split(), str(folder / "engine")]
        self.port = free_port()
        studio = [sys.executable, "manage.py", "studio", "--no-browser", "--port", str(self.port)]
        self._programs = [Program("engine", engine, self._env, folder), Program("studio", studio, self._env, folder)]

    def start(self) -> None:
        """Until the engine serves, with somebody who may sign in."""
        for program in self._programs:
            program.start()
        assert wait_until(lambda: self._health().get("comfyui") == "connected", 60)
        self.manage("from django.contrib.auth.models import User; User.objects.create_superuser('ada', password='x1')")

    def _health(self) -> dict[str, object]:
        found = ask(f"http://127.0.0.1:{self.port}/health")
        return found if isinstance(found, dict) else {}

    def stop(self) -> None:
        """Studio first."""
        for program in reversed(self._programs):
            program.stop(10)

    def manage(self, code: str) -> str:
        """What a line of Python says inside the studio's Django."""
        command = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def processes(self) -> dict[str, int]:
        """Process ids of web and worker."""
        process = self._programs[1].process
        assert process is not None
        command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)]
        rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        signs = {"web": "stylestudio.processes.web", "worker": "manage.py worker"}
        return {name: int(row.split()[0]) for name, sign in signs.items() for row in rows if sign in row}

    def has_sheet(self, name: str) -> bool:
        """Whether the previews of a style's only version are made."""
        code = f"from styles.models import StyleVersion as V; print(bool(V.objects.get(style__name={name!r}).sheet))"
        return self.manage(code) == "True"


@pytest.fixture(params=[False, True], ids=["over the upload route", "into the shared folder"])
def studio(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Studio]:
    """A studio whose engine is given large files in one of the two ways."""
    running = Studio(tmp_path, shared=request.param)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_a_gigabyte_comes_in_and_goes_to_the_engine_with_less_than_100_mb_more_memory(studio: Studio) -> None:
    browser = Browser(studio.port)
    browser.sign_in("ada", "x1")

    def imported(name: str, rank: int) -> tuple[LargeFile, str]:
        """A file becomes a style, and the worker puts it on the engine for its previews."""
        file = LargeFile(rank, name)
        address, digest = browser.bring(file, f"{name.lower()}.safetensors")
        fields = {"name": name, "kind": "illustration", "default_strength": "1", "licence": "CC0", "publish": "on"}
        assert browser.post(address, **fields)[0] == 302
        assert wait_until(lambda: studio.has_sheet(name), 240, every=1.0), "no previews came"
        return file, digest

    imported("Small", 4)  # everything that is loaded once is there afterwards
    memory, began = Memory(studio.processes()), time.monotonic()
    file, digest = imported("Large", 416)
    took, more = time.monotonic() - began, memory.more()
    figures = ", ".join(f"{name} {memory.before[name] / MB:.0f} + {more[name] / MB:.0f} MB" for name in more)
    print(f"\n{file.size / 2**30:.2f} GB in {took:.0f} s: {figures}")
    assert file.size >= 2**30
    [there] = studio.loras.glob("stylestudio_large_v1_*.safetensors")
    with there.open("rb") as opened:
        assert hashlib.file_digest(opened, "sha256").hexdigest() == digest
    assert set(more) == {"web", "worker"}
    assert max(more.values()) < MOST_MORE
