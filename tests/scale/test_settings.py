"""DATABASE_URL, REDIS_URL and S3_BUCKET: what the settings make of them, without any server or package of theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from stylestudio import checks, env
from stylestudio.debug import SecretSettings
from stylestudio.processes import command_line, doctor
from stylestudio.text import concealed

ROOT = Path(__file__).parents[2]
NAMES = ("DATABASES", "CHANNEL_LAYERS", "HUEY", "STORAGES", "MEDIA_ORIGIN")
PACKAGES = ("psycopg", "psycopg_pool", "redis", "channels_redis", "storages", "boto3")
# Whether the packages are here or not: all but `missing` seem to be.
SHOW = f"""
import importlib.util, json, sys
found = importlib.util.find_spec
def find(name, *rest):
    return None if name == sys.argv[1] else name if name in {PACKAGES!r} else found(name, *rest)
importlib.util.find_spec = find
from stylestudio import settings
from stylestudio.edge.headers import CONTENT_SECURITY_POLICY
shown = {{name: getattr(settings, name) for name in {NAMES!r}}}
shown |= {{"policy": CONTENT_SECURITY_POLICY, "key is given": settings.SECRET_KEY_IS_GIVEN}}
print(json.dumps(shown, default=str))
"""


def run(data: Path, variables: dict[str, str], missing: str = "") -> tuple[str, str]:
    """What the settings are with these variables (as JSON), and what the process said on stderr."""
    mine = ("DATABASE_URL", "REDIS_URL", "S3_", "STYLESTUDIO_", "COMFYUI_", "DJANGO_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    result = subprocess.run(
        [sys.executable, "-c", SHOW, missing],
        cwd=ROOT,
        env=ours | {"STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout, result.stderr


def settings_with(data: Path, **variables: str) -> dict[str, Any]:
    """The settings, which must be accepted."""
    out, said = run(data, variables)
    assert out, said
    shown: dict[str, Any] = json.loads(out)
    return shown


def test_without_the_variables_everything_is_on_this_machine(tmp_path: Path) -> None:
    shown = settings_with(tmp_path)
    assert shown["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert shown["CHANNEL_LAYERS"]["default"]["BACKEND"] == "stylestudio.live.hub.HubChannelLayer"
    assert shown["HUEY"]["huey_class"] == "stylestudio.processes.workers.WakingHuey"
    assert shown["STORAGES"]["default"]["BACKEND"] == "stylestudio.media.storage.AsideStorage"
    assert "img-src 'self' data:;" in shown["policy"]


def test_a_database_address_is_taken_apart(tmp_path: Path) -> None:
    url = "postgres://ada%40home:p%2Fss%3Aword@db.example.org:6543/the%20studio?sslmode=require"
    database = settings_with(tmp_path, DATABASE_URL=url)["DATABASES"]["default"]
    pool = database["OPTIONS"].pop("pool")
    assert database == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "the studio",
        "USER": "ada@home",
        "PASSWORD": "p/ss:word",
        "HOST": "db.example.org",
        "PORT": "6543",
        "OPTIONS": {"sslmode": "require"},
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }
    assert (pool["min_size"], pool["max_size"]) == (1, 8)


def test_a_database_behind_a_unix_socket_can_be_named() -> None:
    database = env.postgres("DATABASE_URL", "postgresql:///studio?host=/var/run/postgresql")
    assert (database["NAME"], database["HOST"], database["PORT"]) == ("studio", "/var/run/postgresql", "")
    assert database["OPTIONS"] == {}


def test_a_web_process_takes_no_more_connections_however_many_engines_there_are(tmp_path: Path) -> None:
    engines = ",".join(f"http://gpu{number}:8188" for number in range(50))
    shown = settings_with(tmp_path, DATABASE_URL="postgresql://localhost/studio", COMFYUI_URL=engines)
    assert shown["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 24


def test_no_thread_of_a_large_worker_waits_for_a_connection(tmp_path: Path) -> None:
    engines = ",".join(f"http://gpu{number}:8188" for number in range(9))
    shown = settings_with(tmp_path, DATABASE_URL="postgresql://localhost/studio", COMFYUI_URL=engines)
    assert shown["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 24


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:secret@localhost/studio",
        "postgresql+psycopg://ada:secret@localhost/studio",
        "sqlite:///secret.sqlite3",
        "postgresql://ada:secret@localhost",
        "postgresql://ada:secret@localhost:many/studio",
        "postgresql://ada:12/secret@localhost/studio",
        "secret",
    ],
)
def test_any_other_database_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL is no address of a PostgreSQL database") as refused:
        env.postgres("DATABASE_URL", url)
    assert "secret" not in str(refused.value)


def test_a_value_that_makes_no_sense_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    out, said = run(tmp_path, {"DATABASE_URL": "mysql://localhost/studio"})
    assert not out
    assert "or unset it for SQLite." in said.splitlines()[-1]


def test_redis_carries_queue_and_live_updates(tmp_path: Path) -> None:
    shown = settings_with(tmp_path, REDIS_URL="redis://:secret@localhost:6380/2")
    address = "redis://:secret@localhost:6380/2?socket_timeout=30&max_connections=4096"
    layer = shown["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.core.RedisChannelLayer"
    assert layer["CONFIG"]["hosts"] == [address]
    assert layer["CONFIG"]["capacity"] == 1000
    assert shown["HUEY"] == {
        "huey_class": "stylestudio.processes.workers.RemoteHuey",
        "name": "stylestudio",
        "connection": {"url": address},
        "immediate": False,
        "results": False,
    }


def test_what_a_redis_address_says_itself_stays() -> None:
    address = env.redis("REDIS_URL", "rediss://h/1?ssl_cert_reqs=none&socket_timeout=60", socket_timeout=30, other=4)
    assert address == "rediss://h/1?socket_timeout=60&other=4&ssl_cert_reqs=none"


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://localhost:6379", "redis://", "redis://localhost:many/0", "redis://ada:12/34@h/0"]
)
def test_any_other_redis_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL is no address of Redis"):
        env.redis("REDIS_URL", url)


def test_a_bucket_of_ones_own_server_is_addressed_by_path_and_pages_may_show_its_pictures(tmp_path: Path) -> None:
    keys = {"S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "secret"}
    shown = settings_with(tmp_path, S3_BUCKET="studio", S3_ENDPOINT_URL="https://s3.example.org:9000/", **keys)
    assert shown["STORAGES"]["default"] == {
        "BACKEND": "stylestudio.media.buckets.PrivateBucket",
        "OPTIONS": {
            "bucket_name": "studio",
            "endpoint_url": "https://s3.example.org:9000",
            "region_name": "us-east-1",
            "addressing_style": "path",
            "signature_version": "s3v4",
            "max_memory_size": 8 * 2**20,
            "access_key": "key",
            "secret_key": "secret",
        },
    }
    assert "img-src 'self' data: https://s3.example.org:9000;" in shown["policy"]
    assert shown["STORAGES"]["staticfiles"]["BACKEND"] == "django.contrib.staticfiles.storage.StaticFilesStorage"


def test_a_bucket_at_amazon_needs_its_region_only(tmp_path: Path) -> None:
    shown = settings_with(tmp_path, S3_BUCKET="studio", S3_REGION="eu-central-1")
    options = shown["STORAGES"]["default"]["OPTIONS"]
    assert options["addressing_style"] == "virtual"
    assert "access_key" not in options
    assert "img-src 'self' data: https://studio.s3.eu-central-1.amazonaws.com;" in shown["policy"]


@pytest.mark.parametrize(
    "url",
    ["s3.example.org", "ftp://s3.example.org", "https://s3.example.org/studio", "https://a:secret@s3.example.org"],
)
def test_an_endpoint_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="Use an address such as https://") as refused:
        env.origin("S3_ENDPOINT_URL", url)
    assert "secret" not in str(refused.value)


def test_passwords_of_servers_are_taken_out_of_the_words_of_their_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concealed, "known", concealed.Secrets())  # other tests have passwords of one letter
    urls = ("postgresql://ada:p%40ss-w0rd%2F1@db/studio?sslpassword=k3y-passphrase", "redis://:r3dis-passw0rd@h/0")
    known = {word for url in urls for word in env.passwords(url)}
    assert known == {"p%40ss-w0rd%2F1", "p@ss-w0rd/1", "k3y-passphrase", "r3dis-passw0rd"}
    concealed.remember(known)
    said = "no pg at 'p@ss-w0rd/1', redis://:r3dis-passw0rd@h/0, http://u:v@h/x, mail ada@example.org"
    assert concealed.conceal(said) == "no pg at '***', redis://***@h/0, http://***@h/x, mail ada@example.org"


def test_a_short_password_is_taken_out_only_where_it_is_a_word_of_its_own() -> None:
    concealed.remember({"quasar"})
    assert concealed.conceal("quasar: no 'quasar', but quasars") == "***: no '***', but quasars"


def test_debug_pages_hide_addresses_of_settings(settings: Settings) -> None:
    settings.DATABASE_URL, settings.COMFYUI_URLS = "postgresql://ada:secret@h/d", ["http://ada:secret@h"]
    shown = SecretSettings().get_safe_settings()
    assert "secret" not in str([shown[name] for name in ("DATABASE_URL", "COMFYUI_URLS", "REDIS_URL", "SECRET_KEY")])


def test_half_a_pair_of_keys_is_refused(tmp_path: Path) -> None:
    out, said = run(tmp_path, {"S3_BUCKET": "studio", "S3_ACCESS_KEY": "key"})
    assert not out
    assert "Set S3_ACCESS_KEY and S3_SECRET_KEY, or neither" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("variable", "value", "package"),
    [
        ("DATABASE_URL", "postgresql://localhost/studio", "psycopg_pool"),
        ("REDIS_URL", "redis://localhost", "channels_redis"),
        ("S3_BUCKET", "studio", "storages"),
    ],
)
def test_a_package_that_is_not_installed_is_named(tmp_path: Path, variable: str, value: str, package: str) -> None:
    out, said = run(tmp_path, {variable: value}, missing=package)
    assert not out
    assert f"{variable} is set, but these packages are missing: {package}." in said.splitlines()[-1]
    assert "requirements-scale.txt" in said.splitlines()[-1]


SEVERAL = {"DATABASE_URL": "postgresql://h/studio", "REDIS_URL": "redis://h"}
AGREED = {"COMFYUI_URLS": ["http://10.0.0.7:8188"], "SECRET_KEY_IS_GIVEN": True}


def said_of(settings: Settings, **values: object) -> list[str]:
    """What is wrong with these settings."""
    alone = {"DATABASE_URL": "", "REDIS_URL": "", "S3_BUCKET": "", "COMFYUI_URLS": [], "SECRET_KEY_IS_GIVEN": False}
    for name, value in (alone | values).items():
        setattr(settings, name, value)
    return [str(message.id) for message in run_checks(tags=[checks.TAG]) if message.level >= ERROR]


def test_several_machines_need_engines_that_all_reach_and_one_key(settings: Settings) -> None:
    assert said_of(settings, **SEVERAL) == ["stylestudio.E007", "stylestudio.E008"]
    assert said_of(settings, **SEVERAL, COMFYUI_URLS=AGREED["COMFYUI_URLS"]) == ["stylestudio.E008"]
    assert said_of(settings, **SEVERAL, SECRET_KEY_IS_GIVEN=True, S3_BUCKET="studio") == ["stylestudio.E007"]
    assert said_of(settings, **SEVERAL, **AGREED) == []


@pytest.mark.parametrize("one", [{}, *({name: value} for name, value in SEVERAL.items()), {"S3_BUCKET": "studio"}])
def test_on_one_machine_each_of_them_works_without_more(settings: Settings, one: dict[str, str]) -> None:
    assert said_of(settings, **one) == []
    assert said_of(settings, **one, **({} if "S3_BUCKET" in one else {"S3_BUCKET": "studio"})) == []


@pytest.mark.parametrize("command", ["studio", "worker"])
def test_nothing_starts_on_several_machines_that_would_not_agree(
    settings: Settings, capsys: pytest.CaptureFixture[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_of(settings, **SEVERAL)
    monkeypatch.setattr(command_line, "check_database", lambda: None)
    with pytest.raises(SystemExit) as end:
        command_line.run(["manage.py", command])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert "Set COMFYUI_URL on every machine to the same addresses" in said
    assert "Set STYLESTUDIO_SECRET_KEY to the same value on every machine" in said
    assert str(settings.DATA / "secret_key") in said
    assert "unset REDIS_URL" in said
    states = [finding.state for finding in doctor.wrong_settings()]
    assert [state.count("which means several machines, but") for state in states] == [1, 1]


@pytest.mark.parametrize(("key", "is_given"), [("", "false"), ("long" * 10, "true")])
def test_a_key_that_is_set_is_told_from_one_that_was_made_here(tmp_path: Path, key: str, is_given: str) -> None:
    for _start in range(2):
        shown = settings_with(tmp_path, STYLESTUDIO_SECRET_KEY=key)
        assert json.dumps(shown["key is given"]) == is_given
    assert (tmp_path / "secret_key").exists() is not bool(key)
