"""Doing something with a selection: few pictures at once, many by a worker; and taking it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.pictures.models import GeneratedImage, GenerationTask, PictureCount
from generation.selecting import bulk_jobs
from generation.selecting.actions import SLICE, Action, find
from generation.selecting.models import DOWNLOAD, PictureJob, Slice
from generation.selecting.selection import Selection
from stylestudio.database.keys import among
from stylestudio.live import publisher
from stylestudio.people import projects
from stylestudio.people.visibility import Visibility

NOBODY = "request"  # who works on what is done at once
LINKED_AT_ONCE = 10_000  # pictures whose keys are put into slices while the person waits


def place(user: User, action: Action, selection: Selection, parameters: Mapping[str, Any]) -> PictureJob:
    """Do it, or order it if there are more pictures than are done at once. Raises ValidationError for more than it is
    done with at a time.
    """
    if action.most and len(selection.first(user, action.most + 1)) > action.most:
        words = _("This can be done with at most %(most)s pictures at a time. Select fewer.")
        raise ValidationError(words % {"most": f"{action.most:,}"})
    few = selection.first(user, action.at_once + 1)
    if len(few) > action.at_once:
        return _ordered(user, action.name, selection, parameters, action.size)
    prepared = action.prepare(user, few, parameters) if action.prepare else None
    with transaction.atomic():
        job = _store(user, action.name, few, parameters, action.size)
        job.start(NOBODY)
        for each in job.slices.order_by("number"):
            bulk_jobs.apply(job, action, each, prepared)
        job.complete()
    _tell(few)
    return job


def download(user: User, selection: Selection, parameters: Mapping[str, Any]) -> PictureJob:
    """Keep what is to be downloaded; a filter of many pictures is gone through by a worker."""
    most = LINKED_AT_ONCE if not selection.is_filter else SLICE
    few = selection.first(user, most + 1)
    if len(few) > most:
        return _ordered(user, DOWNLOAD, selection, parameters, SLICE)
    with transaction.atomic():
        job = _store(user, DOWNLOAD, few, parameters, SLICE)
        job.start(NOBODY)
        job.complete()
    return job


def undo(user: User, job: PictureJob) -> PictureJob:
    """Take back what a job changed; what is still under way is cancelled first.

    Raises ValidationError if it is taken back already, or cannot be.
    """
    if job.is_active:
        bulk_jobs.life.cancel(job)
    job.refresh_from_db()
    if not job.can_undo or (bulk_jobs.action_of(job).is_personal and user.pk != job.owner_id):
        raise ValidationError(_("There is nothing to take back."))
    # Few of many may be changed: then it is the slices that take long.
    at_once = job.total <= bulk_jobs.action_of(job).at_once
    try:
        with transaction.atomic():
            back = PictureJob.objects.create(
                project_id=job.project_id, owner=user, visibility=job.visibility, work=job.work,
                parameters=job.parameters, undo_of=job, total=job.changed,
            )  # fmt: skip
            if at_once:
                back.start(NOBODY)
                for each in job.slices.order_by("number"):
                    bulk_jobs.take_back(back, bulk_jobs.action_of(job), each)
                back.complete()
    except IntegrityError as error:
        raise ValidationError(_("This was taken back already.")) from error
    if at_once:
        _tell([key for each in job.slices.all() for key in each.pictures])
    else:
        publisher.announce(back, PictureJob.wake)
    return back


def go_on(user: User, job: PictureJob) -> PictureJob:
    """Order the rest of a job that ended early. Raises ValidationError if there is none, or it was ordered before."""
    if not job.can_go_on or (bulk_jobs.action_of(job).is_personal and user.pk != job.owner_id):
        raise ValidationError(_("There is nothing left to do."))
    with transaction.atomic():
        # Of two presses one goes on; the other waits here.
        list(PictureJob.objects.filter(pk=job.pk).select_for_update().values_list("pk"))
        if PictureJob.objects.filter(retry_of=job).exists():
            raise ValidationError(_("The rest of this was ordered already."))
        rest = list(job.slices.filter(number__gte=job.next_slice).order_by("number"))
        again: PictureJob = PictureJob.objects.create(
            project_id=job.project_id, owner=user, visibility=job.visibility, work=job.work,
            parameters=job.parameters, filters=job.filters, upto=job.upto, reached=job.reached,
            is_gathered=job.is_gathered, total=sum(len(each.pictures) for each in rest), retry_of=job,
        )  # fmt: skip
        Slice.objects.bulk_create(
            Slice(job=again, number=number, pictures=each.pictures) for number, each in enumerate(rest)
        )
        publisher.announce(again, PictureJob.wake)
    return again


def _ordered(user: User, work: str, selection: Selection, parameters: Mapping[str, Any], size: int) -> PictureJob:
    with transaction.atomic():
        job = _store(user, work, selection.pictures, parameters, size, selection)
        publisher.announce(job, PictureJob.wake)
    return job


def _store(
    user: User, work: str, pictures: Sequence[int], parameters: Mapping[str, Any], size: int,
    selection: Selection | None = None,
) -> PictureJob:  # fmt: skip
    is_filter = bool(selection and selection.is_filter)
    action = find(work)
    job: PictureJob = PictureJob.objects.create(
        project_id=projects.of(user),
        owner=user,
        visibility=_visibility(user, action, pictures, is_filter=is_filter),
        work=work,
        parameters=dict(parameters),
        filters=selection.filters if selection else "",
        upto=selection.upto if selection else None,
        is_gathered=not is_filter,
        total=len(pictures),
    )
    starts = range(0, len(pictures), size)
    Slice.objects.bulk_create(
        Slice(job=job, number=number, pictures=list(pictures[start : start + size]))
        for number, start in enumerate(starts)
    )
    return job


def _visibility(user: User, action: Action | None, pictures: Sequence[int], *, is_filter: bool) -> str:
    """Who sees the work: nobody else, if it keeps something for oneself alone or any of one's private pictures may be
    among these.
    """
    if is_filter:
        may_be = PictureCount.objects.filter(owner=user, visibility=Visibility.PRIVATE, pictures__gt=0).exists()
    else:
        chosen = GeneratedImage.everything.filter(pk__in=among(pictures))
        may_be = chosen.filter(task__visibility=Visibility.PRIVATE).exists()
    return Visibility.PRIVATE if may_be or (action and action.is_personal) else Visibility.TEAM


def _tell(pictures: Sequence[int]) -> None:
    """Push the cards of the jobs that made the pictures: they have fewer of them, or more."""
    for task in GenerationTask.everything.filter(pictures__in=pictures).distinct():
        publisher.changed(task)
