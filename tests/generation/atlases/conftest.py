"""Stored pictures, and sheets of them as a worker makes them."""

from __future__ import annotations

from tests.generation.derivations.conftest import _going as _going
from tests.generation.derivations.conftest import store as store
from tests.generation.selecting.conftest import shoot as shoot
