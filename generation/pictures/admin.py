"""The read-only admin of jobs, prompts and pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from generation.pictures import faults
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle
from stylestudio.people.long_lists import LongListAdmin, MonthFilter

if TYPE_CHECKING:
    MixInline = admin.TabularInline[TaskStyle, GenerationTask]
else:
    MixInline = admin.TabularInline


def _document(value: object) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


def _small(picture: GeneratedImage | None) -> SafeString | str:
    address = picture.thumbnail_url if picture else ""
    return format_html('<img src="{}" height="48" alt="">', address) if address else "–"


class TaskStyleInline(MixInline):
    """The style mix of a task."""

    model = TaskStyle
    extra = 0
    can_delete = False
    readonly_fields = ["version", "weight", "triggers", "position"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The mix is frozen with the task."""
        return False


class OrderedIn(MonthFilter):
    """Jobs by the month of their order."""

    column = "queued_at"


class StoredIn(MonthFilter):
    """Pictures by the month in which they were stored."""

    column = "created_at"


class FailedBy(admin.SimpleListFilter):
    """Jobs that failed, by why; the reasons are known without looking through all jobs."""

    title = _("reason")
    parameter_name = "error_kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every reason that there is."""
        return [(kind, kind) for kind in sorted(faults.FAULTS)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[GenerationTask]) -> QuerySet[GenerationTask]:
        """Those with the chosen one."""
        return queryset.filter(error_kind=self.value()) if self.value() else queryset


@admin.register(GenerationTask)
class GenerationTaskAdmin(LongListAdmin):
    """Jobs."""

    list_display = ["preview", "__str__", "owner", "status", "count", "queued_at", "ended_at"]
    list_display_links = ["preview", "__str__"]
    list_filter = ["status", "mode", "is_face", FailedBy, OrderedIn]
    list_select_related = ["owner"]
    search_fields = ["prompt", "final_prompt", "owner__username"]
    inlines = [TaskStyleInline]
    exclude = ["pattern", "own_values"]
    readonly_fields = ["snapshot_text"]

    @admin.display(description=_("snapshot"))
    def snapshot_text(self, task: GenerationTask) -> SafeString:
        """Everything that was asked for."""
        return _document(task.snapshot)

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationTask]:
        """All of them, with pictures for the first column."""
        pictures = Prefetch("pictures", GeneratedImage.with_previews.all())
        return GenerationTask.everything.prefetch_related(pictures)

    @admin.display(description=_("preview"))
    def preview(self, task: GenerationTask) -> SafeString | str:
        """The first picture."""
        return _small(next(iter(task.pictures.all()), None))


@admin.register(EnginePrompt)
class EnginePromptAdmin(LongListAdmin):
    """Attempts: what was sent to which engine, and what became of it."""

    list_display = ["prompt_id", "task", "index", "attempt", "engine", "state", "posted_at", "ended_at"]
    list_filter = ["state", "engine"]
    list_select_related = ["task", "engine"]
    search_fields = ["prompt_id", "task__prompt", "error"]
    exclude = ["pattern", "own_values"]
    readonly_fields = ["graph_text"]

    @admin.display(description=_("graph"))
    def graph_text(self, prompt: EnginePrompt) -> SafeString:
        """What the engine got."""
        return _document(prompt.graph)


@admin.register(GeneratedImage)
class GeneratedImageAdmin(LongListAdmin):
    """Stored pictures, including those in the trash."""

    list_display = ["preview", "__str__", "owner", "size_text", "seed", "engine", "created_at", "in_trash", "emptied"]
    list_display_links = ["preview", "__str__"]
    list_filter = [
        "engine", "has_alpha", ("deleted_at", admin.EmptyFieldListFilter), ("emptied_at", admin.EmptyFieldListFilter),
        StoredIn,
    ]  # fmt: skip
    search_fields = ["task__prompt", "task__final_prompt", "task__owner__username", "sha256", "seed"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[GeneratedImage]:
        """Include the trash."""
        return GeneratedImage.everything.select_related("task__owner", "engine")

    @admin.display(description=_("preview"))
    def preview(self, picture: GeneratedImage) -> SafeString | str:
        """The thumbnail."""
        return _small(picture)

    @admin.display(description=_("by"), ordering="task__owner")
    def owner(self, picture: GeneratedImage) -> str:
        """Who ordered it."""
        return picture.task.owner.get_username()

    @admin.display(description=_("size"))
    def size_text(self, picture: GeneratedImage) -> str:
        """Width and height in pixels."""
        return f"{picture.width} × {picture.height}"

    @admin.display(description=_("in the trash"), boolean=True)
    def in_trash(self, picture: GeneratedImage) -> bool:
        """Whether it is in the trash."""
        return picture.deleted_at is not None and picture.emptied_at is None

    @admin.display(description=_("deleted for good"), ordering="emptied_at")
    def emptied(self, picture: GeneratedImage) -> str:
        """The day on which it was, or a dash."""
        return date_format(picture.emptied_at, "DATE_FORMAT") if picture.emptied_at else "–"
