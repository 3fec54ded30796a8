"""What versions look like: the preview sheet, whether a version does anything, and the strength strip.

Their pictures are ordinary tasks of one picture each; a `Face` says what such a task is for. What follows when all
pictures of a purpose have ended (a composed sheet, a measured difference) is done once, by whoever hears of it first.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.dispatch import Signal
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from huey.contrib.djhuey import db_task
from PIL import Image

from generation.engines import roster
from generation.ordering import base_checkpoints, orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import cards
from generation.pictures.models import MOST_SEED, EnginePrompt, GeneratedImage, GenerationTask
from generation.pictures.prompts import final_prompt
from generation.previews import contact_sheets
from generation.previews.models import Face, Probe
from styles.forms import COVER_SIDE
from styles.lora import Family
from styles.models import Effect, Style, StyleVersion
from stylestudio.comfy.file_names import canonical
from stylestudio.images import decoding
from stylestudio.jobs.kinds import ACTIVE, Visibility
from stylestudio.live import publisher
from stylestudio.media import identity

Purpose = Face.Purpose
SIZE = (1152, 896)  # of the shapes that the form offers, the one nearest to a sheet's panel
STRENGTHS = tuple(step / 4 for step in range(7))  # 0 to 1.5
STRENGTHS_OF_SLIDERS = tuple(float(step) for step in range(-3, 4))
# Mean difference (0 to 1) below which a style is said to do nothing. One step of 255 in every pixel and channel is
# 0.004, and nobody sees it; the sketch styles differ by 0.03 to 0.4 at their default strengths, another seed by 0.1.
NOTHING = 0.01
PROBES = (
    ("meadow path with two cottages, morning", 11),
    ("castle by the sea, sunset", 12),
    ("robot character", 13),
    ("still life, golden ring", 14),
)
TEMPLATES = {
    Purpose.SHEET: "generation/_sheet.html",
    Purpose.EFFECT: "generation/_effect.html",
    Purpose.STRENGTHS: "generation/_strengths.html",
}
_PRESSES = uuid.UUID("7d0a3a42-5c55-4d2b-9b0e-6f6f2c1f7a11")  # what presses of these buttons are named in


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture that a purpose needs. `strength` 0 is without the style."""

    position: int
    strength: float
    order: Order


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a panel, with its picture where it is stored. `state` is done, making, wait or gone."""

    face: Face
    picture: GeneratedImage | None

    @property
    def state(self) -> str:
        """Where its picture is."""
        if self.picture:
            return "done"
        if not self.face.task.is_active:
            return "gone"
        return "making" if self.face.task.started_at else "wait"

    @property
    def is_default(self) -> bool:
        """Whether its strength is the one that the style is used with."""
        return abs(self.face.strength - self.face.version.default_strength) < 0.005


@dataclass(frozen=True, slots=True)
class Panel:
    """What a page shows of one purpose. `stale`: other pictures would be asked for now."""

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
        """Grows with every change, so that pages drop what is older than what they show."""
        newest = max((cell.face.pk for cell in self.cells), default=0)
        changes = sum(cell.face.task.version for cell in self.cells)
        return newest * 1_000_000 + changes * 2 + self.settled

    @property
    def active(self) -> list[GenerationTask]:
        """The tasks that are waiting or running."""
        return [cell.face.task for cell in self.cells if cell.face.task.is_active]

    @property
    def making(self) -> bool:
        """Whether something is still to come: pictures, or what follows from them."""
        return bool(self.cells) and not self.settled

    @property
    def gone(self) -> list[Cell]:
        """The places whose picture was not made, or was deleted."""
        return [cell for cell in self.cells if cell.state == "gone"]

    @property
    def whole(self) -> bool:
        """Whether every picture is there, and none would be asked for otherwise."""
        return bool(self.cells) and not self.stale and all(cell.picture for cell in self.cells)

    @property
    def left_seconds(self) -> float | None:
        """About how long until the last picture; None without enough history."""
        cards.gather(self.active)
        left = [task.left_seconds for task in self.active]
        return max((seconds for seconds in left if seconds is not None), default=None)

    @property
    def percent(self) -> str:
        """How much the picture with the style differs from the one without, of 100; "" where it was not measured."""
        differs = self.version.difference
        return "" if differs is None else number_format(differs * 100, 1)

    @property
    def cause(self) -> str:
        """Why the style may do nothing, from the picture with it."""
        return cause(self.version, self.cells[-1].face.task.snapshot)


def create_probes_once() -> None:
    """The first probe prompts. What curators change or delete stays so."""
    if not Probe.everything.exists():
        Probe.objects.bulk_create(
            Probe(prompt=prompt, seed=seed, position=place) for place, (prompt, seed) in enumerate(PROBES, 1)
        )


def scenes(style: Style) -> list[tuple[str, int]]:
    """(prompt, seed) of the four panels: probes for the style's type first, then the general ones.

    Fewer than four are asked for again with their next seeds. ValidationError where there is none.
    """
    found = Probe.objects.filter(active=True, kind__in=("", style.kind))
    rows = sorted(found, key=lambda probe: (probe.kind == "", probe.position, probe.pk))
    if not rows:
        raise ValidationError(_("There are no probe prompts in use. A curator can add some in the admin."))
    places = ((rows[place % len(rows)], place // len(rows)) for place in range(contact_sheets.PANELS))
    return [(probe.prompt, min(probe.seed + again, MOST_SEED)) for probe, again in places]


def wishes(version: StyleVersion, purpose: str) -> list[Wish]:
    """The pictures that a purpose needs as version and probes are now. ValidationError where there are no probes."""
    shown = scenes(version.style)
    if version.style.is_base:
        return [Wish(place, 0.0, _without(version, scene)) for place, scene in enumerate(shown)]
    usual = version.default_strength
    if purpose == Purpose.SHEET:
        return [Wish(place, usual, _with(version, scene, usual)) for place, scene in enumerate(shown)]
    without = _without(version, shown[0])
    if purpose == Purpose.EFFECT:
        return [Wish(0, 0.0, without), Wish(1, usual, _with(version, shown[0], usual))]
    return [
        Wish(place, weight, _with(version, shown[0], weight) if weight else without)
        for place, weight in enumerate(strengths(version))
    ]


def strengths(version: StyleVersion) -> tuple[float, ...]:
    """At which strengths the strip shows the version."""
    return STRENGTHS_OF_SLIDERS if version.slider else STRENGTHS


def _with(version: StyleVersion, scene: tuple[str, int], weight: float) -> Order:
    """One picture in the version's style."""
    return replace(_plain(version, *scene), mix=(Ingredient(version, weight),))


