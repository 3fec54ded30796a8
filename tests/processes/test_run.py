"""run.py: from nothing to the studio, and one clear sentence for each thing that may be missing."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "run.py"


def a_clone(folder: Path) -> Path:
    """`folder`, with run.py, nothing to install and a `manage.py` that says how it was called."""
    shutil.copy(RUN, folder / "run.py")
    (folder / "requirements.txt").write_text("# nothing\n")
    (folder / "requirements-dev.txt").write_text("# nothing\n")
    (folder / "manage.py").write_text("import sys; print(sys.prefix, *sys.argv[1:])\n")
    (folder / "pytest.py").write_text(
        "import os, sys; print('tested', sys.argv[1:], os.environ.get('STYLESTUDIO_CHROMIUM'))\n"
        "print('compiled' if not sys.dont_write_bytecode else 'not compiled', sys.pycache_prefix)\n"
    )
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A new clone."""
    return a_clone(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that has all that tests need. Its tests leave it as it is."""
    clone = a_clone(tmp_path_factory.mktemp("installed"))
    a_venv(clone)
    assert "Installing what requirements-dev.txt lists" in run(clone, "test", CI="").stdout
    return clone


def run(clone: Path, *arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run run.py as nobody has set where bytecode is kept; `code` runs first in the same process."""
    start = f"import runpy, sys\nsys.argv = ['run.py', *{list(arguments)!r}]\n{code}\n"
    start += f"runpy.run_path({str(clone / 'run.py')!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", start],
        cwd=clone,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPYCACHEPREFIX"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def a_venv(clone: Path) -> None:
    """A .venv in a moment: the packages of this one, among them pip."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", clone / ".venv"], check=True
    )
    site = next((clone / ".venv").glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))


def test_it_can_be_read_by_python_3_6() -> None:
    assert ast.parse(RUN.read_text(), feature_version=(3, 6)).body


def test_an_old_python_is_told_so_in_one_sentence(clone: Path) -> None:
    result = run(clone, code="sys.version_info = (3, 8, 1)")
    assert result.returncode == 1
    assert result.stderr == "StyleStudio needs Python 3.11 or newer, this is Python 3.8.\n"
    assert not (clone / ".venv").exists()


def test_a_python_without_venv_is_told_what_to_install(clone: Path) -> None:
    result = run(clone, code="sys.modules['ensurepip'] = None")
    assert result.returncode == 1
    assert "sudo apt install python3." in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.heavy  # a whole environment with its own pip; .ci/run begins with the same on a fresh machine
def test_a_fresh_clone_gets_an_environment_and_starts_the_studio_with_the_arguments(clone: Path) -> None:
    result = run(clone, "--port", "8001", "--no-browser")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"{clone / '.venv'} studio --port 8001 --no-browser"
    assert "Making a Python environment" in result.stdout
    again = run(clone)
    assert again.stdout == f"{clone / '.venv'} studio\n"


@pytest.mark.heavy
def test_half_an_environment_is_made_anew(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (clone / ".venv" / "rubbish").touch()
    result = run(clone)
    assert result.returncode == 0, result.stderr
    assert not (clone / ".venv" / "rubbish").exists()


@pytest.mark.heavy
def test_changed_requirements_are_installed_and_what_pip_says_is_passed_on(clone: Path) -> None:
    a_venv(clone)
    assert run(clone).returncode == 0
    (clone / "requirements.txt").write_text("this is not a requirement\n")
    result = run(clone)
    assert result.returncode == 1
    assert "requirements.txt could not be installed: ERROR: Invalid requirement" in result.stderr
    assert run(clone).returncode == 1


@pytest.mark.heavy
def test_what_more_machines_need_is_installed_only_when_a_variable_asks_for_it(clone: Path) -> None:
    a_venv(clone)
    (clone / "requirements-scale.txt").write_text("this is not a requirement\n")
    assert run(clone, DATABASE_URL="", REDIS_URL="", S3_BUCKET="").returncode == 0
    result = run(clone, REDIS_URL="redis://localhost")
    assert result.returncode == 1
    assert "requirements-scale.txt could not be installed: ERROR: Invalid requirement" in result.stderr


def test_without_a_network_one_sentence_says_so(clone: Path) -> None:
    a_venv(clone)
    (clone / "requirements.txt").write_text(f"a-package-that-is-not-here==1 --hash=sha256:{'0' * 64}\n")
    result = run(clone, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_NO_CACHE_DIR="1", PIP_RETRIES="0")
    assert result.returncode == 1
    assert result.stderr.startswith("The packages could not be downloaded")
    assert result.stderr.count("\n") == 1


@pytest.mark.heavy
def test_what_was_installed_for_tests_is_enough_for_the_studio_and_a_changed_lock_is_installed_anew(
    clone: Path,
) -> None:
    a_venv(clone)
    assert "Installing what requirements-dev.txt lists" in run(clone, "test", CI="").stdout
    assert "Installing" not in run(clone).stdout
    (clone / "requirements.txt").write_text("# nothing else\n")
    assert "Installing what requirements.txt lists" in run(clone).stdout
    # What that replaced may have been of the other lock.
    assert "Installing what requirements-dev.txt lists" in run(clone, "test", CI="").stdout
    assert "Installing" not in run(clone, "test", CI="").stdout


def a_package(folder: Path) -> str:
    """Put a source package into `folder`, which cannot be built; its line for a lock."""
    source = folder / "local-1.0"
    source.mkdir()
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: local\nVersion: 1.0\n")
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (source / "pyproject.toml").write_text(backend)
    (source / "backend.py").write_text("def build_wheel(*arguments): raise SystemExit('no compiler here')\n")
    archive = folder / "local-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "local-1.0")
    return f"local==1.0 --hash=sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}\n"


def install_offline(clone: Path, lock: str) -> str:
    """What run.py says of a `lock` that cannot be installed, with the packages in the clone and no index."""
    a_venv(clone)
    (clone / "requirements.txt").write_text(lock)
    result = run(clone, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(clone), PIP_NO_CACHE_DIR="1")
    assert result.returncode == 1
    assert not list(clone.glob(".venv/*.installed"))
    return result.stderr


@pytest.mark.heavy
def test_a_package_that_is_not_the_one_in_the_lock_is_not_installed(clone: Path) -> None:
    a_package(clone)
    said = install_offline(clone, f"local==1.0 --hash=sha256:{'0' * 64}\n")
    assert said.startswith("local==1.0 is not what requirements.txt names: its hash differs")
    assert said.count("\n") == 1


@pytest.mark.heavy
def test_a_package_without_a_hash_is_not_installed(clone: Path) -> None:
    a_package(clone)
    assert "Hashes are required" in install_offline(clone, "local==1.0\n")


@pytest.mark.heavy
def test_a_package_that_cannot_be_built_here_is_said_in_one_sentence(clone: Path) -> None:
    said = install_offline(clone, a_package(clone))
    assert "comes without a ready-made file for this machine and Python 3." in said
    assert said.count("\n") == 1


def test_dev_installs_what_tests_need_and_hands_the_arguments_to_the_watch(clone: Path) -> None:
    a_venv(clone)
    (clone / "stylestudio/processes").mkdir(parents=True)
    (clone / "stylestudio/processes/development.py").write_text("import sys; print('watches', *sys.argv[1:])\n")
    result = run(clone, "dev", "--port", "8001")
    assert "Installing what requirements-dev.txt lists" in result.stdout
    assert result.stdout.splitlines()[-1] == "watches --port 8001"


def line_of_tests(said: str) -> str:
    """The line of the tests in what run.py printed."""
    return next(line for line in said.splitlines() if line.startswith("tested "))


def test_tests_run_with_the_browser_that_was_found(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "chromium").touch()
    result = run(installed, "test", "-k", "one", STYLESTUDIO_CHROMIUM=str(tmp_path / "chromium"))
    assert line_of_tests(result.stdout) == f"tested ['-k', 'one'] {tmp_path / 'chromium'}"


def test_all_tests_run_in_three_processes(installed: Path) -> None:
    assert line_of_tests(run(installed, "test", CI="").stdout).startswith("tested ['-n3'] ")


def test_what_tests_compile_is_kept_and_not_beside_the_sources_for_somebody_who_wants_that(installed: Path) -> None:
    said = run(installed, "test", CI="", PYTHONDONTWRITEBYTECODE="1").stdout
    assert said.splitlines()[-1] == f"compiled {installed / '.venv' / 'compiled'}"
    assert run(installed, "test", CI="", PYTHONDONTWRITEBYTECODE="").stdout.splitlines()[-1] == "compiled None"


def test_a_missing_browser_is_said_and_on_ci_a_failure(installed: Path) -> None:
    result = run(installed, "test", STYLESTUDIO_CHROMIUM="/nowhere", CI="")
    assert result.returncode == 0
    assert "the browser tests will be skipped" in result.stdout
    result = run(installed, "test", STYLESTUDIO_CHROMIUM="/nowhere", CI="true")
    assert result.returncode == 1
    assert "the browser tests must run" in result.stderr
