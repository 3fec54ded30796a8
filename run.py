#!/usr/bin/env python3
"""Starts StyleStudio from a fresh clone, with nothing but Python.

    python3 run.py [--host 127.0.0.1] [--port 8000] [--no-browser]
    python3 run.py test [pytest arguments]    # without arguments: all tests, in three processes
    python3 run.py dev [arguments as above]    # the studio, restarted whenever its code is saved

Creates .venv beside this file, installs the packages in requirements.txt whenever it has changed (or those in
requirements-scale.txt, if DATABASE_URL, REDIS_URL or S3_BUCKET is set), and hands over to `manage.py studio`. Old
Pythons must be able to parse this whole file, so that it can report that they are too old.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
OLDEST = (3, 11)
RUNTIME = "requirements.txt"
ALL_TESTS = ["-n3"]  # on two cores too: a third of the time a test waits for another process
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Trouble(Exception):
    """An error message for the person at the keyboard."""


def main(argv: "list[str]") -> int:
    """Return the exit code; on POSIX the studio replaces this process."""
    if sys.version_info[:2] < OLDEST:
        raise Trouble(f"StyleStudio needs Python {OLDEST[0]}.{OLDEST[1]} or newer, this is Python {VERSION}.")
    if argv[:1] == ["test"]:
        install("requirements-dev.txt")
        os.chdir(ROOT)
        return become([str(PYTHON), "-m", "pytest", *(argv[1:] or ALL_TESTS)], environment_for_tests())
    if argv[:1] == ["dev"]:
        install("requirements-dev.txt")
        os.chdir(ROOT)
        return become([str(PYTHON), "-m", "stylestudio.processes.development", *argv[1:]], dict(os.environ))
    if any(os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL", "S3_BUCKET")):
        install("requirements-scale.txt")
    else:
        install(RUNTIME)
    return become([str(PYTHON), str(ROOT / "manage.py"), "studio", *argv], dict(os.environ))


def install(name: str) -> None:
    """Bring .venv to the state of the lock `name`. Every lock includes the runtime's packages."""
    if PYTHON.exists() and up_to_date(name):
        return
    if not venv_works():
        make_venv()
    # This may remove or replace packages of another lock, and an interruption leaves something in between.
    for old in VENV.glob("*.installed"):
        old.unlink()
    say(f"Installing what {name} lists into .venv; this takes about a minute the first time.")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries=2"]
    command = [*pip, "--require-hashes", "-r", str(ROOT / name)]
    result = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    if result.returncode:
        raise Trouble(what_pip_means(result.stderr.decode(errors="replace"), name))
    for installed in (name, RUNTIME):
        stamp(installed).write_text(fingerprint(installed))


def up_to_date(name: str) -> bool:
    """Whether the lock `name` was installed in its current version, by this version of Python."""
    return stamp(name).exists() and stamp(name).read_text() == fingerprint(name)


def stamp(name: str) -> Path:
    """The file in .venv that records that the lock `name` was installed."""
    return VENV / f"{name}.installed"


def fingerprint(name: str) -> str:
    """A digest of the lock `name` and the version of Python."""
    return hashlib.sha256(VERSION.encode() + (ROOT / name).read_bytes()).hexdigest()


