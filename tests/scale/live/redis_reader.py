"""A process that reads groups through Redis: `python redis_reader.py ADDRESS`.

It is told, by line, `join GROUP`, `leave GROUP` or `say GROUP WORDS`, and repeats that when it is done. It prints what
it hears as `heard WORDS`, and `lost` if messages may have been lost.
"""

from __future__ import annotations

import asyncio
import sys

from django.conf import settings

settings.configure()

from stylestudio.live.redis_layer import RedisChannelLayer  # noqa: E402


async def listen(layer: RedisChannelLayer, channel: str) -> None:
    """Print what comes."""
    while True:
        message = await layer.receive(channel)
        print("lost" if message["type"] == "lost" else f"heard {message['text']}", flush=True)


async def obey(layer: RedisChannelLayer, channel: str, line: str) -> None:
    """Do what one line says."""
    order, group, words = [*line.strip().split(maxsplit=2), ""][:3]
    try:
        if order == "join":
            await layer.group_add(group, channel)
        elif order == "leave":
            await layer.group_discard(group, channel)
        else:
            layer.group_send_sync(group, {"type": "push", "text": words})
    except ConnectionError:
        order = "refused"
    print(f"{order} {group}", flush=True)


async def main(address: str) -> None:
    """Until the input ends."""
    layer = RedisChannelLayer(address)
    channel = await layer.new_channel()
    await layer.open()
    listening = asyncio.create_task(listen(layer, channel))
    while line := await asyncio.to_thread(sys.stdin.readline):
        await obey(layer, channel, line)
    listening.cancel()


asyncio.run(main(sys.argv[1]))
