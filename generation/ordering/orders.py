"""Placing an order: checked, frozen into a snapshot, stored, and announced to the workers."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.controls.models import NOTHING, Given, given_to
from generation.controls.words import no_control
from generation.masks.models import Parts, SourceGone, gone_words, parts_of
from generation.pictures import graphs, signals, snapshots
from generation.pictures.models import (
    LEAST_SIDE,
    MOST_PICTURES,
    MOST_SEED,
    MOST_SIDE,
    MOST_STYLES,
    GenerationTask,
    Reference,
    TaskStyle,
    search_index,
)
from generation.pictures.prompts import NO_FRAME, Frame, final_prompt, missing_triggers
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.for_engines import family_title
from styles.lora import Family
from styles.models import Style, StyleVersion
from stylestudio.comfy import file_names
from stylestudio.jobs import kinds
from stylestudio.live import publisher
from stylestudio.people.visibility import Visibility

# Random seeds stay short enough to read aloud.
RANDOM_SEEDS = 2**32
VARIATIONS = 4  # pictures of one press


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A style in the mix: its weight, within the version's `strengths`, and the trigger phrases that are off."""

    version: StyleVersion
    weight: float
    off: frozenset[str] = frozenset()

    @property
    def triggers(self) -> list[str]:
        """The phrases that are on."""
        return [phrase for phrase in self.version.triggers if phrase not in self.off]


def no_size() -> str:
    """Which sizes can be made, for somebody who wants another."""
    words = _("Width and height are multiples of 8 from %(least)d to %(most)d.")
    return words % {"least": LEAST_SIDE, "most": MOST_SIDE}


# The settings of recipes that tasks have columns for; a snapshot has the others under `fields`.
COLUMNS = ("negative", "steps", "cfg", "sampler", "scheduler", "denoise")
# What is stored of pictures by a recipe without these settings.
NOT_ASKED: Mapping[str, Any] = {"negative": "", "cfg": 1.0, "sampler": "", "scheduler": ""}


def _usual(name: str) -> Any:
    """A field of Order whose default is that of the default recipe."""
    return field(default_factory=lambda: registry.default().fields[name].default)


