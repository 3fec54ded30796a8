"""Addresses of files in a bucket: the same for everybody within an hour, and what botocore itself would have signed.

boto3 may be missing in the Python of the tests, so the questions are asked by the one that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scale.servers import PYTHON, ROOT, has, unable

ASK = """
import json, sys
from datetime import UTC, datetime
from unittest.mock import patch
import django
django.setup()
import botocore.auth
from django.core.files.storage import default_storage as bucket
from stylestudio.media import buckets

def at(moment, name="outputs/2026/11/a b.png", disposition=None):
    class Clock(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.fromisoformat(moment)
    with patch.object(buckets, "datetime", Clock):
        signed = bucket.signed(name, disposition)
    return [signed.url, signed.seconds]

def theirs(moment, name="outputs/2026/11/a b.png", disposition=None):
    parameters = {"ResponseContentDisposition": disposition} if disposition else {}
    there = datetime.fromisoformat(moment)
    with patch.object(botocore.auth, "get_current_datetime", lambda *_: there, create=True):
        return super(buckets.PrivateBucket, bucket._wrapped).url(name, parameters, expire=7200)

def clients(threads=3):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier
    together = Barrier(threads)
    def mine(_number):
        together.wait()
        return id(bucket._client)
    bucket._client  # as the first file has made it
    with ThreadPoolExecutor(threads) as pool:
        return len(set(pool.map(mine, range(threads))))

print(json.dumps(eval(sys.argv[1])))
"""
KEYS = {"S3_BUCKET": "studio", "S3_ACCESS_KEY": "testing", "S3_SECRET_KEY": "secret"}
OWN = {"S3_ENDPOINT_URL": "http://127.0.0.1:9000"}

pytestmark = pytest.mark.heavy


@cache
def _is_able() -> bool:
    return has("storages", "boto3", "django_htmx", "channels")


def ask(question: str, data: Any, **environment: str) -> Any:
    """What the expression gives in a studio with a bucket."""
    if not _is_able():
        unable(f"{PYTHON} has no requirements-scale.txt; name one that has in STYLESTUDIO_SCALE_PYTHON")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_"))}
    env |= {"STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "stylestudio.settings", **KEYS, **environment}
    told = subprocess.run([PYTHON, "-c", ASK, question], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


@pytest.mark.parametrize("place", [OWN, {}, {"S3_REGION": "eu-central-1"}], ids=["own server", "Amazon", "Frankfurt"])
def test_an_address_is_what_botocore_would_have_signed_at_the_beginning_of_the_hour(
    tmp_path: Any, place: dict[str, str]
) -> None:
    name = "'outputs/2026/11/a b.png', 'attachment; filename=\"Füchse & Co.png\"'"
    question = f"[at('2026-11-28T10:59:59+00:00', {name})[0], theirs('2026-11-28T10:00:00+00:00', {name})]"
    ours, theirs = ask(question, tmp_path, **place)
    assert ours == theirs
    assert parse_qs(urlsplit(ours).query)["X-Amz-Date"] == ["20261128T100000Z"]


def test_it_is_the_same_for_an_hour_and_valid_for_another_one_at_its_end(tmp_path: Any) -> None:
    moments = [f"2026-11-28T{time}+00:00" for time in ("10:00:00", "10:30:00", "10:59:59", "11:00:00")]
    answers = ask(f"[at(moment) for moment in {moments}]", tmp_path, **OWN)
    addresses, seconds = zip(*answers, strict=True)
    assert addresses[0] == addresses[1] == addresses[2] != addresses[3]
    # Browsers forget the redirect ten minutes before the bucket refuses the address.
    assert seconds == (6600, 4800, 3001, 6600)


def test_it_is_signed_once(tmp_path: Any) -> None:
    question = "[at(m)[0] for m in ['2026-11-28T10:00:00+00:00'] * 5] and list(bucket._wrapped._sign_once.cache_info())"
    hits, misses, _most, _size = ask(question, tmp_path, **OWN)
    assert (hits, misses) == (4, 1)


def test_with_keys_that_end_by_themselves_the_redirect_is_kept_for_five_minutes_only(tmp_path: Any) -> None:
    role = {"S3_ACCESS_KEY": "", "S3_SECRET_KEY": "", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    (address, seconds) = ask("at('2026-11-28T10:00:00+00:00')", tmp_path, **OWN, **role, AWS_SESSION_TOKEN="token")
    # Of the ten that are left at least; the studio itself tells it for a minute (stylestudio.edge.recent).
    assert seconds == 300
    assert parse_qs(urlsplit(address).query)["X-Amz-Security-Token"] == ["token"]


def test_all_threads_of_a_process_use_one_client(tmp_path: Any) -> None:
    assert ask("clients()", tmp_path, **OWN) == 1
