"""What rooms contribute to rooms below them, named by address and imported when it is first used.

A room's `AppConfig` inherits `Room` and lists addresses ("module:function", of its own modules) in class attributes
such as `sweeps` or `doctor_checks`. So Django knows every room, and a process loads only what it uses: a command never
loads pages or the preview engine's painter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pkgutil import resolve_name
from typing import Any, ClassVar

from django.apps import AppConfig, apps


class Named:
    """A function by its address. Calling it imports and calls the function, also one that a test has replaced."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return resolve_name(self.address)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Named({self.address!r})"


class Room(AppConfig):
    """An app that says by address what it contributes. The attributes here are read by the kernel.

    `apps.py` imports this module and not the class: of two configurations in one module Django takes neither.
    """

    is_curated: ClassVar[bool] = False  # curators may change its rows
    startup_steps: ClassVar[Sequence[str]] = ()  # before the first page and the first job, at every start
    beats: ClassVar[Sequence[str]] = ()  # with every heartbeat of a worker: renew leases, notice cancellations
    sweeps: ClassVar[Sequence[str]] = ()  # every minute in a worker; cheap if there is nothing to do
    # The same for what deletes files or ends work on engines: only while the media belong to this database.
    guarded_sweeps: ClassVar[Sequence[str]] = ()
    doctor_checks: ClassVar[Sequence[str]] = ()
    health_facts: ClassVar[Sequence[str]] = ()
    upload_purposes: ClassVar[Sequence[str]] = ()
    accelerator_uses: ClassVar[Sequence[str]] = ()  # which recipes a LoRA could be the accelerator of
    receivers: ClassVar[Mapping[str, Sequence[str]]] = {}  # by the address of the signal, whose module must be light

    def ready(self) -> None:
        """Connect the receivers."""
        for signal, addresses in self.receivers.items():
            for address in addresses:
                resolve_name(signal).connect(Named(address), weak=False, dispatch_uid=address)


def contributed(attribute: str) -> Iterator[Any]:
    """What the rooms list in this attribute, imported, in the order of the apps."""
    for config in apps.get_app_configs():
        for address in getattr(config, attribute, ()):
            yield resolve_name(address)
