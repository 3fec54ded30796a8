"""What a storm can be asked for."""

from __future__ import annotations

import pytest

NAMES = ("jobs", "seed", "seconds", "real-ports", "real-start", "real-kill")


def pytest_addoption(parser: pytest.Parser) -> None:
    """As `python -m tests.chaos.storm --help` lists them. Known where tests/chaos is named on the command line."""
    for name in NAMES:
        parser.addoption(f"--{name}", default="", help=f"--{name} of tests/chaos/storm.py")


@pytest.fixture
def told(pytestconfig: pytest.Config) -> list[str]:
    """The options that were given."""
    given = {name: pytestconfig.getoption(name.replace("-", "_"), "") for name in NAMES}
    return [f"--{name}={value}" for name, value in given.items() if value]
