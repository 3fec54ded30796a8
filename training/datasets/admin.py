"""The admin of datasets: search, edit, restore from the trash. Frozen versions are read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from stylestudio.people.read_only import ReadOnlyAdmin
from training.datasets.models import Dataset, DatasetImage, DatasetJob, DatasetQuerySet, DatasetSnapshot

if TYPE_CHECKING:
    DatasetModelAdmin = admin.ModelAdmin[Dataset]
    ImageModelAdmin = admin.ModelAdmin[DatasetImage]
else:
    DatasetModelAdmin = ImageModelAdmin = admin.ModelAdmin


@admin.register(Dataset)
class DatasetAdmin(DatasetModelAdmin):
    """All datasets, including those in the trash."""

    list_display = ["name", "pictures", "trigger_words", "style", "owner", "updated_at", "in_trash"]
    list_filter = ["resolution", ("deleted_at", admin.EmptyFieldListFilter), "updated_at"]
    list_select_related = ["style", "owner"]
    search_fields = ["name", "slug", "description", "trigger_words"]
    autocomplete_fields = ["style"]
    readonly_fields = ["slug", "owner", "created_at", "updated_at"]
    fields = [
        "name", "slug", "description", "trigger_words", "template", "style", "licence", "resolution", "repeats",
        "owner", "created_at", "updated_at",
    ]  # fmt: skip
    actions = ["delete_selected", "restore_selected"]

    def get_queryset(self, request: HttpRequest) -> DatasetQuerySet:
        """Include deleted datasets, so that they can be restored."""
        return Dataset.everything.annotate(_pictures=Count("images")).order_by("-updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Datasets are created on their own page, where pictures are dropped."""
        return False

    @admin.action(description=_("Delete selected datasets"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: DatasetQuerySet) -> None:
        """Move datasets to the trash."""
        count, _by_model = queryset.filter(deleted_at=None).delete()
        self.message_user(request, ngettext("%d dataset is deleted.", "%d datasets are deleted.", count) % count)

    @admin.action(description=_("Restore selected datasets"), permissions=["change"])
    def restore_selected(self, request: HttpRequest, queryset: DatasetQuerySet) -> None:
        """Take datasets out of the trash."""
        count = queryset.exclude(deleted_at=None).update(deleted_at=None)
        self.message_user(request, ngettext("%d dataset is back.", "%d datasets are back.", count) % count)

    @admin.display(description=_("pictures"), ordering="_pictures")
    def pictures(self, dataset: Dataset) -> int:
        """How many pictures it has ever had, including removed ones."""
        count: int = dataset._pictures  # type: ignore[attr-defined]  # noqa: SLF001 - the annotation above
        return count

    @admin.display(description=_("in the trash"), boolean=True)
    def in_trash(self, dataset: Dataset) -> bool:
        """Whether the dataset is in the trash."""
        return dataset.deleted_at is not None


@admin.register(DatasetImage)
class DatasetImageAdmin(ImageModelAdmin):
    """Pictures of all datasets, including removed ones. Captions are only edited on the dataset's page."""

    list_display = ["preview", "source_name", "dataset", "caption", "size_text", "included", "rating", "removed"]
    list_display_links = ["preview", "source_name"]
    list_filter = ["included", "has_alpha", "format", ("deleted_at", admin.EmptyFieldListFilter), "dataset"]
    list_select_related = ["dataset"]
    search_fields = ["source_name", "caption", "sha256", "dataset__name"]
    fields = ["included", "rating", "caption", "source_name", "dataset", "size_text", "format", "sha256", "added_by"]
    readonly_fields = ["caption", "source_name", "dataset", "size_text", "format", "sha256", "added_by"]
    actions = ["include", "leave_out", "bring_back"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DatasetImage]:
        """Include removed pictures, without what the health check measured."""
        return DatasetImage.everything.defer("measures", "descriptor").order_by("dataset", "position")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Pictures are added on the dataset's page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DatasetImage | None = None) -> bool:
        """Pictures are removed on the dataset's page, and deleted for good by the sweep."""
        return False

    @admin.action(description=_("Include in training"), permissions=["change"])
    def include(self, request: HttpRequest, queryset: QuerySet[DatasetImage]) -> None:
        """Include pictures in training again."""
        self._say(request, queryset.update(included=True))

    @admin.action(description=_("Leave out of training"), permissions=["change"])
    def leave_out(self, request: HttpRequest, queryset: QuerySet[DatasetImage]) -> None:
        """Leave pictures out of training; they stay in the dataset."""
        self._say(request, queryset.update(included=False))

    @admin.action(description=_("Bring back removed pictures"), permissions=["change"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[DatasetImage]) -> None:
        """Bring back removed pictures, unless the same file has been added again."""
        self._say(request, sum(image.restore() for image in queryset.exclude(deleted_at=None)))

    def _say(self, request: HttpRequest, count: int) -> None:
        self.message_user(request, ngettext("%d picture is changed.", "%d pictures are changed.", count) % count)

    @admin.display(description=_("preview"))
    def preview(self, image: DatasetImage) -> SafeString:
        """The thumbnail."""
        return format_html('<img src="{}" height="48" alt="">', image.thumbnail_url)

    @admin.display(description=_("size"))
    def size_text(self, image: DatasetImage) -> str:
        """Width and height in pixels."""
        return f"{image.width} × {image.height}"

    @admin.display(description=_("removed"), boolean=True)
    def removed(self, image: DatasetImage) -> bool:
        """Whether it was removed from its dataset."""
        return image.deleted_at is not None


@admin.register(DatasetSnapshot)
class DatasetSnapshotAdmin(ReadOnlyAdmin):
    """Frozen versions of datasets."""

    list_display = ["__str__", "note", "picture_count", "owner", "created_at"]
    list_select_related = ["dataset", "owner"]
    search_fields = ["dataset__name", "note", "sha256"]
    exclude = ["manifest", "images"]


@admin.register(DatasetJob)
class DatasetJobAdmin(ReadOnlyAdmin):
    """Imports, health checks and captions."""

    list_display = ["__str__", "dataset", "owner", "status", "done", "total", "queued_at", "ended_at"]
    list_filter = ["work", "status", "error_kind"]
    list_select_related = ["dataset", "owner"]
    search_fields = ["dataset__name", "source_name"]
