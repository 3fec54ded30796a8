"""What leaves when a job changes: not too often, the last state always, ends at once, one failure alone."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.models import F
from django.template import TemplateSyntaxError
from django.utils import timezone

from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from stylestudio.live import hub
from stylestudio.live import publisher as live
from stylestudio.people.visibility import Visibility
from stylestudio.processes import tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live_pushes]

PROGRESS = "generation/making/_job_progress.html"


class Line:
    """Takes the place of the channel layer: remembers what is published, and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str, dict[str, Any]]] = []
        self.more = threading.Condition()

    def publish(self, group: str, message: dict[str, Any]) -> None:
        """As layers.publish."""
        with self.more:
            self.sent.append((time.monotonic(), group, message))
            self.more.notify_all()

    def to(self, group: str) -> list[dict[str, Any]]:
        """What one group was sent."""
        with self.more:
            return [message for _at, name, message in self.sent if name == group]

    def wait(self, until: Callable[[], bool], timeout: float = 5.0) -> None:
        """Until what was published fulfils the condition."""
        with self.more:
            assert self.more.wait_for(until, timeout)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A publisher of this test's own, which publishes into a list."""
    publisher, line = live.Publisher(), Line()
    monkeypatch.setattr(live, "publisher", publisher)
    monkeypatch.setattr(hub, "publish", line.publish)
    yield line
    publisher.flush()


@pytest.fixture
def task(ada: User, line: Line) -> GenerationTask:
    """A waiting task whose own announcement is past."""
    task = orders.place(Order(prompt="a fox", count=2), ada)
    live.publisher.flush()
    live.publisher._sent.clear()
    line.sent.clear()
    return task


def versions(line: Line, task: GenerationTask, group: str = "") -> list[str]:
    """The version that each pushed fragment carries."""
    pushed = line.to(group or live.one("generation", task.pk))
    return [message["html"]["en"].partition('data-version="')[2].partition('"')[0] for message in pushed]


def test_a_job_is_pushed_at_most_four_times_a_second_and_its_last_state_always(
    task: GenerationTask, line: Line
) -> None:
    task.start("w")
    begin = time.monotonic()
    while time.monotonic() - begin < 1.0:
        task.advance(step=task.step + 1)
        live.progressed(task, PROGRESS)
    task.refresh_from_db()
    last = str(task.version)
    line.wait(lambda: versions(line, task)[-1:] == [last])
    group = live.one("generation", task.pk)
    moments = [at for at, name, _message in line.sent if name == group]
    assert 3 <= len(moments) <= 6
    # The moments are those of the publication, a render after the one that the rule counts from.
    assert all(after - before > live.INTERVAL * 0.6 for before, after in itertools.pairwise(moments))
    assert versions(line, task) == sorted(versions(line, task), key=int)


def test_what_came_in_is_a_bare_hint_to_every_page_and_one_for_several(line: Line) -> None:
    for _picture in range(5):
        live.arrived("pictures")
    live.publisher.flush()
    [hint] = line.to(live.SHELL)
    assert {html.strip() for html in hint["html"].values()} == {'<i data-arrives="pictures"></i>'}


def test_an_end_does_not_wait(task: GenerationTask, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "INTERVAL", 60.0)
    task.start("w")
    live.changed(task)
    line.wait(lambda: len(versions(line, task)) == 1)
    live.progressed(task, PROGRESS)
    task.complete()
    live.changed(task)
    line.wait(lambda: len(versions(line, task)) == 2)
    assert "is-done" in line.to(live.one("generation", task.pk))[-1]["html"]["en"]


def test_jobs_do_not_slow_each_other(task: GenerationTask, ada: User, line: Line) -> None:
    others = [orders.place(Order(prompt=f"other {number}"), ada) for number in range(4)]
    for other in (task, *others):
        live.changed(other)
    line.wait(lambda: all(versions(line, other) for other in (task, *others)), timeout=5)


def test_a_fragment_that_cannot_be_rendered_stops_no_other(task: GenerationTask, ada: User, line: Line) -> None:
    other = orders.place(Order(prompt="an owl"), ada)
    live.publisher.flush()
    line.sent.clear()
    live.progressed(task, "generation/no_such_fragment.html")
    live.changed(other)
    line.wait(lambda: bool(versions(line, other)))
    assert versions(line, task) == []
    live.changed(task)
    line.wait(lambda: bool(versions(line, task)))


