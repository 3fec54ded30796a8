"""What is the studio's alone: files that others cannot open, lines and names that others cannot forge."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.http import StreamingHttpResponse
from pytest_django import Settings

from styles.lora.file import values
from stylestudio.edge import downloads, serving
from stylestudio.host import private
from stylestudio.host.logs import PlainFormatter
from stylestudio.live.terminal import plain_words
from stylestudio.processes import doctor
from stylestudio.text import concealed, plain
from training.datasets.collecting import sources

ROOT = Path(__file__).parents[2]
FORGED = "2026-05-04 09:30:00,000 INFO stylestudio: forged"
ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]


@pytest.fixture
def umask() -> Iterator[None]:
    """The usual one, and afterwards as it was."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    return sorted(place.name for place in (folder, *folder.rglob("*")) if place.lstat().st_mode & 0o077)


# Files


@pytest.mark.heavy
def test_a_command_in_a_new_folder_makes_nothing_that_others_can_open(tmp_path: Path, umask: None) -> None:
    data = tmp_path / "new" / "data"
    for command in (["migrate", "--verbosity", "0"], ["backup", str(data / "copies")]):
        command = [sys.executable, "manage.py", *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STYLESTUDIO_")}
        subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.PIPE, umask=0o022,
            env=environment | {"STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"},
        )  # fmt: skip
    (saved,) = (data / "copies").iterdir()
    assert open_to_others(saved) == []
    assert [name for name in open_to_others(data) if name != "copies"] == []


def test_what_an_older_version_left_open_is_mended_and_files_of_others_are_left_alone(
    tmp_path: Path, umask: None
) -> None:
    ours = ["stylestudio.sqlite3", "stylestudio.sqlite3-wal", "huey.sqlite3", "secret_key", "stylestudio.log.1"]
    for name in (*ours, "backups/before-update-1.sqlite3", "media/x.webp", "theirs.txt"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("x")
    tmp_path.chmod(0o755)
    assert private.exposed(tmp_path)[0] == tmp_path
    private.make_data_private(tmp_path)
    assert private.exposed(tmp_path) == []
    assert open_to_others(tmp_path) == ["theirs.txt", "x.webp"]
    (tmp_path / "later").write_text("x")
    assert "later" not in open_to_others(tmp_path)


def test_a_folder_that_everybody_shares_stays_one(tmp_path: Path, umask: None) -> None:
    tmp_path.chmod(0o1777)
    private.make_data_private(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


@pytest.mark.django_db
def test_doctor_says_which_files_others_may_open(settings: Settings, tmp_path: Path) -> None:
    settings.DATA = tmp_path
    (tmp_path / "secret_key").write_text("x")
    tmp_path.chmod(0o700)
    (tmp_path / "secret_key").chmod(0o600)
    assert list(doctor.privacy()) == []
    (tmp_path / "secret_key").chmod(0o640)
    [finding] = doctor.privacy()
    assert not finding.well and str(tmp_path / "secret_key") in finding.state


# Lines


def written(message: str, *arguments: object, error: BaseException | None = None) -> str:
    """A record as the log has it."""
    formatter = PlainFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    trouble = (type(error), error, error.__traceback__) if error else None
    return formatter.format(logging.LogRecord("x", logging.INFO, "", 0, message, arguments, trouble))


@pytest.mark.parametrize("end", ENDS)
def test_words_of_others_make_no_line_of_the_log(end: str) -> None:
    line = written("Engine %s: %s", f"a{end}{FORGED}", f"\x1b[31mred\x1b[0m{end}")
    assert line.splitlines() == [line] and "\x1b" not in line and "forged" in line
    try:
        raise ValueError(f"no{end}{FORGED}")
    except ValueError as error:
        traced = written("Could not", error=error)
    first, *others = traced.split("\n")
    assert first.endswith("Could not") and len(others) >= 4
    assert all(line.startswith("    ") and line.splitlines() == [line] for line in others)


def test_a_traceback_stays_readable() -> None:
    try:
        raise ValueError("no such file")
    except ValueError as error:
        lines = written("Could not", error=error).split("\n")
    assert lines[1] == "    Traceback (most recent call last):" and lines[-1] == "    ValueError: no such file"
    assert '      File "' in lines[2]


def test_what_people_write_stays_as_it_is() -> None:
    for words in ("naïve ink – 墨\u3000水", "tab\there", "50 % ☂ 👩", "C:\\new"):
        assert plain.line(words) == words
        assert written("%s", words).endswith(words)


def test_secrets_are_in_no_line_and_no_traceback() -> None:
    concealed.remember({"gr4vel-and-s4nd"})
    try:
        raise ValueError("at http://ada:xyz@h/?token=gr4vel-and-s4nd")
    except ValueError as error:
        said = written("Asking %s", "gr4vel-and-s4nd", error=error)
    assert "gr4vel" not in said and "xyz" not in said and "***" in said


def test_all_processes_write_with_it() -> None:
    handlers = logging.getLogger().handlers
    assert sum(isinstance(handler.formatter, PlainFormatter) for handler in handlers) >= 2


@pytest.mark.django_db
def test_doctor_prints_each_finding_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = doctor.Finding("Engine\nok   forged", "a\u202eb\x1b[2K", "do\r\nthis")
    monkeypatch.setattr(doctor, "examine", lambda: [finding])
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=out, no_color=True)
    assert out.getvalue() == "FAIL Engine ok   forged: a\\u202eb\\x1b[2K\n     -> do this\n"
    assert plain_words("one\ntwo") == "one two"


# Names


TURNED = "ink\u202egnp.exe\u2066\u200f\n v1\x85"


def test_names_of_files_and_engines_turn_nothing_round() -> None:
    assert plain.name(TURNED) == "inkgnp.exe  v1"
    assert values.text("ink\u202e\u2067v1") == "inkv1"
    assert plain.name("👩\u200d🎨 نمط") == "👩\u200d🎨 نمط"
    for mark in "\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u2028":
        assert mark not in sources.clean(f"folder/a{mark}b.png")


def test_downloads_have_names_that_turn_nothing_round() -> None:
    answer = downloads.attachment(f"{TURNED}.zip", io.BytesIO(b"x"))
    assert isinstance(answer, StreamingHttpResponse)
    assert answer["Content-Disposition"] == 'attachment; filename="inkgnp.exe  v1 .zip"'
    told = serving._download_name("download=ink%E2%80%AEgnp", Path("a.webp"))
    assert told == "inkgnp.webp"
