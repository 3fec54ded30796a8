"""Placing a training: everything checked, the dataset and configuration frozen, the job stored."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as conf
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.previews.models import Probe
from styles.models import Style
from stylestudio.comfy.file_names import canonical
from stylestudio.edge.page_memory import once_a_page
from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from training.datasets.models import Dataset
from training.datasets.versions import snapshots
from training.runs import parameters
from training.runs.models import TrainingJob
from training.runs.placing import unfit
from training.runs.running import checkpoints, experience

MOST_PROBES = 6
RANDOM_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything ordered by one press of Start training.

    `style` is an existing one, or the name of a new one. `values`: settings by name, see runs.parameters. `probes`:
    (prompt, seed) of the sample pictures. `left_out`: pictures to leave out if they cannot be trained on, see `unfit`.
    The dataset is frozen as it is now.
    """

    dataset: Dataset
    style: Style | str
    trainer: str
    preset: str
    values: Mapping[str, Any]
    trigger_words: str = ""
    base: str = ""
    seed: int | None = None
    probes: Sequence[tuple[str, int]] = field(default_factory=tuple)
    publish_best: bool = False
    left_out: Collection[int] = ()


def start(plan: Plan, user: User, request_id: uuid.UUID | None = None) -> TrainingJob:
    """Store the training as waiting and wake the workers. The same `request_id` twice makes one.

    Raises ValidationError with a message for every invalid field, or if the person already has as many waiting jobs as
    allowed.
    """
    request_id = request_id or uuid.uuid4()
    if earlier := _placed(user, request_id):
        return earlier
    values = parameters.clean(plan.trainer, plan.values)
    style = plan.style if isinstance(plan.style, Style) else None
    name = style.title if style else " ".join(str(plan.style).split())
    if not name:
        raise ValidationError({"style": _("Say what the style is called.")})
    if len(name) > 80:
        raise ValidationError({"style": _("A name has at most 80 characters.")})
    if style and style.is_base:
        raise ValidationError({"style": _("The base style is protected. Choose another one.")})
    left_out = _left_out(plan, values["resolution"])
    try:
        with transaction.atomic():
            kinds.require_room(user)
            job = TrainingJob.objects.create(
                owner=user,
                project_id=plan.dataset.project_id,
                request_id=request_id,
                name=(name if name == plan.dataset.name else f"{name} · {plan.dataset.name}")[:80],
                style=style or checkpoints.new_style(name, user),
                snapshot=snapshots.freeze(plan.dataset, user)[0],
                trainer=plan.trainer,
                config={"preset": plan.preset, "repeats": plan.dataset.repeats, **values},
                config_sha256=parameters.digest(values),
                seed=plan.seed if plan.seed is not None else secrets.randbelow(RANDOM_SEEDS),
                base=canonical(plan.base or conf.CHECKPOINT),
                trigger_words=plan.trigger_words or plan.dataset.trigger_words,
                probes=[list(probe) for probe in (plan.probes or usual_probes())[:MOST_PROBES]],
                steps=values["steps"],
                publish_best=plan.publish_best,
                left_out=left_out,
                paces=experience.paces(plan.trainer, values),
            )
    except (IntegrityError, ValidationError):
        if (earlier := _placed(user, request_id)) is None:
            raise
        return earlier
    publisher.announce(job, TrainingJob.wake)
    return job


def _left_out(plan: Plan, resolution: int) -> list[int]:
    """The pictures to leave out. Raises ValidationError naming those that cannot be trained on but are not left out."""
    found = unfit.find(plan.dataset, resolution)
    if refused := unfit.not_left_out(found, plan.left_out):
        raise ValidationError(" ".join([*unfit.sentences(refused, resolution), unfit.remedy(len(refused))]))
    if found and len(found) == plan.dataset.images.included().count():
        raise ValidationError(unfit.nothing_left())
    return sorted(each.image for each in found)


@once_a_page
def usual_probes() -> list[tuple[str, int]]:
    """The curators' first four probe prompts."""
    rows = Probe.objects.filter(active=True, kind="").order_by("position", "pk")[:4]
    return [(probe.prompt, probe.seed) for probe in rows]


def resume(job: TrainingJob, user: User, request_id: uuid.UUID | None = None) -> TrainingJob:
    """A new training that continues from the last checkpoint of one that ended before its last step.

    Without a checkpoint it starts from the beginning. What an engine has trained but not delivered is fetched first.
    Raises ValidationError if there is nothing to resume, or if the person has too many waiting jobs.
    """
    if job.is_active or job.status == Status.COMPLETED:
        raise ValidationError(_("There is nothing to resume: it has not ended, or it reached its last step."))
    # Pressed twice it is one training: another press counts once the one from the last press has ended.
    request_id = request_id or uuid.uuid5(job.request_id, f"resume {job.retries.ended().count()}")
    last = job.checkpoints.filter(deleted_at=None).last() or job.resumes
    again = TrainingJob(
        owner=user,
        request_id=request_id,
        retry_of=job,
        resumes=last,
        step=last.step if last else 0,
        engine=job.engine if job.state.get("made") else None,
        state={name: job.state[name] for name in _MADE if name in job.state} if job.state.get("made") else {},
        **{name: getattr(job, name) for name in _ASKED},
    )
    try:
        with transaction.atomic():
            kinds.require_room(user)
            again.save(force_insert=True)
    except (IntegrityError, ValidationError):
        if (earlier := _placed(user, request_id)) is None:
            raise
        return earlier
    publisher.announce(again, TrainingJob.wake)
    return again


def _placed(user: User, request_id: uuid.UUID) -> TrainingJob | None:
    """The training that the same press has already made."""
    return TrainingJob.objects.filter(owner=user, request_id=request_id).first()


# What is stored of a segment that an engine has trained but not delivered.
_MADE = ("engine", "prefix", "first", "last", "made")
_ASKED = (
    "project_id", "visibility", "name", "style", "snapshot", "trainer", "config", "config_sha256", "seed", "base",
    "trigger_words", "probes", "steps", "publish_best", "left_out",
)  # fmt: skip