def _without(version: StyleVersion, scene: tuple[str, int]) -> Order:
    """The same without the style, of the same models and words: other words make another picture by themselves.

    A style without a file is its trigger words, so there they are left out.
    """
    prompt, seed = scene
    return _plain(version, final_prompt(prompt, version.triggers) if version.lora_name else prompt, seed)


def _plain(version: StyleVersion, prompt: str, seed: int) -> Order:
    width, height = SIZE
    return Order(
        prompt=prompt,
        seed=seed,
        width=width,
        height=height,
        checkpoint=version.checkpoint,
        lightning=version.lightning,
    )


def ask_for_sheet(version: StyleVersion, user: User) -> list[GenerationTask]:
    """Ask for the preview sheet of a version in the name of `user`: after an import or a training, or at a press."""
    return ask(version, user, Purpose.SHEET)


def greet(sender: object, version: StyleVersion, user: User, **_facts: Any) -> None:
    """A file became a version: make its previews."""
    with suppress(ValidationError):  # nothing is lost without probe prompts; the page offers the button
        ask_for_sheet(version, user)


def forget(sender: object, version: StyleVersion, **_facts: Any) -> None:
    """A version is removed for good: so are the pictures that show it. ValidationError while some are made.

    Those without the style stay, since other versions share them.
    """
    tasks = GenerationTask.objects.filter(is_face=True, mix__version=version)
    live_prompts = EnginePrompt.objects.filter(task__in=tasks, state__in=EnginePrompt.LIVE)
    if tasks.active().exists() or live_prompts.exists():
        raise ValidationError(_("Its previews are still being made. Cancel them, or wait until they are there."))
    pictures = GeneratedImage.everything.filter(task__in=tasks)
    files = [file for picture in pictures for file in (picture.file, picture.thumbnail) if file]
    pictures.delete()
    tasks.delete()
    for file in files:
        transaction.on_commit(partial(file.storage.delete, str(file.name)))


