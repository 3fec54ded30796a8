"""What each process has in memory: only what it uses. Rooms name the rest by address, and each leads somewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from pkgutil import resolve_name

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.dispatch import Signal
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules
from huey.contrib.djhuey import HUEY

from stylestudio.host import rooms
from stylestudio.models import Worker

ROOT = Path(__file__).parents[2]
SERVERS = {"daphne", "twisted", "autobahn", "cryptography"}  # the web process's alone
PICTURES = {"numpy", "PIL", "pillow_heif"}
PAINTER = {"stylestudio.preview_engine.painter.painter", "stylestudio.preview_engine.painter.subjects"}
SELDOM = {"ftfy", "charset_normalizer", "numpy", "pillow_heif"}
HEAVY = SERVERS | PICTURES | {"aiohttp", "attr", "regex", "stylestudio.preview_engine", *SELDOM}
PAGES = {"stylestudio.urls", "stylestudio.people.accounts", "styles.forms", "styles.admin", "generation.ordering.views"}


def loaded(code: str) -> set[str]:
    """The modules, and the packages that they are in, of a new process that has run `code`."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=own(), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return with_packages(answer.stdout.split())


def with_packages(modules: list[str]) -> set[str]:
    parts = [name.split(".") for name in modules]
    return {".".join(part[:count]) for part in parts for count in range(1, len(part) + 1)}


def own(**more: str) -> dict[str, str]:
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "stylestudio.settings", **more}


def test_the_supervisor_is_python_and_nothing_else() -> None:
    found = loaded("import stylestudio.processes.launch")
    assert not found & {"django", "channels", "huey", "asyncio", "ssl", "sqlite3", "yarl", *HEAVY}


def test_the_preview_engine_knows_neither_django_nor_a_database() -> None:
    found = loaded("import stylestudio.processes.preview_server")
    assert not found & {"django", "channels", "huey", "sqlite3", "pillow_heif", *SERVERS, *PAINTER}


def test_what_every_command_loads_is_models_and_no_pages() -> None:
    assert not loaded("import django; django.setup()") & {"channels", "huey", *HEAVY, *PAGES}


def test_a_worker_loads_no_server_and_no_admin() -> None:
    found = loaded(
        "import django; django.setup()\n"
        "from django.utils.module_loading import autodiscover_modules\n"
        "import stylestudio.management.commands.worker\n"
        "autodiscover_modules('tasks')\n"
        "from stylestudio.processes import workers\n"
        "workers.beats()\n"
        "import generation.making.runner"
    )
    assert not found & {"stylestudio.preview_engine", *SERVERS, *PAGES, *SELDOM}


def test_the_web_process_loads_all_pages_and_no_painter_and_nothing_that_few_ask_for() -> None:
    found = loaded("import stylestudio.processes.web, stylestudio.asgi, stylestudio.urls")
    assert found >= PAGES
    assert not found & {"pycparser", "aiohttp", *PAINTER, *SELDOM}


@pytest.mark.django_db(transaction=True)
def test_an_order_from_the_terminal_loads_no_pictures_no_engines_and_no_templates(tmp_path: Path) -> None:
    User.objects.create_superuser("olga", password="drawing-room-7")
    now = timezone.now()
    Worker.objects.create(name="studio", started_at=now, heartbeat_at=now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(tmp_path / "stylestudio.sqlite3")])
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.stderr))\n"
        "from stylestudio.processes.command_line import run\n"
        "run(['manage.py', 'generate', '--prompt', 'a fox', '--json'])"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=own(STYLESTUDIO_DATA=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout
    with closing(command.stdout):
        assert json.loads(command.stdout.readline())["status"] == "queued"
        command.send_signal(signal.SIGINT)
        _nothing, said = command.communicate(timeout=60)
    assert command.returncode == 130, said
    found = with_packages(json.loads(said.splitlines()[-1]))
    assert "huey" in found  # it has told the workers
    assert not found & {"stylestudio.template_loader", "generation.engines.roster", *HEAVY, *PAGES}


# --- Addresses


def addresses() -> Iterator[tuple[rooms.Room, str, str]]:
    """Every address that a room lists: the room, the attribute, the address."""
    for config in apps.get_app_configs():
        if isinstance(config, rooms.Room):
            for attribute, listed in vars(type(config)).items():
                if isinstance(listed, Mapping):
                    for receivers in listed.values():
                        yield from ((config, attribute, address) for address in receivers)
                elif isinstance(listed, tuple):
                    yield from ((config, attribute, address) for address in listed)


def test_what_a_room_contributes_is_its_own_and_is_there() -> None:
    found = list(addresses())
    assert len(found) > 40
    for config, attribute, address in found:
        assert address.startswith(f"{config.name}."), f"{config.name}.{attribute} names another room's {address}"
        resolve_name(address)


def test_what_is_contributed_is_asked_for_somewhere() -> None:
    files = (file for app in ("stylestudio", "styles", "generation", "training") for file in (ROOT / app).rglob("*.py"))
    asked = "\n".join(file.read_text() for file in files)
    attributes = {attribute for _config, attribute, _address in addresses()} - {"receivers"}
    assert not [attribute for attribute in attributes if f'"{attribute}"' not in asked]


def test_signals_that_rooms_listen_to_are_signals_and_each_receiver_is_connected() -> None:
    for config in apps.get_app_configs():
        for address, receivers in getattr(config, "receivers", {}).items():
            signal_ = resolve_name(address)
            assert isinstance(signal_, Signal)
            connected = {key for (key, _sender), *_rest in signal_.receivers}
            assert set(receivers) <= connected, address


def test_every_message_is_of_a_module_that_workers_load() -> None:
    autodiscover_modules("tasks")
    resolve_name("stylestudio.processes.tasks")  # the command imports it
    known = HUEY._registry._registry.values()
    assert {task.__module__.rpartition(".")[2] for task in known} == {"tasks"}
    assert len(known) >= 13


def test_a_function_by_its_address_is_the_one_that_is_there_now(monkeypatch: pytest.MonkeyPatch) -> None:
    named = rooms.Named("stylestudio.host.locks:os.getpid")
    assert named() == os.getpid()
    monkeypatch.setattr("stylestudio.host.locks.os.getpid", lambda: 7)
    assert (named(), repr(named)) == (7, "Named('stylestudio.host.locks:os.getpid')")
