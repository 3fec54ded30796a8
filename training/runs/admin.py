"""The read-only admin of trainings and their checkpoints."""

from __future__ import annotations

from django.contrib import admin

from stylestudio.people.read_only import ReadOnlyAdmin
from training.runs.models import Checkpoint, TrainingJob


@admin.register(TrainingJob)
class TrainingJobAdmin(ReadOnlyAdmin):
    """Trainings."""

    list_display = ["__str__", "style", "trainer", "owner", "status", "step", "steps", "queued_at", "ended_at"]
    list_filter = ["status", "trainer", "error_kind", "queued_at"]
    list_select_related = ["style", "owner"]
    search_fields = ["name", "style__name", "config_sha256"]
    date_hierarchy = "queued_at"


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    """Checkpoints of trainings."""

    list_display = ["__str__", "step", "loss", "version", "starred", "created_at", "deleted_at"]
    list_filter = ["starred", "job__trainer", ("deleted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["job", "version__style"]
    search_fields = ["job__name", "version__lora_name"]
