"""Queue messages about recipes."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

put = Named("generation.recipes.accelerators:put")


@db_task()  # type: ignore[untyped-decorator]
def put_accelerator(pk: int, recipe: str) -> None:
    """Put an imported file on the engines as the accelerator of a recipe."""
    put(pk, recipe)
