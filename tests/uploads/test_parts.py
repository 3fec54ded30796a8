"""Parts of large files: offsets, resuming, crashes, cancelling, sweeping."""

from __future__ import annotations

import errno
import io
import os
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import Http404
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stylestudio.host.cadence import Every
from stylestudio.host.locks import FileLock
from stylestudio.models import Upload
from stylestudio.processes import tasks
from stylestudio.uploads import parts
from stylestudio.uploads.purposes import Refused
from tests.uploads.sending import TRUTH, Finished, begun, entered, put, row, together, whole

pytestmark = pytest.mark.django_db


def test_a_file_sent_in_parts_arrives_whole_and_reaches_its_purpose_with_the_forms_fields(
    client: Client, finished: Finished
) -> None:
    upload = begun(client)
    assert (upload["received"], upload["part_size"]) == (0, 4 * 2**20)
    for offset in range(0, len(TRUTH), 5000):
        answer = put(client, upload, offset, TRUTH[offset : offset + 5000])
        assert answer.json() == {"received": min(offset + 5000, len(TRUTH))}
    path = row(upload).path
    answer = client.post(upload["finish"], {"dataset": "7"})
    assert (answer.status_code, answer.text) == (200, "<p>a.bin</p>")
    assert finished.files == [TRUTH]
    assert finished.fields == [{"dataset": "7"}]
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_the_same_file_started_again_goes_on_and_other_files_and_people_do_not(client: Client, bob: User) -> None:
    upload = begun(client, fingerprint="17")
    put(client, upload, 0, TRUTH[:5000])
    again = begun(client, fingerprint="17")
    assert (again["id"], again["received"]) == (upload["id"], 5000)
    others = [begun(client, fingerprint="18"), begun(client, fingerprint="17", size=9), begun(entered(bob))]
    assert all((other["id"], other["received"]) != (upload["id"], 5000) for other in others)
    client.post(whole(client, fingerprint="19")["finish"])
    assert begun(client, fingerprint="19")["received"] == 0


def test_an_offset_that_is_not_the_end_gets_409_with_what_has_arrived_and_changes_nothing(client: Client) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    for offset in (0, 4999, 5001, 10**15):
        answer = put(client, upload, offset, b"x" * 100)
        assert (answer.status_code, answer.json()) == (409, {"received": 5000})
    assert row(upload).path.read_bytes() == TRUTH[:5000]
    assert client.get(upload["parts"]).json()["received"] == 5000


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "x", "9" * 40])
def test_an_offset_without_sense_is_refused(client: Client, offset: str) -> None:
    upload = begun(client)
    answer = client.put(f"{upload['parts']}?offset={offset}", b"x", content_type="application/octet-stream")
    assert answer.status_code == 404
    assert row(upload).received == 0


def test_more_than_the_file_has_or_than_a_part_may_have_is_refused_and_counts_nothing(client: Client) -> None:
    upload = begun(client)
    assert put(client, upload, 0, TRUTH + b"x").status_code == 413
    assert client.get(upload["parts"]).json()["received"] == 0
    with patch.object(parts, "MOST_PART", 100):
        assert put(client, upload, 0, b"x" * 101).status_code == 413
        assert put(client, upload, 0, TRUTH[:100]).json() == {"received": 100}
    assert put(client, upload, 100, TRUTH[100:]).json() == {"received": len(TRUTH)}
    assert put(client, upload, len(TRUTH), b"x").status_code == 413
    client.post(upload["finish"])


def test_a_part_that_is_shorter_than_it_said_counts_nothing(client: Client) -> None:
    upload = begun(client)
    with pytest.raises(Refused, match="did not arrive whole"):
        parts.receive(row(upload), 0, io.BytesIO(TRUTH[:5000]), announced=6000)
    assert client.get(upload["parts"]).json()["received"] == 0
    assert put(client, upload, 0, TRUTH).json() == {"received": len(TRUTH)}


def test_a_part_must_be_sent_as_what_it_is(client: Client) -> None:
    answer = client.put(f"{begun(client)['parts']}?offset=0", b"a=b", content_type="text/plain")
    assert answer.status_code == 415


