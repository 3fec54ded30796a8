"""Parts that reach one machine and then another: through a bucket they all count, without one the page is told."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from stylestudio.models import Upload
from stylestudio.uploads import parts, purposes, shared_parts
from stylestudio.uploads.purposes import Refused
from tests.pages import Answer
from tests.uploads.machines import Machines
from tests.uploads.sending import TRUTH, Finished, begun, put, row, start, together, whole

pytestmark = pytest.mark.django_db
ELSEWHERE = "What has arrived of this file is not on this machine of the studio."


@pytest.fixture
def machines(settings: Settings, tmp_path: Path) -> Machines:
    """Two, one database."""
    return Machines(settings, tmp_path)


@pytest.fixture
def bucket(machines: Machines) -> Path:
    """Their bucket."""
    return machines.share_bucket()


def sent_in_turns(client: Client, machines: Machines) -> dict[str, str]:
    upload = begun(client)
    for number, offset in enumerate(range(0, len(TRUTH), 5000)):
        machines.use("ab"[number % 2])
        answer = put(client, upload, offset, TRUTH[offset : offset + 5000])
        assert answer.json() == {"received": min(offset + 5000, len(TRUTH))}
    return upload


def test_with_a_bucket_parts_may_reach_any_machine_and_any_finishes_the_file(
    client: Client, finished: Finished, machines: Machines, bucket: Path, tmp_path: Path
) -> None:
    upload = sent_in_turns(client, machines)
    machines.use("c")
    answer = client.post(upload["finish"], {"dataset": "7"})
    assert (answer.status_code, answer.text) == (200, "<p>a.bin</p>")
    assert finished.files == [TRUTH]
    machines.use("a")
    assert client.post(upload["finish"]).text == "<p>a.bin</p>"
    assert finished.files == [TRUTH]
    left = [path for place in (bucket, *map(machines.use, "abc")) for path in place.rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix != ".lock"]


def test_with_a_bucket_a_file_goes_on_where_it_was_on_another_machine(
    client: Client, machines: Machines, bucket: Path
) -> None:
    upload = begun(client, fingerprint="17")
    put(client, upload, 0, TRUTH[:5000])
    machines.use("b")
    again = begun(client, fingerprint="17")
    assert (again["id"], again["received"]) == (upload["id"], 5000)
    assert put(client, upload, 0, TRUTH[:5000]).json() == {"received": 5000}
    assert client.post(upload["finish"]).json() == {"received": 5000}


def test_a_stored_file_goes_to_the_bucket(client: Client, finished: Finished, machines: Machines, bucket: Path) -> None:
    finished.answer = lambda upload: HttpResponse(purposes.store(upload, "uploads/loras/x.bin"))
    assert client.post(sent_in_turns(client, machines)["finish"]).text == "uploads/loras/x.bin"
    assert (bucket / "uploads/loras/x.bin").read_bytes() == TRUTH


def test_a_part_that_was_lost_in_the_bucket_is_sent_again(
    client: Client, finished: Finished, machines: Machines, bucket: Path
) -> None:
    upload = sent_in_turns(client, machines)
    (bucket / f"parts/{row(upload).pk.hex}/000000005000").unlink()
    answer = client.post(upload["finish"])
    assert (answer.status_code, answer.json()) == (409, {"received": 5000})
    for offset in range(5000, len(TRUTH), 5000):
        assert put(client, upload, offset, TRUTH[offset : offset + 5000]).status_code == 200
    assert client.post(upload["finish"]).status_code == 200
    assert finished.files == [TRUTH]


def test_a_part_that_no_row_counted_is_replaced(client: Client, finished: Finished, bucket: Path) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    shared_parts.put(row(upload), 5000, b"x" * 9000)  # as a crash before the row leaves it
    assert parts.receive(row(upload), 5000, io.BytesIO()) == 5000
    put(client, upload, 5000, TRUTH[5000:6000])
    put(client, upload, 6000, TRUTH[6000:])
    client.post(upload["finish"])
    assert finished.files == [TRUTH]


def test_what_is_too_much_or_not_whole_does_not_reach_the_bucket(client: Client, bucket: Path) -> None:
    upload = begun(client)
    assert put(client, upload, 0, TRUTH + b"x").status_code == 413
    with pytest.raises(Refused):
        parts.receive(row(upload), 0, io.BytesIO(TRUTH), announced=len(TRUTH) + 1)
    assert client.get(upload["parts"]).json()["received"] == 0
    assert not list(bucket.rglob("*"))


def test_a_cancelled_upload_leaves_nothing_in_the_bucket(client: Client, bucket: Path) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    assert client.delete(upload["parts"]).status_code == 204
    assert not [path for path in bucket.rglob("*") if path.is_file()]


def test_parts_of_forgotten_uploads_are_swept_from_the_bucket(client: Client, bucket: Path) -> None:
    old, young = whole(client, fingerprint="old"), whole(client, fingerprint="young")
    fresh = whole(client, fingerprint="fresh")
    past = timezone.now() - timedelta(hours=49)
    Upload.objects.filter(pk=old["id"]).update(updated_at=past)
    Upload.objects.filter(pk=fresh["id"]).delete()
    for upload in (old, young):
        for path in (bucket / "parts" / upload["id"].replace("-", "")).iterdir():
            os.utime(path, (past.timestamp(), past.timestamp()))
    assert parts.sweep_uploads() == 1
    left = {path.parent.name for path in bucket.rglob("*") if path.is_file()}
    assert left == {upload["id"].replace("-", "") for upload in (young, fresh)}


def test_a_full_disk_at_the_end_is_a_sentence_and_nothing_is_lost(
    client: Client, finished: Finished, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(upload: Upload) -> int:
        raise OSError(28, "No space left on device")

    upload = whole(client)
    with monkeypatch.context() as patched:
        patched.setattr(shared_parts, "fetch", full)
        answer = client.post(upload["finish"])
    assert answer.status_code == 507
    assert "nearly full" in answer.json()["error"]
    client.post(upload["finish"])
    assert finished.files == [TRUTH]


def test_without_a_bucket_another_machine_says_what_to_do(client: Client, machines: Machines) -> None:
    upload = begun(client)
    assert put(client, upload, 0, TRUTH[:5000]).json() == {"received": 5000}
    machines.use("b")
    requests: list[Callable[[], Answer]] = [
        lambda: put(client, upload, 0, TRUTH[:5000]),
        lambda: put(client, upload, 5000, TRUTH[5000:]),
        lambda: client.get(upload["parts"]),
        lambda: client.post(upload["finish"]),
    ]
    for request in requests:
        answer = request()
        assert answer.status_code == 422
        assert answer.json()["error"].startswith(ELSEWHERE)
    machines.use("a")
    assert put(client, upload, 5000, TRUTH[5000:]).json() == {"received": len(TRUTH)}
    assert client.post(upload["finish"]).status_code == 200


def test_without_a_bucket_the_file_can_be_sent_to_the_other_machine_from_the_beginning(
    client: Client, finished: Finished, machines: Machines
) -> None:
    upload = begun(client, fingerprint="17")
    put(client, upload, 0, TRUTH[:5000])
    machines.use("b")
    again = begun(client, fingerprint="17")
    assert again["received"] == 0
    assert again["id"] != upload["id"]
    put(client, again, 0, TRUTH)
    assert client.post(again["finish"]).status_code == 200
    assert finished.files == [TRUTH]


def test_without_a_bucket_a_shared_folder_serves_all_machines(
    client: Client, finished: Finished, machines: Machines, tmp_path: Path
) -> None:
    for name in "ab":
        machines.use(name).mkdir()
    (tmp_path / "shared").mkdir()
    for name in "ab":
        (tmp_path / name / "parts").symlink_to(tmp_path / "shared")
    client.post(sent_in_turns(client, machines)["finish"])
    assert finished.files == [TRUTH]


def test_parts_that_alternate_without_a_bucket_end_with_the_first_that_goes_astray(
    client: Client, machines: Machines
) -> None:
    """However often the same file is chosen again, and whichever machine is asked first."""
    for chosen in range(4):
        machines.use("ab"[chosen % 2])
        upload = begun(client, fingerprint="17")
        machines.use("ba"[chosen % 2])
        answer = put(client, upload, 0, TRUTH[:5000])
        assert answer.status_code == 422
        assert answer.json()["error"].startswith(ELSEWHERE)


def test_on_one_machine_a_lost_file_is_sent_again_from_the_beginning(client: Client) -> None:
    upload = whole(client)
    row(upload).path.unlink()
    assert put(client, upload, len(TRUTH) - 1, b"x").json() == {"received": 0}


@pytest.mark.django_db(transaction=True)
def test_starting_at_the_same_moment_makes_one_upload(ada: User, machines: Machines, client: Client) -> None:
    answers = together(4, lambda number: start(client).json())
    assert len({answer["id"] for answer in answers}) == 1