def ask(version: StyleVersion, user: User, purpose: str) -> list[GenerationTask]:
    """Ask for what a purpose lacks; where nothing is lacking, for all of it anew. ValidationError says why not.

    Pictures that are there or on their way for the same inputs are shared: those without a style always.
    """
    wished = wishes(version, purpose)
    anew = panel(version, purpose).whole
    last = Face.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    tasks = []
    with transaction.atomic():
        for wish in wished:
            press = uuid.uuid5(_PRESSES, f"{version.pk} {purpose} {wish.position} {last}")
            there = None if anew and _is_own(wish, version) else made(wish.order)
            task = there or orders.place(wish.order, user, request_id=press, is_face=True)
            Face.objects.create(
                version=version, task=task, purpose=purpose, position=wish.position, strength=wish.strength
            )
            tasks.append(task)
        transaction.on_commit(partial(_asked, version, purpose, tasks))
    return tasks


def _asked(version: StyleVersion, purpose: str, tasks: Sequence[GenerationTask]) -> None:
    publish(version, purpose)
    if not any(task.is_active for task in tasks):  # all of them are shared, so none is going to end
        follow_soon(tasks[0].pk)


def _is_own(wish: Wish, version: StyleVersion) -> bool:
    return bool(wish.order.mix) or version.style.is_base


def made(order: Order) -> GenerationTask | None:
    """A task of the same inputs that is on its way, or whose picture is stored and from the kind of engine that serves.

    A sketch says nothing about a style that a real engine draws.
    """
    wanted = orders.digest(orders.snapshot(order))
    same = GenerationTask.objects.filter(is_face=True, snapshot_sha256=wanted, visibility=Visibility.TEAM)
    serving = roster.serving()
    sketched = bool(serving) and all(engine.is_preview for engine in serving)
    for task in same.order_by("-pk"):
        if task.is_active:
            return task
        picture = task.pictures.select_related("engine").first()
        if picture and picture.engine.is_preview == sketched and picture.file.storage.exists(str(picture.file.name)):
            return task
    return None


def panel(version: StyleVersion, purpose: str) -> Panel:
    """What there is of a purpose now."""
    faces = current(version, purpose)
    pictures = {
        picture.task_id: picture
        for picture in GeneratedImage.objects.filter(task__in=[face.task_id for face in faces]).select_related("engine")
    }
    cells = [Cell(face, pictures.get(face.task_id)) for face in faces]
    return Panel(version, str(purpose), cells, _is_stale(version, purpose, faces), all(face.settled for face in faces))


def current(version: StyleVersion, purpose: str) -> list[Face]:
    """The newest face of every place, in order."""
    faces = Face.objects.filter(version=version, purpose=purpose).select_related("task", "version__style")
    newest = {face.position: face for face in faces.order_by("asked_at", "pk")}
    return [newest[position] for position in sorted(newest)]


def _is_stale(version: StyleVersion, purpose: str, faces: Sequence[Face]) -> bool:
    """Whether probes, strength, trigger words or files changed since the pictures were asked for."""
    if not faces:
        return False
    try:
        wanted = [_recipe(orders.snapshot(wish.order)) for wish in wishes(version, purpose)]
    except ValidationError:
        return False
    return wanted != [_recipe(face.task.snapshot) for face in faces]


