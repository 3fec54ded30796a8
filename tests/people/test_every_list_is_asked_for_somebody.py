"""Whoever asks the database on behalf of a person says so: `visible_to(person)`, once for each model.

Read from the source: wherever a function knows a person, or belongs to a module of pages, and asks a manager of a model
that knows `visible_to`, that question goes through it. What is asked for all of them says why below.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("stylestudio", "styles", "generation", "training")
MANAGERS = {"objects", "everything", "with_previews", "_default_manager", "_base_manager"}
ASKED = {"visible", "changeable"}  # of people.access: they go through it themselves
WRITTEN = {"create", "bulk_create", "get_or_create", "update_or_create", "update", "bulk_update", "delete"}
PERSONS = {"request", "user", "person"}
