"""Names of the model files that engines list.

ComfyUI on Windows lists a file in a folder as `SDXL\\x.safetensors`, on other systems as `SDXL/x.safetensors`. It is
one file, and an engine takes it in its own spelling alone. Here it has one name, `canonical`; when a graph goes to an
engine, `graph.adapt` spells it as that one does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable


def canonical(name: str) -> str:
    """The one name of a file, by which two spellings are compared: its folders with forward slashes."""
    return name.replace("\\", "/")


def distinct(names: Iterable[str]) -> list[str]:
    """The canonical names of these files, each once, in the same order."""
    return list(dict.fromkeys(canonical(name) for name in names))


def is_listed(name: str, listed: Collection[str]) -> bool:
    """Whether the file is among `listed`, in any spelling of either."""
    wanted = canonical(name)
    if wanted in listed:
        return True
    # An engine may list a hundred thousand files, mostly without a backslash; one look at all of them is quick.
    return "\\" in "".join(listed) and as_listed(name, listed) is not None


def as_listed(name: str, listed: Iterable[str]) -> str | None:
    """How the file is spelled among `listed`; None if it is not there."""
    wanted = canonical(name)
    return next((other for other in listed if canonical(other) == wanted), None)


def folder_of(name: str) -> str:
    """The folders in front of the file's own name, such as `SDXL/styles`; empty without any."""
    return canonical(name).rpartition("/")[0]
