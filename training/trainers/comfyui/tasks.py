"""Queue messages for what trainings leave on engines."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

cancel_leftovers = Named("training.trainers.comfyui.leftovers:cancel_leftovers")


@db_task()  # type: ignore[untyped-decorator]
def cancel_leftovers_soon() -> None:
    """Cancel in a worker what is left of ended trainings."""
    cancel_leftovers()