@dataclass(frozen=True, slots=True)
class Order:
    """Everything ordered by one press of Generate. `seed` None means random.

    `fields` are the settings of the recipe without a column; those that are not said are the usual ones. `own_files`
    are files by role that come before those that styles and studio name; "" leaves it to these. `english` is the prompt
    in English, for a model that reads nothing else; "" if the prompt is given to it as it is.
    """

    prompt: str
    english: str = ""
    negative: str = ""
    width: int = 1024
    height: int = 1024
    count: int = 1
    seed: int | None = None
    steps: int = _usual("steps")
    cfg: float = _usual("cfg")
    sampler: str = _usual("sampler")
    scheduler: str = _usual("scheduler")
    denoise: float = _usual("denoise")
    reference: Reference | None = None
    mix: Sequence[Ingredient] = field(default_factory=tuple)
    frame: Frame = NO_FRAME
    recipe: Recipe = field(default_factory=registry.default)
    fields: Mapping[str, Any] = field(default_factory=dict)
    own_files: Mapping[str, str] = field(default_factory=dict)
    cut_out: bool = False  # afterwards each picture is cut out as well
    given: Given = NOTHING  # what holds the form, and how the reference is fitted
    edit: Parts | None = None  # only a part of a picture is made anew; `reference` is what engines get of it

    @property
    def graph(self) -> str:
        """The graph of the recipe that makes the pictures."""
        return "edit" if self.edit else str(self.mode)

    @property
    def mode(self) -> str:
        """Image if there is a picture to start from, else text."""
        return GenerationTask.Mode.IMAGE if self.reference else GenerationTask.Mode.TEXT

    def check(self) -> None:
        """Raise ValidationError with a message for every field that is out of range."""
        wrong: dict[str, str] = {}
        if not self.prompt.strip():
            wrong["prompt"] = _("Say what should be in the picture.")
        if not all(LEAST_SIDE <= side <= MOST_SIDE and side % 8 == 0 for side in (self.width, self.height)):
            wrong["shape"] = no_size()
        if not 1 <= self.count <= MOST_PICTURES:
            wrong["count"] = _("Choose 1 to %d pictures.") % MOST_PICTURES
        if self.seed is not None and not 0 <= self.seed <= MOST_SEED:
            wrong["seed"] = _("A seed is a whole number from 0 to %d, or nothing for a random one.") % MOST_SEED
        wrong |= self._wrong_fields()
        if self.given.control and self.recipe.control is None:
            wrong["control"] = no_control(self.recipe)
        if len(self.mix) > MOST_STYLES:
            wrong["style"] = _("Choose at most %d styles.") % MOST_STYLES
        if len({ingredient.version.pk for ingredient in self.mix}) < len(self.mix):
            wrong["style"] = _("Each style can be in the mix once.")
        if far := [one for one in self.mix if not one.version.strengths[0] <= one.weight <= one.version.strengths[1]]:
            low, high = far[0].version.strengths
            wrong["style"] = _("Weights go from %(low)d to %(high)d.") % {"low": low, "high": high}
        for misfit in misfits(self.recipe, self.graph, self.mix):
            wrong.setdefault(misfit.field, misfit.words)
        if wrong:
            raise ValidationError(wrong)

    def _wrong_fields(self) -> dict[str, str]:
        """What is wrong with the settings of the recipe."""
        values = {name: getattr(self, name) for name in COLUMNS} | self.more
        found = {name: each.problem(values[name]) for name, each in self.recipe.fields.items()}
        lacking = {name: each.lacking for name, each in self.recipe.pictures.items() if name not in self.given.asked}
        return {name: words for name, words in found.items() if words} | lacking

    @property
    def read(self) -> str:
        """The words that its model reads."""
        return self.english.strip() or self.prompt

    @property
    def more(self) -> dict[str, Any]:
        """All settings of the recipe without a column."""
        usual = {name: value for name, value in self.recipe.defaults.items() if name not in COLUMNS}
        return {name: self.fields.get(name, value) for name, value in usual.items()}

    def phrases(self) -> list[str]:
        """The active trigger phrases of all styles in the mix."""
        return [phrase for ingredient in self.mix for phrase in ingredient.triggers]

    def files(self) -> dict[str, str]:
        """Its files by role: the order's own, else those of the first style, else the studio's. Canonical names."""
        return {role: self._file(role, usual) for role, usual in registry.files_of(self.recipe).items()}

    def _file(self, role: str, usual: str) -> str:
        asked = self.recipe.files[role].style
        of_styles = (getattr(ingredient.version, asked) for ingredient in self.mix) if asked else ()
        chosen = self.own_files.get(role) or next(filter(None, of_styles), usual)
        return file_names.canonical(chosen)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a recipe cannot make what is asked for, at the field of the form to change."""

    field: str
    words: str


def misfits(recipe: Recipe, mode: str, mix: Sequence[Ingredient]) -> Iterator[Misfit]:
    """Why a recipe cannot make pictures in this mode with these styles."""
    if recipe.only_edits and mode != "edit":
        yield Misfit("recipe", only_edits_words(recipe))
    elif mode not in recipe.graphs:
        words = {
            "image": _("%s cannot start from a picture."),
            "edit": _("%s cannot change a part of a picture. Choose another recipe."),
        }.get(mode, _("%s starts from a picture. Choose one."))
        yield Misfit("recipe" if mode == "edit" else "mode", words % recipe.title)
    if mix and not recipe.takes_styles:
        words = _("%s takes no styles. Take them out, or choose another recipe.")
        yield Misfit("style", words % recipe.title)
    elif misfit := _misfit_of(recipe, mix):
        yield misfit


def only_edits_words(recipe: Recipe) -> str:
    """Where pictures are made by a recipe that makes a part of a picture anew."""
    return _("%s makes a part of a picture anew. Open a picture, press Edit, and choose it there.") % recipe.title


def told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """These settings of a recipe as `Order` takes them: those that have a column, and the others together."""
    own = {name: value for name, value in settings.items() if name in COLUMNS}
    return {**own, "fields": {name: value for name, value in settings.items() if name not in COLUMNS}}


def _misfit_of(recipe: Recipe, mix: Sequence[Ingredient]) -> Misfit | None:
    """Why a recipe cannot make pictures with these styles: their LoRAs are for other models than its own, or for
    several; None if it can. Styles without a LoRA go with every recipe.
    """
    styles = [one.version.style for one in mix if one.version.lora_name]
    if all(style.family == recipe.family for style in styles):
        return None
    other = next(style for style in styles if style.family != recipe.family)
    facts = {"style": other.title, "model": other.family_title}
    if other.family == Family.UNKNOWN:
        words = _("It is not known for which model %(style)s is. A curator can choose it on the page of the style.")
        return Misfit("style", words % facts)
    if another := next((style for style in styles if style.family != other.family), None):
        facts |= {"another": another.title, "its": another.family_title}
        words = _("%(style)s is for %(model)s and %(another)s for %(its)s: they cannot be in one picture.")
        return Misfit("style", words % facts)
    return Misfit("recipe", misfit_words(recipe, other))


def misfit_words(recipe: Recipe, style: Style) -> str:
    """Why a recipe cannot make pictures with a style of another family, and by which ones it can."""
    if style.family == Family.UNKNOWN:
        return _("It is not known for which model it is. A curator can choose it on the page of the style.")
    facts = {"style": style.title, "model": style.family_title, "recipe": recipe.title}
    facts["its"] = family_title(recipe.family)
    if able := registry.of_family(style.family):
        facts["able"] = ", ".join(str(each.title) for each in able)
        words = _("%(style)s is for %(model)s, but %(recipe)s makes pictures with %(its)s. Recipes for it: %(able)s.")
    else:
        words = _("%(style)s is for %(model)s, and there is no recipe that makes pictures with that model.")
    return words % facts


def place(
    order: Order,
    user: User,
    *,
    request_id: uuid.UUID | None = None,
    is_face: bool = False,
    visibility: str = Visibility.TEAM,
    derived: Mapping[str, Any] | None = None,
) -> GenerationTask:
    """Store the order as a waiting task and wake the workers. The same `request_id` twice makes one task. `derived`:
    what the snapshot says of the picture that this is made of, if it is to be folded under that.

    Raises ValidationError if a field is out of range, or if the person already has as many waiting jobs as allowed.
    """
    order.check()
    task, mix = _draft(order)
    task.owner, task.is_face, task.visibility = user, is_face, visibility
    registry.keep(order.recipe)
    how = _how(order) | ({"derived": dict(derived)} if derived else {})
    return store(task, mix, how, order.frame, request_id, (order.given, order.edit))


def snapshot(order: Order) -> dict[str, Any]:
    """The snapshot a task of this order would freeze. With an explicit seed, equal orders give equal ones."""
    return snapshots.of_task(*_draft(order), _how(order), order.frame)


def is_same(task: GenerationTask, order: Order) -> bool:
    """Whether `task` is of this order. If the order has no seed, any seed matches."""
    asked = snapshot(order)
    if order.seed is None:
        asked["seeds"] = task.snapshot["seeds"]
    return snapshots.digest(asked) == task.snapshot_sha256 and order.count == task.count


def _how(order: Order) -> dict[str, Any]:
    facts = {"recipe": order.recipe.facts, "files": order.files(), "fields": order.more}
    more: dict[str, Any] = {"edit": order.edit.facts.as_json()} if order.edit else {}
    more |= {"cut_out": True} if order.cut_out else {}
    more |= {"english": order.english.strip()} if order.english.strip() else {}
    return {"schema": snapshots.SCHEMA, **facts, **more, **order.given.as_json()}


def _draft(order: Order) -> tuple[GenerationTask, list[TaskStyle]]:
    """The rows of the order, unsaved."""
    first = order.seed if order.seed is not None else secrets.randbelow(RANDOM_SEEDS)
    files = order.files()
    said = {name: getattr(order, name) if name in order.recipe.fields else none for name, none in NOT_ASKED.items()}
    task = GenerationTask(
        recipe=order.recipe.name,
        mode=order.mode,
        prompt=order.prompt.strip(),
        final_prompt=final_prompt(order.read, order.phrases(), order.frame),
        negative=said["negative"].strip(),
        width=order.width,
        height=order.height,
        count=order.count,
        seeds=[first + index for index in range(order.count)],
        steps=order.steps,
        cfg=said["cfg"],
        sampler=said["sampler"],
        scheduler=said["scheduler"],
        denoise=order.denoise if order.reference else 1.0,
        reference=order.reference,
        checkpoint=next(iter(files.values()), ""),
        lightning=files.get("accelerator", ""),
    )
    mix = [
        TaskStyle(
            version=ingredient.version,
            position=position,
            weight=ingredient.weight,
            triggers=missing_triggers(order.frame.around(order.read), ingredient.triggers),
        )
        for position, ingredient in enumerate(order.mix)
    ]
    return task, mix


# The fields that a retry copies unchanged.
ASKED = (
    "project_id", "visibility", "mode", "prompt", "final_prompt", "negative", "width", "height", "steps", "cfg",
    "sampler", "scheduler", "denoise", "reference", "checkpoint", "lightning", "recipe", "is_face",
)  # fmt: skip


def retry(task: GenerationTask, user: User) -> GenerationTask:
    """Order a new task for the pictures that `task` did not make, with the same snapshot and seeds.

    While the last retry waits or runs, another call returns that one.
    """
    return _again(task, user, "retry")


def retry_smaller(task: GenerationTask, user: User) -> GenerationTask:
    """Like `retry`, in the next smaller size. Raises ValidationError if there is none."""
    shape = task.smaller
    if shape is None:
        raise ValidationError(_("These pictures are as small as they can be."))
    return _again(task, user, "retry smaller", width=shape.width, height=shape.height)


def _again(task: GenerationTask, user: User, press: str, **changes: int) -> GenerationTask:
    if task.taken_over is not None:
        raise ValidationError(_("This picture was made elsewhere. Reuse its settings to make another one like it."))
    _recipe_of(task)
    made = set(task.pictures(manager="everything").values_list("index", flat=True))
    seeds = [seed for index, seed in enumerate(task.seeds) if index not in made]
    if task.is_active or not seeds:
        raise ValidationError(_("There is nothing to make again: all pictures are there, or still to come."))
    asked = {name: getattr(task, name) for name in ASKED} | changes
    again = GenerationTask(owner=user, retry_of=task, seeds=seeds, count=len(seeds), **asked)
    mix = [
        TaskStyle(version=row.version, position=row.position, weight=row.weight, triggers=row.triggers)
        for row in task.mix.select_related("version__style")
    ]
    ended = GenerationTask.everything.filter(retry_of=task).ended().count()
    request_id = uuid.uuid5(task.request_id, f"{press} {ended}")
    with transaction.atomic():
        how = {name: task.snapshot[name] for name in snapshots.HOW if name in task.snapshot}
        again = store(again, mix, how, task.frame, request_id, (given_to(task), _edited(task)))
        signals.retried.send(GenerationTask, task=task, again=again)
    return again


def _recipe_of(task: GenerationTask) -> Recipe:
    """The very version of its recipe. Raises ValidationError if it is lost."""
    try:
        return graphs.recipe(task)
    except registry.RecipeGone as error:
        words = _(
            "The version of the recipe %(recipe)s that these pictures were made by is not in the database any more. "
            "Reuse their settings with another recipe."
        )
        raise ValidationError(words % {"recipe": task.recipe_title}) from error


def order_of(task: GenerationTask, recipe: Recipe | None = None) -> Order:
    """The order a task was made from, to fill the form with; what the task lacks is absent. `recipe` takes the place of
    its own. What was made of a picture has that of the picture. Raises ValidationError if its own is lost.
    """
    task = task.first
    mix = tuple(
        Ingredient(row.version, row.weight, frozenset(_off(row, task.frame.around(task.read))))
        for row in task.mix.select_related("version__style")
        if row.version.style.deleted_at is None
    )
    return Order(
        prompt=task.prompt,
        english=task.english,
        negative=task.negative,
        width=task.width,
        height=task.height,
        count=task.count,
        seed=task.seed,
        steps=task.steps,
        cfg=task.cfg,
        sampler=task.sampler,
        scheduler=task.scheduler,
        denoise=task.denoise,
        reference=task.reference,
        mix=mix,
        frame=task.frame,
        recipe=recipe or _recipe_of(task),
        fields=snapshots.fields_in(task.snapshot),
        given=given_to(task),
        edit=_edited(task),
        cut_out="cut_out" in task.snapshot,
    )


def order_or_nearest(task: GenerationTask) -> tuple[Order, list[str]]:
    """`order_of` by the current version of its recipe, as the form has it. If it is not offered any more: by the usual
    recipe, and a sentence that says so.
    """
    offered = registry.named(task.recipe)
    words = _("The recipe %(recipe)s is not offered any more. The form has %(other)s instead.")
    said = [words % {"recipe": task.recipe_title, "other": offered.title}] if offered.name != task.recipe else []
    return order_of(task, offered), said


def vary(task: GenerationTask, user: User, request_id: uuid.UUID | None) -> GenerationTask:
    """Order VARIATIONS pictures with the settings of `task` and new seeds, but without styles that were deleted since.
    Who sees `task` sees them.

    Raises ValidationError as `place` does.
    """
    task = task.first
    same = replace(order_of(task), seed=None, count=VARIATIONS, own_files=snapshots.files_in(task.snapshot))
    return place(same, user, request_id=request_id, visibility=task.visibility)


def with_seed(order: Order, seed: int) -> Order:
    """The same order for one picture with this seed."""
    return replace(order, seed=seed, count=1)


def _edited(task: GenerationTask) -> Parts | None:
    """What the task edits. Raises ValidationError if that is gone."""
    try:
        return parts_of(task)
    except SourceGone as error:
        raise ValidationError(gone_words()) from error


def _off(row: TaskStyle, prompt: str) -> list[str]:
    expected = missing_triggers(prompt, row.version.triggers)
    return [phrase for phrase in expected if phrase not in row.triggers]


def store(
    task: GenerationTask,
    mix: list[TaskStyle],
    how: dict[str, Any],
    frame: Frame,
    request_id: uuid.UUID | None,
    parts: Sequence[Given | Parts | None],
) -> GenerationTask:
    """Store a drafted task and wake the workers, as `place` does. `how` is what snapshots say of HOW."""
    task.snapshot = snapshots.of_task(task, mix, how, frame)
    task.snapshot_sha256 = snapshots.digest(task.snapshot)
    task.request_id = request_id or uuid.uuid4()
    try:
        with transaction.atomic():
            if not task.is_face:
                kinds.require_room(task.owner)
            task.save(force_insert=True)
            for row in mix:
                row.task = task
            TaskStyle.objects.bulk_create(mix)
            for part in parts:
                if part:
                    part.save(task)
            search_index.add_task(task)
    except (IntegrityError, ValidationError):
        # The same press sent twice returns its job, which may be the last one there was room for.
        if (earlier := _placed(task)) is None:
            raise
        return earlier
    publisher.announce(task, partial(_send, task))
    return task


def _placed(task: GenerationTask) -> GenerationTask | None:
    """The task that this press has already made; None if there is none."""
    return GenerationTask.everything.filter(owner=task.owner, request_id=task.request_id).first()


def _send(task: GenerationTask) -> None:
    for _message in range(min(task.count, 2)):  # an engine has two prompts at a time: one runs, one waits
        GenerationTask.wake()