def _recipe(snapshot: Mapping[str, Any]) -> tuple[Any, ...]:
    """What decides how a picture looks. A smaller retry, or another release's workflow, makes no sheet stale."""
    styles = [(canonical(style["lora"]), style["weight"], style["triggers"]) for style in snapshot["styles"]]
    base = canonical(snapshot["checkpoint"]), canonical(snapshot["lightning"])
    return snapshot["prompt"], snapshot["seeds"], *base, styles


def hear_of_end(sender: object, task: GenerationTask, **_facts: Any) -> None:
    """A task ended: if it shows a version, what follows is put into the queue."""
    if task.is_face and not task.is_active:
        follow_soon(task.pk)


@db_task()  # type: ignore[untyped-decorator]
def follow_soon(task_pk: int) -> None:
    """`follow` by a worker."""
    follow(task_pk)


# Sent in a worker, with the class Face as its sender, when a task that shows versions ended: its number as `task`.
followed = Signal()


def follow(task_pk: int) -> None:
    """A task that shows versions ended: do what follows, and show it on open pages."""
    followed.send(Face, task=task_pk)
    for version, purpose in _shown_by(task_pk):
        settle(version, purpose)
        publish(version, purpose)


def hear_of_reopening(sender: object, task: GenerationTask, **_facts: Any) -> None:
    """A task that shows versions is asked for again: say so on open pages."""
    _show(task.pk)


def take_over(sender: object, task: GenerationTask, again: GenerationTask, **_facts: Any) -> None:
    """Move the previews of `task` to its retry."""
    if not task.is_face or again.faces.exists():
        return
    transaction.on_commit(partial(_show, again.pk))
    Face.objects.bulk_create(
        Face(
            version=face.version,
            task=again,
            purpose=face.purpose,
            position=face.position,
            strength=face.strength,
            asked_at=face.asked_at,
        )
        for face in task.faces.select_related("version")
    )


def _show(task_pk: int) -> None:
    for version, purpose in _shown_by(task_pk):
        publish(version, purpose)


def _shown_by(task_pk: int) -> set[tuple[StyleVersion, str]]:
    faces = Face.objects.filter(task=task_pk).select_related("version__style")
    return {(face.version, face.purpose) for face in faces}


def follow_missed() -> None:
    """What a lost message left undone."""
    missed = Face.objects.filter(settled=False).exclude(task__status__in=ACTIVE).select_related("version__style")
    for version, purpose in {(face.version, face.purpose) for face in missed}:
        if settle(version, purpose):
            publish(version, purpose)


def settle(version: StyleVersion, purpose: str) -> bool:
    """Once no picture is to come any more: compose the sheet, or measure the difference.

    Failed pictures leave the rest. False where something is to come, or nothing is left to do; doing it twice gives
    the same.
    """
    faces = list(Face.objects.filter(version=version, purpose=purpose, settled=False).values_list("pk", flat=True))
    shown = panel(version, purpose)
    if not faces or shown.active:
        return False
    if purpose == Purpose.SHEET:
        return _compose(version, shown.cells, faces)
    if purpose == Purpose.EFFECT:
        _measure(version, shown.cells)
    return _settled(faces)


def _settled(faces: Sequence[int]) -> bool:
    """Whether this is who notes that nothing is left to do."""
    left = Face.objects.filter(pk__in=faces, settled=False).exclude(task__status__in=ACTIVE)
    return bool(left.update(settled=True))


