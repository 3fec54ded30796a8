"""`manage.py studio`: the whole studio from one command."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection, connections
from django.utils.translation import gettext as _

from stylestudio.database import conversion
from stylestudio.host import child_exit, private, rendezvous
from stylestudio.host.locks import FileLock, Locked
from stylestudio.people.accounts import first_run_link
from stylestudio.processes import backups, launch
from stylestudio.processes.supervisor import KILL_AFTER, Child, say

ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class Command(BaseCommand):
    """Prepares the data folder, then supervises web, worker and preview engine."""

    help = (
        "Start StyleStudio; this is what run.py does. It saves and migrates the database, then runs the web process, "
        "the worker and, without COMFYUI_URL, the preview engine. A process that crashes is started again; Ctrl-C or "
        "SIGTERM ends all within 5 seconds. A second start on the same data folder says so and stops."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=8000, help="port to listen on, 0 for any free one (default: %(default)s)"
        )
        parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
        parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input closes")

    def handle(self, *args: Any, host: str, port: int, no_browser: bool, **options: Any) -> None:
        """Run until the studio is told to stop."""
        if options["exit_with_parent"]:
            child_exit.exit_with_parent()
        data = Path(settings.DATA)
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(FileLock(data / "studio.lock"))
            except Locked as taken:
                _give_up(
                    _("StyleStudio is already running on this data folder (%(data)s): %(address)s")
                    % {"data": data, "address": taken or _("it is just starting")}
                )
            except OSError as error:
                _give_up(_("The data folder %(data)s cannot be used: %(error)s.") % {"data": data, "error": error})
            _wait_for_port(host, port, patience=KILL_AFTER if lock.abandoned else 0)
            port = port or rendezvous.free_port(host)
            address = settings.PUBLIC_URL or f"http://{_reachable(host)}:{port}"
            lock.note(f"{address}/")
            private.make_data_private(data)
            try:
                _prepare_data()
            except KeyboardInterrupt:
                sys.exit(130)
            lines, opens = _greeting(host, address)
            plan = launch.Plan(
                children=_children(host, port, data),
                data=str(data),
                host=_reachable(host),
                port=port,
                lines=lines,
                opens="" if no_browser or not _has_desktop() else opens,
                exit_with_parent=options["exit_with_parent"],
            )
            _let_go_of_the_database()
            if sys.platform == "win32":
                launch.carry_out(plan)
            else:
                launch.become(plan, lock, settings.BASE_DIR)


def _give_up(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(1)


def _reachable(host: str) -> str:
    if host in ANYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _wait_for_port(host: str, port: int, patience: float) -> None:
    """Exit with a sentence if `port` is taken; children of a killed predecessor get `patience` seconds to end."""
    deadline = time.monotonic() + patience
    while True:
        try:
            family, kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as trial:
                # On Windows this option would let us take a port that is in use.
                if sys.platform != "win32":
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
            return
        except socket.gaierror:
            _give_up(_("There is no address %(host)s on this machine. Try --host 127.0.0.1.") % {"host": host})
        except (OSError, OverflowError) as error:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            _give_up(
                _(
                    "Port %(port)d on %(host)s cannot be opened (%(error)s). Another program may be using it: "
                    "stop that, or choose another port, for example --port %(other)d."
                )
                % {
                    "port": port,
                    "host": host,
                    "error": getattr(error, "strerror", None) or error,
                    "other": port + 1 if 1024 <= port < 65535 else 8001,
                }
            )


def _prepare_data() -> None:
    from stylestudio.host import startup

    try:
        with backups.one_at_a_time():
            if backups.unapplied_migrations():
                saved = backups.save_before_migrating()
                if saved:
                    say(_("The database was saved to %(file)s before the update.") % {"file": saved})
                if conversion.is_earlier():
                    say(_("The database is brought into the order of this version. That can take a few minutes."))
                call_command("migrate", interactive=False, verbosity=0)
            startup.prepare()
    except CommandError as error:
        _give_up(str(error))
    except backups.BackupFailed as error:
        _give_up(_("%(error)s The studio was not updated and not started.") % {"error": error})
    except OperationalError as error:
        if not settings.DATABASE_URL:
            raise  # reported by the command line
        _give_up(_("The database in DATABASE_URL cannot be used: %(error)s") % {"error": error})


def _let_go_of_the_database() -> None:
    """The children have their own connections; this process no longer needs any."""
    connections.close_all()
    if connection.settings_dict.get("OPTIONS", {}).get("pool"):
        connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL


def _children(host: str, port: int, data: Path) -> list[Child]:
    manage = str(settings.BASE_DIR / "manage.py")
    common = {
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "stylestudio.settings"),
        "STYLESTUDIO_DATA": str(data.resolve()),
        "STYLESTUDIO_WORKER_NAME": settings.WORKER_NAME or _worker_name(port),
    }
    hub = rendezvous.free_port(but=[port])
    wake = rendezvous.free_port(but=[port, hub])
    if not settings.REDIS_URL:
        common["STYLESTUDIO_HUB"] = str(rendezvous.Endpoint(hub, secrets.token_urlsafe(32)))
        common["STYLESTUDIO_WAKE"] = str(rendezvous.Endpoint(wake))
    preview = None if settings.COMFYUI_URLS else rendezvous.free_port(but=[port, hub, wake])
    if preview:
        common["STYLESTUDIO_PREVIEW_URL"] = f"http://127.0.0.1:{preview}"

    def child(name: str, *argv: str, outlives: bool = False) -> Child:
        command = [sys.executable, *argv, "--exit-with-parent"]
        return Child(name, command, common, cwd=str(settings.BASE_DIR), outlives=outlives)

    children = [
        child("web", "-m", "stylestudio.processes.web", "--host", host, "--port", str(port)),
        child("worker", manage, "worker"),
    ]
    if preview:
        # Outlives the worker, which may finish a picture while it stops.
        where = ("--port", str(preview), "--data", str(data / "preview"))
        children.append(child("engine", "-m", "stylestudio.processes.preview_server", *where, outlives=True))
    return children


def _worker_name(port: int) -> str:
    """The same at every start, so that a worker knows what it held; different for each studio on one database."""
    return f"studio-{socket.gethostname()}-{port}" if settings.DATABASE_URL else "studio"


def _greeting(host: str, address: str) -> tuple[list[str], str]:
    """What to print once the pages respond, and the address to open in a browser."""
    link = first_run_link(address)
    lines = [_("StyleStudio is running at %(address)s") % {"address": f"{address}/"}]
    if link:
        lines.append(_("Create the owner account here (the link works once): %(link)s") % {"link": link})
    if host in ANYWHERE and not settings.PUBLIC_URL:
        lines.append(_("Other machines are let in only when STYLESTUDIO_PUBLIC_URL says which address they type."))
    lines.append(_("Stop it with Ctrl-C."))
    return lines, link or f"{address}/"


def _has_desktop() -> bool:
    """Whether there is a browser to open: without a desktop, Python would start a text browser in this terminal."""
    #: [Read, but not ours] On Linux, whether there is a desktop on which to open a browser.
    return sys.platform in {"win32", "darwin"} or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
