"""Engines to edit; jobs, prompts and pictures to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.models import Engine, EnginePrompt, GeneratedImage, GenerationTask, TaskStyle
from stylestudio import live
from stylestudio.comfy.address import split_credentials

if TYPE_CHECKING:
    EngineModelForm = forms.ModelForm[Engine]
    EngineModelAdmin = admin.ModelAdmin[Engine]
    ReadOnlyBase = admin.ModelAdmin[Any]
    MixInline = admin.TabularInline[TaskStyle, GenerationTask]
else:
    EngineModelForm, EngineModelAdmin = forms.ModelForm, admin.ModelAdmin
    ReadOnlyBase, MixInline = admin.ModelAdmin, admin.TabularInline


class EngineForm(EngineModelForm):
    """The credentials go in and never come out: an empty field keeps what is stored."""

    credentials = forms.CharField(
        label=_("user:password"), required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("For a server behind basic authentication. Never shown. Leave empty to keep what is stored."),
    )  # fmt: skip
    forget = forms.BooleanField(label=_("forget the stored user and password"), required=False)

    class Meta:
        model = Engine
        fields = ["name", "address", "credentials", "paused"]

    def clean_address(self) -> str:
        """An address of a server alone. User and password in it are taken as the credentials."""
        given: str = self.cleaned_data["address"].strip()
        try:
            parts = urlsplit(given)
            well = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            address, self.found_credentials = split_credentials(given) if well else ("", "")
        except ValueError:
            well = False
        if not well:
            raise ValidationError(gettext("Use an address such as http://192.168.1.20:8188."))
        return address

    def clean(self) -> dict[str, Any]:
        """Keep, replace or forget the credentials."""
        cleaned = super().clean() or self.cleaned_data
        kept = "" if cleaned.get("forget") else self.instance.credentials
        cleaned["credentials"] = cleaned.get("credentials") or getattr(self, "found_credentials", "") or kept
        return cleaned


@admin.register(Engine)
class EngineAdmin(EngineModelAdmin):
    """Addresses from the environment stay as they are there; engines added here can be changed and deleted."""

    form = EngineForm
    list_display = ["__str__", "address", "source", "health", "paused", "device", "engine_version", "checked_at"]
    list_filter = ["source", "health", "paused", "active"]
    search_fields = ["name", "address", "device"]
    readonly_fields = [
        "source", "health", "health_since", "trouble", "checked_at", "latency_ms", "engine_version", "device",
        "checkpoints", "loras",
    ]  # fmt: skip
    fields = ["name", "address", "credentials", "forget", "paused", *readonly_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Engine | None = None) -> list[str]:
        """The address of an engine that was not added here is not edited here."""
        fixed = ["address"] if obj and obj.source != Engine.Source.ADMIN else []
        return [*fixed, *self.readonly_fields]

    def has_delete_permission(self, request: HttpRequest, obj: Engine | None = None) -> bool:
        """The environment's engines come back at the next start; pause them instead."""
        if obj and obj.source != Engine.Source.ADMIN:
            return False
        return super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Engine]) -> None:
        """Only engines that were added here."""
        super().delete_queryset(request, queryset.filter(source=Engine.Source.ADMIN))
        transaction.on_commit(live.publish_engines)

    def save_model(self, request: HttpRequest, obj: Engine, form: Any, change: bool) -> None:
        """Show the change on open pages."""
        super().save_model(request, obj, form, change)
        transaction.on_commit(live.publish_engines)


class ReadOnlyAdmin(ReadOnlyBase):
    """What happened can be looked at, not rewritten."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Made by jobs only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """History is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Pictures are deleted on their own page, where it can be undone."""
        return False


def _small(picture: GeneratedImage | None) -> SafeString | str:
    return format_html('<img src="{}" height="48" alt="">', picture.thumbnail_url) if picture else "–"


class TaskStyleInline(MixInline):
    """The mix of a task."""

    model = TaskStyle
    extra = 0
    can_delete = False
    readonly_fields = ["version", "weight", "triggers", "position"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Frozen with the task."""
        return False


@admin.register(GenerationTask)
class GenerationTaskAdmin(ReadOnlyAdmin):
    """Jobs."""

    list_display = ["preview", "__str__", "owner", "status", "count", "queued_at", "ended_at"]
    list_display_links = ["preview", "__str__"]
    list_filter = ["status", "mode", "error_kind", "queued_at"]
    list_select_related = ["owner"]
    search_fields = ["prompt", "final_prompt", "owner__username"]
    date_hierarchy = "queued_at"
    inlines = [TaskStyleInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationTask]:
        """With pictures, for the previews."""
        return super().get_queryset(request).prefetch_related("pictures")

    @admin.display(description=_("preview"))
    def preview(self, task: GenerationTask) -> SafeString | str:
        """The first picture."""
        return _small(next(iter(task.pictures.all()), None))


@admin.register(EnginePrompt)
class EnginePromptAdmin(ReadOnlyAdmin):
    """Attempts: what was sent to which engine, and what became of it."""

    list_display = ["prompt_id", "task", "index", "attempt", "engine", "state", "posted_at", "ended_at"]
    list_filter = ["state", "engine"]
    list_select_related = ["task", "engine"]
    search_fields = ["prompt_id", "task__prompt", "error"]


@admin.register(GeneratedImage)
class GeneratedImageAdmin(ReadOnlyAdmin):
    """Stored pictures, those in the trash included."""

    list_display = ["preview", "__str__", "owner", "size_text", "seed", "engine", "created_at", "in_trash"]
    list_display_links = ["preview", "__str__"]
    list_filter = ["engine", "has_alpha", ("deleted_at", admin.EmptyFieldListFilter), "created_at"]
    search_fields = ["task__prompt", "task__final_prompt", "task__owner__username", "sha256", "seed"]
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GeneratedImage]:
        """Deleted ones too."""
        return GeneratedImage.everything.select_related("task__owner", "engine").newest_first()

    @admin.display(description=_("preview"))
    def preview(self, picture: GeneratedImage) -> SafeString | str:
        """The small picture."""
        return _small(picture)

    @admin.display(description=_("by"), ordering="task__owner")
    def owner(self, picture: GeneratedImage) -> str:
        """Who asked for it."""
        return picture.task.owner.get_username()

    @admin.display(description=_("size"))
    def size_text(self, picture: GeneratedImage) -> str:
        """Width and height in pixels."""
        return f"{picture.width} × {picture.height}"

    @admin.display(description=_("in the trash"), boolean=True)
    def in_trash(self, picture: GeneratedImage) -> bool:
        """Whether it is deleted."""
        return picture.deleted_at is not None