def _compose(version: StyleVersion, cells: Sequence[Cell], faces: Sequence[int]) -> bool:
    """Store the sheet of the pictures that are there; the old file goes. Without any picture the old sheet stays.

    Of several workers at once one does it: a page that shows the sheet must not lose it to a second one.
    """
    if not any(cell.picture for cell in cells):
        return _settled(faces)
    sheet = contact_sheets.side_by_side([_opened(cell.picture) if cell.picture else None for cell in cells])
    old = ""
    version.sheet.save(identity.new_name(".webp"), ContentFile(sheet), save=False)
    with transaction.atomic():
        first = _settled(faces)
        if first:
            old = str(StyleVersion.everything.get(pk=version.pk).sheet.name or "")
            StyleVersion.everything.filter(pk=version.pk).update(sheet=version.sheet.name)
    if not first:
        version.sheet.delete(save=False)
    elif old:
        version.sheet.storage.delete(old)
    return first


def _measure(version: StyleVersion, cells: Sequence[Cell]) -> None:
    """Store how much the picture with the style differs from the one without. Sketch and picture say nothing."""
    without, with_it = (cell.picture for cell in cells)
    if without is None or with_it is None or without.engine.is_preview != with_it.engine.is_preview:
        return
    differs = contact_sheets.difference(_opened(without), _opened(with_it))
    effect = Effect.NONE if differs < NOTHING else Effect.VISIBLE
    StyleVersion.everything.filter(pk=version.pk).update(effect=effect, difference=differs)


def _opened(picture: GeneratedImage) -> Image.Image:
    with picture.file.open("rb") as handle, decoding.open_picture(handle) as opened:
        opened.load()
        return opened


def cause(version: StyleVersion, snapshot: Mapping[str, Any]) -> str:
    """The likely reason why a picture asked for by `snapshot` looks as without the style."""
    style = snapshot["styles"][0]
    if not style["lora"]:
        if style["triggers"]:
            return _("It has no file, only trigger words, and the model does not seem to know them.")
        return _("It has no file, and no trigger words of its own were put into the prompt.")
    if not style["weight"]:
        return _("Its default strength is 0.")
    if version.family not in ("", Family.SDXL, Family.SKETCH, Family.UNKNOWN):
        made_for = {"family": Family(version.family).label}
        return _("Its file was made for another family of models (%(family)s).") % made_for
    if base_checkpoints.differ(version.trained_on, snapshot["checkpoint"]):
        names = {"own": version.trained_on, "used": snapshot["checkpoint"]}
        return _("It was trained on %(own)s, and the pictures were made with %(used)s.") % names
    return _("The engine may not have applied its file.")


def publish(version: StyleVersion, purpose: str) -> None:
    """Show the panel as it is now on all open pages, soon."""
    publisher.publisher.note_act(f"face {version.pk} {purpose}", partial(_push, version.pk, purpose))


def publish_all(version: StyleVersion) -> None:
    """Its strength changed, which all of them depend on."""
    for purpose in Purpose:
        publish(version, purpose)


def _push(version_pk: int, purpose: str) -> None:
    version = StyleVersion.everything.select_related("style").filter(pk=version_pk).first()
    if version:
        publisher.publish_shell(TEMPLATES[Purpose(purpose)], panel=panel(version, purpose))


def use_as_cover(picture: GeneratedImage, style: Style) -> None:
    """Make a copy of the picture the style's cover. ValidationError where it was not made with it, or is gone."""
    if not _made_with(picture, style):
        raise ValidationError(_("This picture was not made with this style."))
    try:
        with picture.file.open("rb") as handle:
            cover = decoding.thumbnail(handle.read(), side=COVER_SIDE)
    except (FileNotFoundError, decoding.BadPicture) as error:
        raise ValidationError(_("The file of this picture is missing or broken.")) from error
    storage, old = style.cover.storage, str(style.cover.name or "")
    style.cover.save(identity.new_name(".webp"), ContentFile(cover), save=False)
    style.save(update_fields=["cover", "updated_at"])
    if old:
        storage.delete(old)


def _made_with(picture: GeneratedImage, style: Style) -> bool:
    mix = picture.task.mix
    return not mix.exists() if style.is_base else mix.filter(version__style=style).exists()
