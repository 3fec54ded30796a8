"""The pictures of one purpose of a version and what they say, as rendered here and pushed to open pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from generation.ordering import orders
from generation.ordering.style_wishes import base_checkpoints
from generation.pictures import job_cards, snapshots
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.previews.models import Face
from generation.previews.wishes import Purpose, wishes
from generation.recipes import registry
from styles.lora import Family
from styles.models import StyleVersion
from stylestudio.comfy.file_names import canonical
from stylestudio.live import publisher

TEMPLATES = {
    Purpose.SHEET: "generation/previews/_sheet.html",
    Purpose.EFFECT: "generation/previews/_effect.html",
    Purpose.STRENGTHS: "generation/previews/_strengths.html",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a panel, with its picture if that is stored."""

    face: Face
    picture: GeneratedImage | None

    @property
    def state(self) -> str:
        """Where its picture is: done, making, wait or gone."""
        if self.picture:
            return "done"
        if not self.face.task.is_active:
            return "gone"
        return "making" if self.face.task.started_at else "wait"

    @property
    def is_default(self) -> bool:
        """Whether its strength is the version's default."""
        return abs(self.face.strength - self.face.version.default_strength) < 0.005


@dataclass(frozen=True, slots=True)
class Panel:
    """What a page shows of one purpose. `stale`: pictures ordered now would have other inputs."""

    version: StyleVersion
    purpose: str
    cells: Sequence[Cell]
    stale: bool
    settled: bool

    @property
    def root_id(self) -> str:
        """The id of its element on every page."""
        return f"face-{self.purpose}-{self.version.pk}"

    @property
    def number(self) -> int:
        """Increases with every change, so that pages drop fragments older than what they show."""
        newest = max((cell.face.pk for cell in self.cells), default=0)
        changes = sum(cell.face.task.version for cell in self.cells)
        return newest * 1_000_000 + changes * 2 + self.settled

    @property
    def active(self) -> list[GenerationTask]:
        """The tasks that are waiting or running."""
        return [cell.face.task for cell in self.cells if cell.face.task.is_active]

    @property
    def making(self) -> bool:
        """Whether pictures or their follow-up are still to come."""
        return bool(self.cells) and not self.settled

    @property
    def gone(self) -> list[Cell]:
        """The places whose picture was not made, or was deleted."""
        return [cell for cell in self.cells if cell.state == "gone"]

    @property
    def whole(self) -> bool:
        """Whether every picture is there and none is out of date."""
        return bool(self.cells) and not self.stale and all(cell.picture for cell in self.cells)

    @property
    def left_seconds(self) -> float | None:
        """About how many seconds until the last picture; None without enough history."""
        job_cards.gather(self.active)
        left = [task.left_seconds for task in self.active]
        return max((seconds for seconds in left if seconds is not None), default=None)

    @property
    def percent(self) -> str:
        """How much the picture with the style differs from the one without, in percent; "" if not measured."""
        differs = self.version.difference
        return "" if differs is None else number_format(differs * 100, 1)

    @property
    def cause(self) -> str:
        """Why the style may have no effect, from the picture with it."""
        return cause(self.version, self.cells[-1].face.task.snapshot)


def panel(version: StyleVersion, purpose: str) -> Panel:
    """The current panel of a purpose."""
    faces = current(version, purpose)
    made = GeneratedImage.with_previews.filter(task__in=[face.task_id for face in faces])
    pictures = {picture.task_id: picture for picture in made.select_related("engine")}
    cells = [Cell(face, pictures.get(face.task_id)) for face in faces]
    return Panel(version, str(purpose), cells, _is_stale(version, purpose, faces), all(face.settled for face in faces))


def current(version: StyleVersion, purpose: str) -> list[Face]:
    """The newest face of every place, in order."""
    faces = Face.objects.filter(version=version, purpose=purpose).select_related("task", "version__style")
    newest = {face.position: face for face in faces.order_by("asked_at", "pk")}
    return [newest[position] for position in sorted(newest)]


def _is_stale(version: StyleVersion, purpose: str, faces: Sequence[Face]) -> bool:
    """Whether probes, strength, trigger words or files have changed since the pictures were ordered."""
    if not faces:
        return False
    try:
        wanted = [_recipe(orders.snapshot(wish.order)) for wish in wishes(version, purpose)]
    except ValidationError:
        return False
    return wanted != [_recipe(face.task.snapshot) for face in faces]


def _recipe(snapshot: Mapping[str, Any]) -> tuple[Any, ...]:
    """What determines how a picture looks. A smaller retry, or another release's workflow, makes no sheet stale."""
    styles = [(canonical(style["lora"]), style["weight"], style["triggers"]) for style in snapshot["styles"]]
    return snapshot["prompt"], snapshot["seeds"], snapshots.files_in(snapshot), styles


def cause(version: StyleVersion, snapshot: Mapping[str, Any]) -> str:
    """The likely reason why a picture made from `snapshot` looks as if without the style."""
    style = snapshot["styles"][0]
    if not style["lora"]:
        if style["triggers"]:
            return _("It has no file, only trigger words, and the model does not seem to know them.")
        return _("It has no file, and no trigger words of its own were put into the prompt.")
    if not style["weight"]:
        return _("Its default strength is 0.")
    if version.family not in ("", Family.SKETCH, Family.UNKNOWN, registry.of(snapshot).family):
        made_for = {"family": Family(version.family).label}
        return _("Its file was made for another family of models (%(family)s).") % made_for
    used = snapshots.files_in(snapshot).get("checkpoint", "")
    if base_checkpoints.differ(version.trained_on, used):
        names = {"own": version.trained_on, "used": used}
        return _("It was trained on %(own)s, and the pictures were made with %(used)s.") % names
    return _("The engine may not have applied its file.")


def publish_panel(version: StyleVersion, purpose: str) -> None:
    """Push the panel in its current state to all open pages, soon."""
    publisher.publisher.note_act(f"face {version.pk} {purpose}", partial(_push, version.pk, purpose))


def publish_panels(version: StyleVersion) -> None:
    """Push all panels: the default strength, which they depend on, has changed."""
    for purpose in Purpose:
        publish_panel(version, purpose)


def _push(version_pk: int, purpose: str) -> None:
    version = StyleVersion.everything.select_related("style").filter(pk=version_pk).first()
    if version:
        publisher.publish_shell(TEMPLATES[Purpose(purpose)], panel=panel(version, purpose))