def test_a_cancelled_upload_is_gone_with_its_bytes(client: Client) -> None:
    upload = whole(client)
    path = row(upload).path
    assert client.delete(upload["parts"]).status_code == 204
    assert list(path.parent.iterdir()) == []
    assert client.get(upload["parts"]).status_code == 404
    assert put(client, upload, 0, TRUTH).status_code == 404
    assert client.post(upload["finish"]).status_code == 404


def test_an_upload_that_is_cancelled_while_a_part_arrives_leaves_nothing(client: Client) -> None:
    upload = begun(client)
    kept = row(upload)

    class Body:
        sent = False

        def read(self, size: int) -> bytes:
            if self.sent:
                return b""
            self.sent = True
            parts.cancel(row(upload))
            return b"x"

    with pytest.raises(Http404):
        parts.receive(kept, 0, Body())
    assert list(kept.path.parent.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_said_and_counts_nothing(client: Client) -> None:
    upload = begun(client)
    with patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        answer = put(client, upload, 0, TRUTH)
    assert answer.status_code == 507
    assert "disk is nearly full" in answer.json()["error"]
    assert client.get(upload["parts"]).json()["received"] == 0
    assert put(client, upload, 0, TRUTH).json() == {"received": len(TRUTH)}


def test_bytes_that_a_crash_left_uncounted_are_cut_off(client: Client, finished: Finished) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    with row(upload).path.open("ab") as file:
        file.write(b"half a part that was never counted")
    assert client.get(upload["parts"]).json()["received"] == 5000
    put(client, upload, 5000, TRUTH[5000:])
    client.post(upload["finish"])
    assert finished.files == [TRUTH]


def test_bytes_that_were_lost_are_sent_again(client: Client, finished: Finished) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    os.truncate(row(upload).path, 3000)
    assert begun(client)["received"] == 3000
    assert put(client, upload, 5000, TRUTH[5000:]).json() == {"received": 3000}
    put(client, upload, 3000, TRUTH[3000:])
    row(upload).path.unlink()
    assert client.post(upload["finish"]).json() == {"received": 0}
    put(client, upload, 0, TRUTH)
    client.post(upload["finish"])
    assert finished.files == [TRUTH]


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """A body in the midst of which the process is killed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read(self, size: int) -> bytes:
        if not self.pieces:
            raise Killed
        return self.pieces.pop()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 60), st.binary(min_size=1, max_size=25)),
        st.tuples(st.just("next"), st.integers(1, 25), st.just(b"")),
        st.tuples(st.just("again"), st.integers(0, 25), st.just(b"")),
        st.tuples(st.just("crash"), st.just(0), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("lose"), st.integers(0, 60), st.just(b"")),
        st.tuples(st.just("short"), st.integers(0, 60), st.binary(min_size=1, max_size=25)),
        st.tuples(st.just("finish"), st.just(0), st.just(b"")),
    ),
    max_size=20,
)


@given(STEPS)
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_in_whatever_order_the_counted_bytes_are_the_accepted_ones(
    client: Client, finished: Finished, steps: list[tuple[str, int, bytes]]
) -> None:
    size, accepted, last = 50, b"", (0, b"x")
    Upload.objects.all().delete()
    finished.files.clear()
    upload = begun(client, size=size)
    with patch.object(parts, "MOST_PART", 20):
        for act, number, body in steps:
            path = row(upload).path
            if act == "finish":
                answer = client.post(upload["finish"])
                assert answer.status_code == (200 if len(accepted) == size or finished.files else 409)
            elif finished.files:
                assert put(client, upload, number, body).status_code == 409
            elif act == "crash":
                with pytest.raises((Killed, Refused)):
                    parts.receive(row(upload), len(accepted), Dying(body))
            elif act == "lose":
                if path.exists() and number < path.stat().st_size:
                    os.truncate(path, number)
                    accepted = accepted[:number]
            elif act == "short":
                with pytest.raises((Refused, parts.Elsewhere)):
                    parts.receive(row(upload), number, io.BytesIO(body), announced=len(body) + 1)
            else:
                offset, sent = {
                    "put": (number, body),
                    "next": (len(accepted), os.urandom(number)),
                    "again": last,
                }[act]
                last = (offset, sent)
                answer = put(client, upload, offset, sent)
                if offset != len(accepted):
                    assert (answer.status_code, answer.json()["received"]) == (409, len(accepted))
                elif len(sent) > min(20, size - len(accepted)):
                    assert answer.status_code == 413
                else:
                    accepted += sent
                    assert answer.json() == {"received": len(accepted)}
            if not finished.files:
                assert client.get(upload["parts"]).json()["received"] == len(accepted)
                assert (path.read_bytes() if path.exists() else b"")[: len(accepted)] == accepted
    assert finished.files in ([], [accepted])


@pytest.mark.django_db(transaction=True)
def test_of_different_parts_for_the_same_place_one_is_taken_whole(ada: User, finished: Finished) -> None:
    bodies = [bytes([number]) * len(TRUTH) for number in range(6)]
    upload = begun(entered(ada))
    clients = [entered(ada) for _ in bodies]
    answers = together(6, lambda number: put(clients[number], upload, 0, bodies[number]))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert row(upload).path.read_bytes() in bodies
    assert clients[0].post(upload["finish"]).status_code == 200
    assert finished.files[0] in bodies


@pytest.mark.django_db(transaction=True)
def test_starting_the_same_file_at_the_same_moment_makes_one_upload(ada: User) -> None:
    clients = [entered(ada) for _ in range(5)]
    answers = together(5, lambda number: begun(clients[number]))
    assert len({answer["id"] for answer in answers}) == 1
    assert Upload.objects.count() == 1


def test_a_part_does_not_wait_for_ever_for_another_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    real = parts.locked
    monkeypatch.setattr(parts, "locked", lambda upload, patience: real(upload, 0.1))
    with FileLock(row(upload).path.with_suffix(".lock")):
        answer = put(client, upload, 5000, TRUTH[5000:])
    assert (answer.status_code, answer.json()) == (409, {"received": 5000})
    assert put(client, upload, 5000, TRUTH[5000:]).json() == {"received": len(TRUTH)}


def test_uploads_that_nobody_touched_for_two_days_are_forgotten_and_files_without_rows_deleted(
    client: Client, media: Path
) -> None:
    old, young, done = (whole(client, fingerprint=text) for text in "abc")
    client.post(done["finish"])
    past = timezone.now() - timedelta(hours=49)
    Upload.objects.filter(pk__in=[old["id"], done["id"]]).update(updated_at=past)
    paths = {name: row(upload).path for name, upload in (("old", old), ("young", young))}
    stray, fresh = (paths["old"].with_name(f"{uuid4().hex}.{kind}") for kind in ("part", "lock"))
    stray.touch()
    fresh.touch()
    for file in (*paths.values(), stray):
        os.utime(file, (past.timestamp(), past.timestamp()))
    assert parts.sweep_uploads() == 2
    assert set(Upload.objects.values_list("pk", flat=True)) == {row(young).pk}
    left = {file.name for file in fresh.parent.iterdir() if file.suffix == ".part"}
    assert left == {paths["young"].name}
    assert fresh.exists()
    assert client.get(young["parts"]).json()["received"] == len(TRUTH)


def test_a_file_that_is_started_again_after_long_is_not_forgotten_while_it_is_sent(client: Client) -> None:
    upload = begun(client, fingerprint="17")
    put(client, upload, 0, TRUTH[:5000])
    Upload.objects.update(updated_at=timezone.now() - timedelta(hours=49))
    assert begun(client, fingerprint="17")["received"] == 5000
    assert parts.sweep_uploads() == 0
    assert put(client, upload, 5000, TRUTH[5000:]).json() == {"received": len(TRUTH)}


def test_the_sweep_of_every_minute_looks_for_them_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(parts, "hourly", Every(3600.0))
    monkeypatch.setattr(parts, "sweep_uploads", lambda: calls.append(1))
    tasks.sweep.call_local()
    tasks.sweep.call_local()
    assert calls == [1]


def test_a_backup_leaves_half_uploads_out(client: Client, own_data: Path, tmp_path: Path) -> None:
    whole(client)
    stored = own_data / "media/outputs/x.png"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"x")
    with patch("stylestudio.management.commands.backup.save_database", lambda file: file.parent.mkdir(parents=True)):
        call_command("backup", str(tmp_path / "saved"))
    (saved,) = (tmp_path / "saved").glob("stylestudio-*/media")
    assert [entry.name for entry in saved.iterdir()] == ["outputs"]
