"""The engine's folders: uploading, loading, saving, numbering and viewing files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from PIL import Image, PngImagePlugin

FOLDERS = ("input", "output", "temp")
MODEL_FOLDERS = (
    "checkpoints", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "embeddings", "controlnet",
    "upscale_models", "background_removal", "geometry_estimation",
)  # fmt: skip
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
ANNOTATION = re.compile(r" \[(input|output|temp)\]$")


class OutsideFolder(Exception):
    """A name that leads outside the engine's folders."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A file as the API refers to it."""

    filename: str
    subfolder: str
    type: str

    def as_json(self) -> dict[str, str]:
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


class Files:
    """Three folders in `root`, and the names of the models that this engine claims to have.

    With `real_paths`, targets of symbolic links outside a folder count as outside for LoadImage and for saving, but
    never for uploads and /view, as in ComfyUI 0.33.0.
    """

    def __init__(
        self,
        root: Path,
        checkpoints: Iterable[str],
        loras: Iterable[str],
        keep: int,
        *,
        models: Mapping[str, Iterable[str]] | None = None,
        real_paths: bool = False,
    ) -> None:
        self.root = root.resolve()
        self._checkpoints = sorted(checkpoints)
        self._loras = sorted(loras)
        self._models = {folder: sorted(names) for folder, names in (models or {}).items()}
        self._keep = keep
        self._real_paths = real_paths
        for name in FOLDERS:
            self.folder(name).mkdir(parents=True, exist_ok=True)
        kept = [path for path in self.folder("output").rglob("*.png") if path.is_file()]
        self._written: deque[Path] = deque(sorted(kept, key=lambda path: path.stat().st_mtime))

    def folder(self, kind: str) -> Path:
        """The folder for "input", "output" or "temp"; ValueError for anything else."""
        if kind not in FOLDERS:
            raise ValueError(kind)
        return self.root / kind

    def checkpoints(self) -> list[str]:
        return list(self._checkpoints)

    def loras(self) -> list[str]:
        """The engine's built-in names and every file uploaded to output/loras."""
        uploaded = self.folder("output") / "loras"
        if not uploaded.is_dir():
            return list(self._loras)
        found = {path.relative_to(uploaded).as_posix() for path in uploaded.rglob("*.safetensors")}
        return sorted(found.union(self._loras))

    def models(self) -> dict[str, list[str]]:
        """All model folders with the names in them."""
        filled = {"checkpoints": self.checkpoints(), "loras": self.loras()}
        return {folder: filled.get(folder) or self._models.get(folder, []) for folder in MODEL_FOLDERS}

    def input_folders(self) -> list[str]:
        """All folders in the input folder, as "a/b", in the way the dataset nodes list them."""
        top = self.folder("input")
        return sorted(path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_dir())

    def lora(self, name: str) -> Path | None:
        """The file of a LoRA that was uploaded or trained; None for those that the engine only claims to have."""
        path = self._inside("output", "loras", name)
        return path if path.is_file() else None

    def save_lora(self, data: bytes, prefix: str, steps: int | None) -> Path:
        """Write `<prefix>_<steps>_steps_<counter>_.safetensors`, or `<prefix>_<counter>_.safetensors` without steps.

        As in ComfyUI, the number of steps in the name of an earlier file is mistaken for its counter, so a third file
        with the same prefix and steps replaces the second.
        """
        folder, stem, _subfolder = self._destination(prefix, "output", (0, 0))
        counter = _last_number(folder, stem) + 1
        path = folder / f"{stem}{'' if steps is None else f'_{steps}_steps'}_{counter:05}_.safetensors"
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    def input_images(self) -> list[str]:
        """The top level of the input folder, as LoadImage lists it."""
        entries = os.scandir(self.folder("input"))
        return sorted(e.name for e in entries if e.is_file() and Path(e.name).suffix.lower() in IMAGE_SUFFIXES)

    def input_image(self, name: str) -> Path:
        """The file that a LoadImage name refers to: "a.png", "sub/a.png", "a.png [output]". Raises OutsideFolder."""
        kind, plain = "input", name
        if match := ANNOTATION.search(name):
            kind, plain = match.group(1), name[: match.start()]
        path = self._inside(kind, "", plain)
        if self._leads_out(path, self.folder(kind)):
            raise OutsideFolder(name)
        return path

    def fingerprint(self, name: str) -> str:
        """A digest of the input image; "" if it cannot be read."""
        try:
            return hashlib.sha256(self.input_image(name).read_bytes()).hexdigest()
        except (OSError, OutsideFolder):
            return ""

    def upload(self, data: IO[bytes], filename: str, subfolder: str, kind: str, *, overwrite: bool) -> str:
        """Store a file and return its name: "u (1).png" if "u.png" already exists with other contents."""
        path = self._inside(kind, subfolder, filename)
        self._inside(kind, "", subfolder).mkdir(parents=True, exist_ok=True)
        name = Path(filename)
        number = 0
        while not overwrite and path.exists():
            if _same(path, data):
                return filename
            number += 1
            filename = f"{name.with_suffix('')} ({number}){name.suffix}"
            path = self._inside(kind, subfolder, filename)
        aside = path.with_name(f".{uuid4().hex}.part")
        try:
            data.seek(0)
            with aside.open("wb") as file:
                shutil.copyfileobj(data, file)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        return filename

    def view(self, kind: str, subfolder: str, filename: str) -> Path:
        """The path of a file to show. Raises OutsideFolder if the subfolder leads outside."""
        return self._inside(kind, subfolder, Path(filename).name)

    def save(
        self, images: Iterable[Image.Image], prefix: str, kind: str, graph: Any, pnginfo: dict[str, Any] | None
    ) -> list[Saved]:
        """Write PNGs `prefix_00001_.png`, `prefix_00002_.png`, … with the graph in their text chunks."""
        saved = []
        texts = PngImagePlugin.PngInfo()
        texts.add_text("prompt", json.dumps(graph))
        for key in pnginfo or ():
            texts.add_text(key, json.dumps(pnginfo[key]))  # type: ignore[index]
        folder: Path | None = None
        counter = 0
        for image in images:
            if folder is None:
                folder, stem, subfolder = self._destination(prefix, kind, image.size)
                counter = _last_number(folder, stem) + 1
            name = f"{stem}_{counter:05}_.png"
            image.save(folder / name, pnginfo=texts, compress_level=1)
            saved.append(Saved(name, subfolder, kind))
            self._remember(folder / name)
            counter += 1
        return saved

    def wipe_temp(self) -> None:
        for path in self.folder("temp").rglob("*"):
            if path.is_file():
                path.unlink(missing_ok=True)

    def _destination(self, prefix: str, kind: str, size: tuple[int, int]) -> tuple[Path, str, str]:
        now = time.localtime()
        values = {
            "%width%": str(size[0]),
            "%height%": str(size[1]),
            "%year%": str(now.tm_year),
            "%month%": f"{now.tm_mon:02}",
            "%day%": f"{now.tm_mday:02}",
            "%hour%": f"{now.tm_hour:02}",
            "%minute%": f"{now.tm_min:02}",
            "%second%": f"{now.tm_sec:02}",
        }
        for variable, value in values.items():
            prefix = prefix.replace(variable, value)
        top = self.folder(kind)
        head, stem = os.path.split(prefix)
        folder = Path(os.path.normpath(top / head))
        if not folder.is_relative_to(top) or "\0" in prefix or self._leads_out(folder, top):
            raise OutsideFolder("**** ERROR: Saving image outside the output folder is not allowed.")
        folder.mkdir(parents=True, exist_ok=True)
        subfolder = folder.relative_to(top).as_posix()
        return folder, stem, "" if subfolder == "." else subfolder

    def _remember(self, path: Path) -> None:
        self._written.append(path)
        while len(self._written) > self._keep:
            oldest = self._written.popleft()
            oldest.unlink(missing_ok=True)
            folder = oldest.parent
            if folder.parent != self.root and folder != path.parent:
                # Otherwise a folder per job would pile up; one that still contains files is not removed.
                try:
                    folder.rmdir()
                except OSError:
                    continue

    def _leads_out(self, path: Path, top: Path) -> bool:
        """Whether a symbolic link on the way leads `path` out of `top`."""
        return self._real_paths and not path.resolve().is_relative_to(top.resolve())

    def _inside(self, kind: str, subfolder: str, name: str) -> Path:
        top = self.folder(kind)
        path = Path(os.path.normpath(top / os.path.normpath(subfolder or ".") / name))
        if not path.is_relative_to(top) or "\0" in name + subfolder:
            raise OutsideFolder(name)
        return path


def _same(path: Path, data: IO[bytes]) -> bool:
    """Whether the file has these contents; neither is read into memory as a whole."""
    data.seek(0)
    with path.open("rb") as file:
        while (piece := file.read(2**20)) == data.read(2**20):
            if not piece:
                return True
    return False


def _last_number(folder: Path, stem: str) -> int:
    pattern = re.compile(re.escape(stem) + r"_(\d+)_?", re.IGNORECASE)
    numbers = (int(m.group(1)) for entry in os.scandir(folder) if (m := pattern.match(entry.name)))
    return max(numbers, default=0)
