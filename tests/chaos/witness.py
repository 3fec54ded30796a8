"""A page that never sleeps: what one person's socket told of each job, over every loss of the connection."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from urllib.parse import urlencode

import aiohttp

ENDED = {"completed", "failed", "cancelled"}


class Witness(threading.Thread):
    """Listens until told to stop. `told` is the last status of each job, `lies` what cannot be."""

    def __init__(self, studio_url: str, cookies: dict[str, str]) -> None:
        super().__init__(name="witness", daemon=True)
        self._url, self._cookies = studio_url, cookies
        self._over = threading.Event()
        self.told: dict[int, tuple[int, str]] = {}
        self.lies: list[str] = []
        self.connections = 0

    def run(self) -> None:
        """Listen, and connect again whenever the connection ends."""
        asyncio.run(self._listen())

    def stop(self) -> None:
        """End within a second."""
        self._over.set()
        self.join(5)

    async def _listen(self) -> None:
        since = datetime.now(UTC)
        async with aiohttp.ClientSession(cookies=self._cookies) as session:
            while not self._over.is_set():
                query = urlencode({"watch": "mine", "format": "json", "since": since.isoformat()})
                since = datetime.now(UTC)
                try:
                    async with session.ws_connect(f"{self._url}/ws/progress?{query}", heartbeat=5) as socket:
                        self.connections += 1
                        await self._hear(socket)
                        since = datetime.now(UTC)
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(0.2)

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while not self._over.is_set():
            try:
                message = await socket.receive(timeout=0.5)
            except TimeoutError:
                continue
            if message.type != aiohttp.WSMsgType.TEXT:
                return
            self._note(json.loads(message.data))

    def _note(self, said: dict[str, object]) -> None:
        job, version, status = int(str(said["id"])), int(str(said["version"])), str(said["status"])
        known_version, known = self.told.get(job, (0, ""))
        if version < known_version:
            return  # as a page does
        if known in ENDED and status != known:
            self.lies.append(f"job {job} was {known} and is {status}")
        self.told[job] = version, status
