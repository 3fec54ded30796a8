"""Names of the model files that engines list.

ComfyUI on Windows lists a file in a folder as `SDXL\\x.safetensors`, on other systems as `SDXL/x.safetensors`. It is
the same file, but an engine accepts only its own spelling. Here it has one name, `canonical`; when a graph is sent to
an engine, `wiring.adapt` spells the name as that engine does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

# The folders of models that engines are asked about: graphs of pictures take files from these.
MODEL_FOLDERS = (
    "checkpoints", "loras", "diffusion_models", "text_encoders", "vae", "controlnet", "background_removal",
    "upscale_models", "geometry_estimation",
)  # fmt: skip


def canonical(name: str) -> str:
    """The canonical name of a file, used to compare spellings: its folders separated by forward slashes."""
    return name.replace("\\", "/")


def distinct(names: Iterable[str]) -> list[str]:
    """The canonical names of these files without duplicates, in the same order."""
    return list(dict.fromkeys(canonical(name) for name in names))


def is_listed(name: str, listed: Collection[str]) -> bool:
    """Whether the file is among `listed`, in any spelling of either."""
    wanted = canonical(name)
    if wanted in listed:
        return True
    # An engine may list a hundred thousand files, mostly without a backslash; one search in the joined text is fast.
    return "\\" in "".join(listed) and as_listed(name, listed) is not None


def as_listed(name: str, listed: Iterable[str]) -> str | None:
    """How the file is spelled among `listed`; None if it is not there."""
    wanted = canonical(name)
    return next((other for other in listed if canonical(other) == wanted), None)


def folder_of(name: str) -> str:
    """The folders in front of the file name, such as `SDXL/styles`; empty if there are none."""
    return canonical(name).rpartition("/")[0]
