"""`run.py dev`: the studio, restarted whenever its code is saved.

Templates, styles and scripts need no restart: with STYLESTUDIO_DEBUG, which is set here, they are read for every page.
Imports nothing of the studio, so that an error in its code does not end the watch. Prints in English, as run.py does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from watchfiles import PythonFilter, watch

ROOT = Path(__file__).resolve().parents[2]
STOP_WITHIN = 6.0  # seconds; the studio's supervisor gives its own children slightly less
MILLISECONDS_BETWEEN_LOOKS = 500  # how often it checks that the studio is still running


def main(argv: Sequence[str]) -> int:
    """Run the studio with these arguments until Ctrl-C or SIGTERM, or until it exits without an error."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell makes background jobs ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    studio = _Studio(argv)
    broken: set[Path] = set()
    try:
        studio.start()
        for changes in watch(
            *_sources(), watch_filter=_code(), rust_timeout=MILLISECONDS_BETWEEN_LOOKS, yield_on_timeout=True
        ):
            if not changes:
                if studio.ended() == 0:
                    return 0
                continue
            changed = {Path(path) for _change, path in changes}
            broken = {path for path in broken | changed if not _compiles(path)}
            if broken:
                _say("The studio goes on as it was; it is started again when this is mended and saved.")
                continue
            _say(f"Changed: {', '.join(sorted(str(path.relative_to(ROOT)) for path in changed))}. Starting again.")
            studio.stop()
            studio.start("--no-browser")
    except KeyboardInterrupt:
        pass
    finally:
        studio.stop()
    return 130


class _Studio:
    """`manage.py studio` as a process, if it is running."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start it with the arguments and `more`."""
        # Its own session and pipe: Ctrl-C reaches only the watch, which then stops it once; and it ends with the watch.
        self._process = subprocess.Popen(  # noqa: S603 - our own command, with the arguments that were typed
            [sys.executable, str(ROOT / "manage.py"), "studio", "--exit-with-parent", *self._argv, *more],
            env={"STYLESTUDIO_DEBUG": "1", **os.environ},
            stdin=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            start_new_session=True,
        )

    def stop(self) -> None:
        """Stop it in order. After a second Ctrl-C, or if it takes too long, it is killed with its children."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    process.send_signal(signal.CTRL_BREAK_EVENT)
                else:
                    process.terminate()
            process.wait(STOP_WITHIN)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()
        finally:
            if process.stdin:
                process.stdin.close()

    def ended(self) -> int | None:
        """Its exit code, returned once; None while it runs and after that."""
        code = self._process.poll() if self._process else None
        if code is not None:
            self.stop()
            if code:
                _say(f"The studio ended with exit code {code}. It is started again when something is saved.")
        return code


def _sources() -> list[Path]:
    """The folders whose files are loaded once: packages and translations, but not tests, data and caches."""
    packages = (file.parent for file in ROOT.glob("*/__init__.py"))
    return [*(folder for folder in packages if folder.name != "tests"), ROOT / "locale"]


def _code() -> PythonFilter:
    """The files that are loaded once: modules, compiled translations, workflows."""
    return PythonFilter(extra_extensions=(".mo", ".json"))


def _compiles(path: Path) -> bool:
    """Whether `path` has no syntax errors or was deleted. Prints the place of an error."""
    if path.suffix != ".py" or not path.exists():
        return True
    try:
        compile(path.read_bytes(), path, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        _say(f"{path.relative_to(ROOT)}:{line}: {getattr(error, 'msg', error)}")
        return False
    return True


def _say(line: str) -> None:
    print(f"dev | {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