def venv_works() -> bool:
    """Whether .venv is complete and of this version of Python: an interrupted start may have left half of one."""
    probe = "import sys, pip._internal.cli.main; print('%d.%d' % sys.version_info[:2], sys.prefix)"
    try:
        result = subprocess.run(
            [str(PYTHON), "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return False
    # Without its pyvenv.cfg it would be the system's Python, into which nothing may be installed.
    version, _, prefix = result.stdout.decode(errors="replace").strip().partition(" ")
    return result.returncode == 0 and version == VERSION and Path(prefix).samefile(VENV)


def make_venv() -> None:
    """Create .venv, replacing an existing one."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Trouble(
            "This Python comes without its venv module. On Debian and Ubuntu install it with "
            f"'sudo apt install python{VERSION}-venv', then run this again."
        ) from None
    say("Making a Python environment in .venv; this takes a few seconds.")
    result = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], stderr=subprocess.PIPE, check=False)
    if result.returncode:
        raise Trouble(f"The environment .venv could not be made: {last_line(result.stderr.decode(errors='replace'))}")


def what_pip_means(errors: str, name: str) -> str:
    """Summarise what pip wrote to stderr in one sentence."""
    signs = (
        "NewConnectionError",
        "ConnectTimeout",
        "Name or service",
        "name resolution",
        "ProxyError",
        "Read timed out",
    )
    if any(sign in errors for sign in (*signs, "getaddrinfo", "Network is unreachable", "Max retries exceeded")):
        return (
            "The packages could not be downloaded: the network or its proxy does not let this machine through. "
            "Check the connection and run this again; what was done is kept."
        )
    if "DO NOT MATCH THE HASHES" in errors:
        replaced = first(r"^ +(\S+) .*from .*:$", errors) or "A package"
        return (
            f"{replaced} is not what {name} names: its hash differs, so nothing was installed. A mirror or proxy "
            "of the package index may have replaced it; find out which before you run this again."
        )
    if "subprocess-exited-with-error" in errors:
        unbuilt = first(r"(?:Failed building wheel for |Failed to build ')([\w.-]+)", errors) or "A package"
        return (
            f"{unbuilt} comes without a ready-made file for this machine and Python {VERSION}, and could not be built "
            "here. Try another version of Python, or install what pip misses: "
            f"{PYTHON} -m pip install --require-hashes -r {name} shows it."
        )
    return f"The packages in {name} could not be installed: {last_line(errors)}"


def first(pattern: str, text: str) -> "str | None":
    """The first group of the first match of `pattern` in `text`; None without a match."""
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else None


def last_line(text: str) -> str:
    """The last line of a text, preferring errors."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no reason was given."])[-1]


def find_chromium() -> "str | None":
    """A browser that the browser tests can drive; None if there is none."""
    #: [Read, but not ours] For `run.py test`: the browser to test with, if it is not found by itself.
    chosen = os.environ.get("STYLESTUDIO_CHROMIUM")
    if chosen:
        return chosen if Path(chosen).exists() else None
    for name in (
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
        "msedge",
    ):
        found = shutil.which(name)
        if found:
            return found
    places = [Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in ("Chromium", "Google Chrome")]
    #: [Read, but not ours] For `run.py test` on Windows: where browsers are installed.
    for folder in (os.environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")):
        if folder:
            places.append(Path(folder, "Google/Chrome/Application/chrome.exe"))
            places.append(Path(folder, "Microsoft/Edge/Application/msedge.exe"))
    return next((str(place) for place in places if place.exists()), None)


def environment_for_tests() -> "dict[str, str]":
    """Tell the tests which browser to use. If there is none, say so, or on CI refuse to go on."""
    environment = dict(os.environ)
    # Two processes read all tests, which start the program again and again: what is compiled is kept, in .venv for who
    # wants none beside the sources.
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment.setdefault("PYTHONPYCACHEPREFIX", str(VENV / "compiled"))
    chromium = find_chromium()
    if chromium:
        return dict(environment, STYLESTUDIO_CHROMIUM=chromium)
    #: [Read, but not ours] With `true`, `run.py test` fails if it finds no browser, instead of skipping the browser
    #: tests.
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        raise Trouble("No Chromium was found, and with CI=true the browser tests must run. Install chromium.")
    say("No Chromium was found: the browser tests will be skipped. Install chromium to run them.")
    return environment


def become(command: "list[str]", env: "dict[str, str]") -> int:
    """Replace this process by `command`. On Windows, which cannot, run it and return its exit code."""
    sys.stdout.flush()
    if not WINDOWS:
        os.execve(command[0], command, env)
    # The console sends Ctrl-C to the command too; it must not end our wait for it.
    for number in (signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGINT)):
        signal.signal(number, lambda *_: None)
    return subprocess.Popen(command, env=env).wait()


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(str(trouble))
    except KeyboardInterrupt:
        sys.exit(130)
