"""What the pages of work answer: the page of a job, and what follows a button on its card."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render

from stylestudio.jobs.kinds import Job
from stylestudio.jobs.worker_job import WorkerJob
from stylestudio.live import page_frame, publisher
from stylestudio.people.access import StudioRequest


def shown(request: StudioRequest, job: Job, template: str, **more: Any) -> HttpResponse:
    """A job on a page of its own, which stays up to date."""
    return render(request, template, {"job": job, "socket_url": page_frame.socket_of(job), **more})


def told(request: StudioRequest, job: WorkerJob, page: Any = None) -> HttpResponse:
    """A job as it is now: for the script its fragments, else `page`, usually its own."""
    if request.htmx:
        return HttpResponse("".join(publisher.fragments(job, (request.LANGUAGE_CODE,)).values()))
    return redirect(page or job)
