"""How the processes of one studio find each other: ports and secrets, in the environment or in files of the data
folder.

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

# Below the range that systems use for outgoing connections, so that a chosen port is still free when a killed child is
# restarted.
_PORTS = range(20000, 30000)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A port on 127.0.0.1 and the secret for it ("" if none is needed)."""

    port: int
    secret: str = ""

    @classmethod
    def from_environment(cls, name: str) -> Self | None:
        """Parse "port" or "port:secret" from the variable `name`; None if it is unset or malformed."""
        port, _, secret = os.environ.get(name, "").partition(":")
        return cls(int(port), secret) if port.isdigit() else None

    @classmethod
    def from_file(cls, file: Path) -> Self | None:
        """Read what `write` stored in `file`; None if there is nothing usable."""
        try:
            content = json.loads(file.read_text())
            return cls(int(content["port"]), str(content["secret"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Write `file` atomically, readable by this user only."""
        private.folder(file.parent)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            json.dump(asdict(self), handle)
        draft.replace(file)

    def __str__(self) -> str:
        return f"{self.port}:{self.secret}" if self.secret else str(self.port)


def free_port(host: str = "127.0.0.1", but: Container[int] = ()) -> int:
    """A port that is free now for TCP and UDP. It is not reserved; `but` are ports picked before."""
    for port in random.sample(_PORTS, 100):
        if port in but:
            continue
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as trial:
                    trial.bind((host, port))
            return port
    raise OSError(f"No free port was found on {host}.")
