"""What the processes of one studio tell each other: ports and secrets, by environment or by files in the data folder.

The supervisor picks them once and hands them to its children. The files are for commands that run beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from stylestudio.host import private

# Below the range from which systems take ports for outgoing connections, so that a port that was picked is still free
# when a child that was killed comes back.
_PORTS = range(20000, 30000)


@dataclass(frozen=True, slots=True)
class Door:
    """A port on 127.0.0.1 and the secret that opens it ("" where none is needed)."""

    port: int
    secret: str = ""

    @classmethod
    def from_environment(cls, name: str) -> Self | None:
        """From "port" or "port:secret" in the variable `name`; None where unset or senseless."""
        port, _, secret = os.environ.get(name, "").partition(":")
        return cls(int(port), secret) if port.isdigit() else None

    @classmethod
    def from_file(cls, file: Path) -> Self | None:
        """What `write` left in `file`; None where there is nothing usable."""
        try:
            content = json.loads(file.read_text())
            return cls(int(content["port"]), str(content["secret"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Put it into `file`, whole or not at all, readable by this user only."""
        private.folder(file.parent)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            json.dump(asdict(self), handle)
        draft.replace(file)

    def __str__(self) -> str:
        return f"{self.port}:{self.secret}" if self.secret else str(self.port)


def free_port(host: str = "127.0.0.1", but: Container[int] = ()) -> int:
    """A port nobody listens on now, for TCP and UDP. It is not reserved: `but` are those that were picked before."""
    for port in random.sample(_PORTS, 100):
        if port in but:
            continue
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as trial:
                    trial.bind((host, port))
            return port
    raise OSError(f"No free port was found on {host}.")
