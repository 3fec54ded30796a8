"""Two to four pictures beside each other, over each other, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from itertools import chain

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from generation.controls.facts import control_of
from generation.controls.words import asked_labels, kind_words
from generation.gallery.forms import OverlayForm
from generation.pictures import snapshots
from generation.pictures.models import GeneratedImage, GenerationTask, TaskStyle
from generation.pictures.shapes import shape_name
from stylestudio.people.access import StudioRequest, whole_numbers
from stylestudio.templatetags.studio import duration, weight

LEAST, MOST = 2, 4
LETTERS = "ABCD"
SIDE, SLIDER, DIFFERENCE = "side", "slider", "difference"


@dataclass(frozen=True, slots=True)
class Compared:
    """A picture with its letter and the styles of its mix."""

    letter: str
    picture: GeneratedImage
    mix: Sequence[TaskStyle]

    @property
    def styles(self) -> str:
        """Its styles with their versions."""
        return " + ".join(str(row.version) for row in self.mix) or _("Base style")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of all the pictures. `values` are empty texts where a picture has no such thing."""

    label: str
    values: Sequence[str]
    is_setting: bool = True

    @property
    def varies(self) -> bool:
        """Whether the pictures differ in it."""
        return len(set(self.values)) > 1

    @property
    def differs(self) -> bool:
        """Whether they do, and somebody chose it."""
        return self.is_setting and self.varies


@require_GET
def compare(request: StudioRequest) -> HttpResponse:
    """The pictures of ?ids=7,8, at most four, in this order. Those that this person may not see are left out."""
    asked = list(dict.fromkeys(whole_numbers(request.GET.get("ids", "").split(","))))
    found = _look_up(request, asked[:MOST])
    rows = _rows(found)
    sizes = list(dict.fromkeys(each.picture.size_text for each in found))
    views = [SIDE, SLIDER, DIFFERENCE] if len(found) == LEAST else [SIDE]
    view = request.GET.get("view", "")
    context = {
        "compared": found,
        "ids": ",".join(str(each.picture.pk) for each in found),
        "left_out": len(asked) - len(found),
        "too_many": len(asked) > MOST,
        "is_enough": len(found) >= LEAST,
        "rows": sorted(rows, key=lambda row: not row.differs),
        "differences": sum(row.differs for row in rows),
        "sizes": sizes,
        "view": view if view in views else SIDE,
        "can_overlay": len(found) == LEAST,
        "overlay": OverlayForm(),
    }
    status = HTTPStatus.OK if len(found) >= LEAST else HTTPStatus.NOT_FOUND
    return render(request, "generation/gallery/compare.html", context, status=status)


def _look_up(request: StudioRequest, keys: Sequence[int]) -> list[Compared]:
    seen = GeneratedImage.with_previews.visible_to(request.user).filter(pk__in=keys)
    rows = seen.select_related("task__owner", "task__reference", "engine", "prompt").defer("prompt__own_values")
    pictures = {picture.pk: picture for picture in rows.order_by()}
    tasks = {picture.task_id for picture in pictures.values()}
    mixed = list(TaskStyle.objects.filter(task__in=tasks).select_related("version__style").order_by("position"))
    found = [pictures[key] for key in keys if key in pictures]
    return [
        Compared(letter, picture, [row for row in mixed if row.task_id == picture.task_id])
        for letter, picture in zip(LETTERS, found, strict=False)
    ]


def _rows(compared: Sequence[Compared]) -> list[Row]:
    """The settings that any of the pictures has, in the order of the page of a picture."""
    facts = [_facts(each) for each in compared]
    labels = dict.fromkeys(chain.from_iterable(facts))
    chance = {_("Made in"), _("Date")}  # which nobody chose
    rows = [Row(label, [each.get(label, "") for each in facts], label not in chance) for label in labels]
    return [row for row in rows if any(row.values)]


def _held(task: GenerationTask) -> str:
    """What holds the form of its pictures, and how strictly."""
    control = control_of(task.snapshot)
    return f"{kind_words(control.way.kind)} · {weight(control.hold.strength)}" if control else ""


def _asked(task: GenerationTask) -> dict[str, str]:
    """The pictures that its recipe asked for."""
    pictures = snapshots.pictures_in(task.snapshot)
    return {label: pictures[name][:8] for name, label in asked_labels(task.snapshot).items()}


def _facts(each: Compared) -> dict[str, str]:
    picture, task = each.picture, each.picture.task
    shape = shape_name(picture.width, picture.height)
    started, ended = picture.prompt.started_at, picture.prompt.ended_at
    return {
        _("Style"): each.styles,
        _("Weight"): " + ".join(weight(row.weight) for row in each.mix),
        _("Prompt"): task.prompt,
        _("In English"): task.english,
        _("Final prompt"): task.final_prompt,
        _("Preset"): task.frame.preset,
        _("Negative"): task.negative,
        _("Seed"): str(picture.seed),
        _("Shape"): f"{picture.size_text}, {shape}" if ":" in shape else picture.size_text,
        _("Recipe"): task.recipe_title,
        _("Steps"): str(task.steps),
        _("Cfg"): formats.number_format(task.cfg, 1),
        _("Sampler"): task.sampler,
        _("Scheduler"): task.scheduler,
        _("Reference"): task.reference.sha256[:8] if task.reference else "",
        _("Strength of change"): weight(task.denoise) if task.reference else "",
        _("Form held by"): _held(task),
        **_asked(task),
        _("Checkpoint"): task.checkpoint,
        **{label: str(value) for label, value in task.more_fields},
        _("Accelerator"): task.lightning,
        _("Other files"): ", ".join(task.more_files),
        _("Engine"): _("Preview engine") if picture.engine.is_preview else str(picture.engine),
        _("Made in"): duration((ended - started) / timedelta(seconds=1)) if started and ended else "",
        _("Person"): task.owner.get_username(),
        _("Date"): formats.date_format(timezone.localtime(picture.created_at), "DATETIME_FORMAT"),
    }