def test_a_layer_that_fails_stops_nothing(task: GenerationTask, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(group: str, message: dict[str, Any]) -> None:
        monkeypatch.setattr(hub, "publish", line.publish)
        raise TemplateSyntaxError("broken")

    monkeypatch.setattr(hub, "publish", refuse)
    live.changed(task)
    live.publisher.flush()
    assert line.sent == []
    live.changed(task)
    line.wait(lambda: bool(versions(line, task)))


def test_a_database_that_was_away_skips_no_last_state(
    task: GenerationTask, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = live.fragments

    def fail_once(*_arguments: Any) -> dict[str, str]:
        monkeypatch.setattr(live, "fragments", render)
        cause = sqlite3.OperationalError("database is locked")
        cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise OperationalError(str(cause)) from cause

    monkeypatch.setattr(live, "fragments", fail_once)
    live.changed(task)
    line.wait(lambda: bool(versions(line, task)))


def test_a_job_that_is_gone_is_not_pushed(task: GenerationTask, line: Line) -> None:
    live.changed(task)
    GenerationTask.objects.all().delete()
    live.publisher.flush()
    live.changed(task)
    live.publisher.flush()
    assert len(line.to(live.one("generation", task.pk))) <= 3


def test_what_is_pushed_is_read_from_the_row_and_not_from_the_caller(task: GenerationTask, line: Line) -> None:
    old = GenerationTask.objects.get(pk=task.pk)
    task.start("w")
    task.advance(step=3, making=0)
    live.changed(old)
    line.wait(lambda: bool(versions(line, task)))
    task.refresh_from_db()
    assert versions(line, task)[0] == str(task.version)
    assert "is-running" in line.to(live.one("generation", task.pk))[0]["html"]["en"]


def test_a_whole_push_says_more_than_the_part_that_waited_with_it(
    task: GenerationTask, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.start("w")
    live.changed(task)
    line.wait(lambda: len(versions(line, task)) == 1)
    live.progressed(task, PROGRESS)
    live.changed(task)
    line.wait(lambda: len(versions(line, task)) == 2)
    assert "<article" in line.to(live.one("generation", task.pk))[1]["html"]["en"]


def test_a_private_job_is_not_everyones(task: GenerationTask, line: Line) -> None:
    task.touch(visibility=Visibility.PRIVATE)
    live.changed(task)
    live.publisher.flush()
    assert {group for _at, group, _message in line.sent} == {
        f"jobs.user.{task.owner_id}",
        live.one("generation", task.pk),
    }


def test_a_team_job_goes_to_its_owner_to_all_and_to_its_watchers(task: GenerationTask, line: Line) -> None:
    live.changed(task)
    live.publisher.flush()
    assert {group for _at, group, _message in line.sent} == {
        f"jobs.user.{task.owner_id}",
        live.one("generation", task.pk),
        live.EVERYONE,
    }


def test_a_step_preview_is_pushed_inside_the_fragment_and_kept_nowhere(
    task: GenerationTask, line: Line, media: Path
) -> None:
    task.start("w")
    task.advance(step=1, making=0)
    before = GenerationTask.objects.values().get(pk=task.pk)
    live.previewed(task, "generation/making/_preview.html", "image/webp", b"RIFF")
    live.publisher.flush()
    [message] = line.to(live.one("generation", task.pk))
    assert 'src="data:image/webp;base64,UklGRg=="' in message["html"]["zh-hans"]
    assert f'id="{task.root_id}-preview"' in message["html"]["en"]
    assert message["data"] is None
    assert GenerationTask.objects.values().get(pk=task.pk) == before
    assert not media.exists() or not list(media.rglob("*.*"))


def test_a_preview_that_comes_after_the_end_is_dropped(task: GenerationTask, line: Line) -> None:
    task.start("w")
    task.complete()
    live.previewed(task, "generation/making/_preview.html", "image/webp", b"RIFF")
    live.publisher.flush()
    assert line.sent == []


def test_scripts_get_the_facts(task: GenerationTask, line: Line) -> None:
    task.start("w")
    task.advance(step=3, making=1, progress=62)
    live.changed(task)
    live.publisher.flush()
    data = line.to(live.one("generation", task.pk))[0]["data"]
    assert data | {"timestamp": ""} == {
        "kind": "generation",
        "id": task.pk,
        "status": "running",
        "progress": 62,
        "version": 3,
        "timestamp": "",
        "step": 3,
        "steps": 4,
        "picture": 2,
        "count": 2,
        "saved": 0,
        "recipe": "sdxl-lightning",
        "error": "",
    }
    assert data["timestamp"].endswith("Z")


def test_the_thread_that_pushes_comes_back_when_it_died(task: GenerationTask, line: Line) -> None:
    live.publisher._thread = threading.Thread(target=lambda: None)
    live.publisher._thread.start()
    live.publisher._thread.join()
    live.changed(task)
    line.wait(lambda: bool(versions(line, task)))


def test_what_ended_lately_is_said_again_when_a_worker_starts(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int] = []
    monkeypatch.setattr(live, "changed", lambda job: said.append(job.pk))
    ended, older, active = (orders.place(Order(prompt="a fox"), ada) for _time in range(3))
    ended.cancel()
    older.cancel()
    type(older).objects.filter(pk=older.pk).update(ended_at=timezone.now() - tasks.LATELY)
    said.clear()
    tasks.push_ended_again()
    assert said == [ended.pk]
    assert active.is_active


def test_what_reads_as_the_last_push_did_is_not_pushed_again(task: GenerationTask, line: Line) -> None:
    task.start("w")
    task.advance(step=3, making=0)
    for _time in range(3):
        live.progressed(task, PROGRESS)
        live.publisher.flush()
    group = live.one("generation", task.pk)
    assert len(line.to(group)) == 1
    task.advance(step=4)
    live.progressed(task, PROGRESS)
    live.publisher.flush()
    assert len(line.to(group)) == 2


def test_scripts_hear_of_a_job_only_when_more_than_its_time_changed(task: GenerationTask, line: Line) -> None:
    task.start("w")
    task.advance(step=3, making=0)
    live.progressed(task, PROGRESS)
    live.publisher.flush()
    GenerationTask.objects.filter(pk=task.pk).update(version=F("version") + 1)
    live.progressed(task, PROGRESS)
    live.publisher.flush()
    first, second = line.to(live.one("generation", task.pk))
    assert first["data"]["status"] == "running"
    assert second["html"]["en"] != first["html"]["en"], "pages learn the version"
    assert second["data"] is None


def test_a_part_of_a_page_is_pushed_again_only_when_it_reads_otherwise(task: GenerationTask, line: Line) -> None:
    for version, words in ((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a")):
        live.publisher.publish_new("part", "group", {"en": f'<p data-version="{version}">{words}</p>'})
    assert [message["html"]["en"][-5:-4] for message in line.to("group")] == ["a", "b", "a"]
