"""Take-overs and work on many pictures: what is pushed is what their pages would show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from generation.selecting import trash_actions
from generation.selecting.models import PictureJob
from generation.takeover.models import TakeOver
from stylestudio.jobs.worker_job import WorkerJob
from stylestudio.live import publisher
from stylestudio.processes import worker_jobs

from .test_fragments import browser, in_each_language, roots
from .test_training_fragments import answer, pushed

pytestmark = pytest.mark.django_db

LOOKS = ["waiting", "counting", "running", "done", "partial", "failed", "cancelled"]
REPORTS = {
    "takeover": {"done": {"taken": 3}, "partial": {"taken": 2, "refused": [["<bad>.png", "This file is empty."]]}},
    "pictures": {"done": {"changed": 3}, "partial": {"changed": 2, "left": {"others": 1}}},
}
every_kind = pytest.mark.parametrize("kind", ["takeover", "pictures"])


def work_that(kind: str, look: str, owner: User) -> WorkerJob:
    """Work of a kind and a look."""
    job: WorkerJob
    if kind == "takeover":
        job = TakeOver.objects.create(owner=owner, source=TakeOver.Source.FOLDER, source_name="<2025>")
    else:
        job = PictureJob.objects.create(owner=owner, work=trash_actions.DELETE.name, is_gathered=look != "counting")
    if look == "cancelled":
        job.cancel()
    elif look != "waiting":
        job.start("w")
    if look in ("running", "done", "partial", "failed"):
        job.advance(done=3, total=10, progress=30, report=REPORTS[kind].get(look, {}))
        # About 23 min are left, and still so when pages are asked for some seconds later.
        type(job).everything.filter(pk=job.pk).update(started_at=timezone.now() - timedelta(seconds=582))
    if look in ("done", "partial"):
        job.complete()
    if look == "failed":
        job.fail("storage", detail="no <room>")
    found: WorkerJob = type(job).everything.get(pk=job.pk)
    return found


@in_each_language
@every_kind
@pytest.mark.parametrize("look", LOOKS)
def test_pushed_work_stands_on_its_page_and_in_the_queue(kind: str, look: str, ada: User, language: str) -> None:
    ada.is_superuser = ada.is_staff = True
    ada.save()
    job = work_that(kind, look, ada)
    assert job.look == ("running" if look == "counting" else look)
    card, row = pushed(job, language)
    assert card in answer(ada, language, job.get_absolute_url())
    assert row in answer(ada, language, reverse("queue"))
    if job.is_active:
        part = publisher.render("queue/work/_progress.html", job=job)[language].strip()
        assert part in card and part in row
        moved = publisher.render(worker_jobs.PROGRESS, job=job)[language].strip()
        assert moved.startswith(part) and moved.removeprefix(part).strip() in row
        assert job.cancel_url in card and job.cancel_url in row


@every_kind
@pytest.mark.parametrize("look", LOOKS)
def test_roots_are_alone_with_stable_ids_and_know_no_viewer(kind: str, look: str, ada: User) -> None:
    job = work_that(kind, look, ada)
    for html in publisher.fragments(job).values():
        elements = [dict(element.attributes) for element in roots(html)]
        assert [element["id"] for element in elements] == [job.root_id, f"row-{job.kind}-{job.pk}"]
        assert "csrf" not in html and "<2025>" not in html and "<bad>" not in html and "<room>" not in html


@every_kind
def test_it_is_cancelled_from_its_card_and_from_the_queue(kind: str, ada: User) -> None:
    ada.is_superuser = ada.is_staff = True
    ada.save()
    job = work_that(kind, "running", ada)
    told = browser(ada, "en").post(job.cancel_url, headers={"HX-Request": "true"})
    assert told.status_code == 200 and "is-cancelled" in told.content.decode()
    job.refresh_from_db()
    assert job.status == "cancelled"
