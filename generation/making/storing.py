"""Storing a picture: its file and row, and the consequences for its task and engine."""

from __future__ import annotations

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import Q, Sum
from django.utils import timezone

from generation.engines.models import Engine
from generation.making import fetching, source_pictures
from generation.making.claim import look_for_orphans
from generation.pictures import signals, tasks
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, style_counts
from stylestudio.database import prepared
from stylestudio.images import decoding
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from stylestudio.media import identity
from stylestudio.media.storage import throw_away
from stylestudio.processes import workers


def store(prompt: EnginePrompt, data: bytes) -> GeneratedImage | None:
    """Save a picture's bytes and its row; of an edit, the original with what was made. None if this place already has
    one (another attempt was faster).
    """
    task = prompt.task
    facts = decoding.check_output(data)
    finished = source_pictures.finished(task, data)
    if finished.data is not data:
        data, facts = finished.data, decoding.check_output(finished.data)
    picture = GeneratedImage(
        task=task,
        project_id=task.project_id,
        index=prompt.index,
        prompt=prompt,
        seed=task.seeds[prompt.index],
        width=facts.width,
        height=facts.height,
        has_alpha=facts.has_alpha,
        size=len(data),
        sha256=facts.sha256,
        engine=prompt.engine,
        engine_version=prompt.engine.engine_version,
        name=finished.name,
    )
    picture.file.save(identity.new_name(f".{facts.format.lower()}"), ContentFile(data), save=False)
    now = timezone.now()
    try:
        with transaction.atomic():
            signals.storing.send(GenerationTask, task=task, picture=picture)
            picture.save(force_insert=True)
            finished.keep(picture)
            signals.stored.send(GenerationTask, task=task, picture=picture)
            style_counts.add(task, 1)
            prepared.write(
                EnginePrompt,
                prompt.pk,
                state=EnginePrompt.State.DONE,
                progress=100,
                posted_at=prompt.posted_at or now,
                started_at=prompt.started_at or now,
                ended_at=now,
            )
    except IntegrityError:
        picture.file.delete(save=False)
        if not task.pictures(manager="everything").filter(index=prompt.index).exists():
            raise  # the place is free, so it was something else, and the picture must not count as there
        return None
    except BaseException:
        throw_away(str(picture.file.name))
        raise
    prompt.state, prompt.ended_at = EnginePrompt.State.DONE, now
    if prompt.misses:
        fetching.hands_out_again(prompt.engine)
        look_for_orphans()
    if prompt.engine.ooms:
        Engine.objects.filter(pk=prompt.engine_id).update(ooms=0)
    tasks.finish_picture(picture.pk)
    if task.status == Status.QUEUED:
        task.start(workers.worker_name())  # it ended before anybody had reported that it started
    if not task.complete_if_whole():
        task.advance(progress=overall(task))
    publisher.changed(task)
    publisher.arrived("pictures")
    return picture


def overall(task: GenerationTask) -> int:
    """Percent of the whole task: stored pictures count fully, those on engines by their steps. At most 99."""
    done = task.prompts.filter(Q(state=EnginePrompt.State.DONE) | Q(state__in=EnginePrompt.LIVE))
    total = done.aggregate(sum=Sum("progress"))["sum"] or 0
    return int(min(99, total // task.count))
