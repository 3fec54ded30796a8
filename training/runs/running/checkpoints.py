"""Checkpoints of trainings: stored as versions without a number, used, starred, deleted to make room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from styles import importing, lora
from styles.models import Source, State, Style, StyleVersion, engine_name, version_added
from stylestudio.comfy.file_names import canonical
from stylestudio.text import grammar
from training.datasets.crops.plan import plan
from training.datasets.models import DatasetImage
from training.datasets.versions import snapshots
from training.runs.models import Checkpoint, TrainingJob
from training.runs.trainer import TrainerFailed, TrainingPicture


def trained_on(job: TrainingJob, manifest: snapshots.Manifest) -> list[snapshots.Frozen]:
    """The pictures of the frozen dataset to train on: included ones, except those the training leaves out."""
    left_out = set(job.left_out)
    return [each for each in manifest.included if each.image not in left_out]


def training_pictures(job: TrainingJob) -> list[TrainingPicture]:
    """The pictures to train on, in order, cropped as planned. Raises TrainerFailed if one has been purged."""
    manifest = snapshots.read(job.snapshot)
    frozen = trained_on(job, manifest)
    images = DatasetImage.everything.in_bulk([each.image for each in frozen])
    frames = plan(
        [(each.width, each.height) for each in frozen],
        job.config["resolution"],
        places=[each.crop for each in frozen],
    ).frames
    template = manifest.settings["template"]
    pictures = []
    for number, (each, frame) in enumerate(zip(frozen, frames, strict=True), 1):
        image = images.get(each.image)
        if image is None:
            raise TrainerFailed("bad_pictures", f"picture {number} of version {job.snapshot.number} is not there")
        pictures.append(
            TrainingPicture(
                name=f"{number:04d}",
                storage_name=str(image.file.name),
                caption=grammar.compose(template, job.trigger_words, each.caption),
                width=each.width,
                height=each.height,
                bucket=frame.bucket,
                crop=frame.box,
                background=each.background or manifest.settings["ground"],
                source=image.source_name,
            )
        )
    return pictures


def store(job: TrainingJob, step: int, file: Path, *, epoch: int, loss: float | None, state: str) -> Checkpoint | None:
    """Store a complete LoRA file. None if this step is stored already.

    Raises TrainerFailed if the file is not a LoRA, OSError if it cannot be stored.
    """
    if Checkpoint.objects.filter(job=job, step=step).exists():
        return None
    with file.open("rb") as opened:
        try:
            found = lora.inspect(opened, file.name, with_hashes=True)
        except lora.BadLora as error:
            raise TrainerFailed("trainer", f"{file.name}: {error}") from error
        assert found.hashes is not None  # with_hashes is set
        opened.seek(0)
        stored = default_storage.save(importing.storage_name(file.name), File(opened))
    made = found.architecture
    version = StyleVersion(
        style=job.style,
        number=0,
        state=State.DRAFT,
        source=Source.TRAINED,
        file=stored,
        # ComfyUI only continues from names that contain `<number>_steps_`.
        lora_name=engine_name(job.style, f"t{job.pk}_{step}_steps", found.hashes.file),
        size=found.header.size,
        sha256=found.hashes.file,
        tensor_sha256=found.hashes.tensors,
        family=made.family.value,
        layout=made.layout.value,
        algorithm=made.algorithm.value,
        rank=made.rank,
        alpha=made.alpha,
        text_encoders=bool(made.text_encoders),
        trained_on=job.base,
        checkpoint="" if canonical(job.base) == canonical(settings.CHECKPOINT) else job.base,
        session=f"training-{job.pk}",
        epoch=epoch or None,
        step=step,
        trigger_words=job.trigger_words,
        licence=job.snapshot.dataset.licence,
        author=job.owner.get_username(),
        training=[[name, str(value)] for name, value in sorted(job.config.items())],
    )
    is_sketch = made.family == lora.Family.SKETCH
    try:
        with transaction.atomic():
            if is_sketch and all(each.is_blank for each in job.style.versions.all()):
                # A real engine cannot use any of it, so it is not offered while one serves.
                Style.objects.filter(pk=job.style_id).update(preview_only=True)
            version.save()
            return Checkpoint.objects.create(job=job, step=step, epoch=epoch, loss=loss, version=version, state=state)
    except IntegrityError:
        default_storage.delete(stored)  # another attempt was faster
        return None


def use(checkpoint: Checkpoint, user: User, *, publish: bool) -> StyleVersion:
    """Make a version of the style from it, published or a draft, and order its preview sheet."""
    version = checkpoint.version
    if checkpoint.deleted_at:
        raise ValidationError(_("The file of this checkpoint was deleted."))
    if version.family == lora.Family.SKETCH and not version.style.preview_only:
        words = _("The preview engine made this checkpoint. It cannot be a version of a style for real engines.")
        raise ValidationError(words)
    is_new = version.choose()
    if publish:
        version.publish()
    if is_new:
        version_added.send_robust(StyleVersion, version=version, user=user)
    return version


@dataclass(frozen=True, slots=True)
class Listed:
    """A checkpoint in the list of its training. `lowest`: its loss is the lowest of all."""

    checkpoint: Checkpoint
    lowest: bool

    @property
    def used(self) -> bool:
        """Whether it has become a version of the style."""
        return used(self.checkpoint)

    @property
    def size(self) -> int:
        """The size of its file in bytes."""
        return self.checkpoint.version.size or 0


def listed(job: TrainingJob) -> list[Listed]:
    """All checkpoints of a training, newest first."""
    rows = list(job.checkpoints.select_related("version__style").order_by("-step"))
    losses = [each.loss for each in rows if each.loss is not None]
    lowest = min(losses) if losses else None
    return [Listed(each, lowest is not None and each.loss == lowest) for each in rows]


def used(checkpoint: Checkpoint) -> bool:
    """Whether it has become a version of the style."""
    return not checkpoint.version.is_checkpoint


def remove(checkpoint: Checkpoint) -> None:
    """Delete its file to make room. Its step and sample pictures stay. Raises ValidationError if it is protected."""
    if checkpoint.starred or used(checkpoint) or checkpoint.continued_by.exists():
        raise ValidationError(
            _("This checkpoint is protected: it is starred, in use, or another training goes on from it.")
        )
    if checkpoint.job.is_active and checkpoint == checkpoint.job.checkpoints.last():
        raise ValidationError(_("The training goes on from this checkpoint. Delete it when the training has ended."))
    version = checkpoint.version
    name = str(version.file.name or "")
    with transaction.atomic():
        Checkpoint.objects.filter(pk=checkpoint.pk).update(deleted_at=timezone.now())
        StyleVersion.everything.filter(pk=version.pk).update(file="", size=0)
    if name:
        default_storage.delete(name)


def best(job: TrainingJob) -> Checkpoint | None:
    """The checkpoint to use if nobody has chosen: a starred one, else the last."""
    there = job.checkpoints.filter(deleted_at=None).select_related("version__style")
    return there.filter(starred=True).last() or there.last()


def new_style(name: str, user: User) -> Style:
    """Create the style of a training: the picker shows it once one of its checkpoints is published."""
    style = Style.objects.create(name=name, owner=user)
    style.versions.update(state=State.DRAFT)
    return style
