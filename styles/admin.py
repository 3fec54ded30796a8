"""The admin of styles: search, edit, restore from the trash. The base style cannot be deleted or renamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminFileWidget
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from styles.forms import clean_cover
from styles.models import Preset, Style, StyleQuerySet, StyleVersion
from styles.queries import face
from styles.refusals import BaseStyleIsProtected

if TYPE_CHECKING:
    StyleModelForm = forms.ModelForm[Style]
    StyleModelAdmin = admin.ModelAdmin[Style]
    VersionInline = admin.StackedInline[StyleVersion, Style]
    StylePresetInline = admin.TabularInline[Preset, Style]
else:
    StyleModelForm, StyleModelAdmin, VersionInline = forms.ModelForm, admin.ModelAdmin, admin.StackedInline
    StylePresetInline = admin.TabularInline


class StyleAdminForm(StyleModelForm):
    """Covers are decoded and re-encoded, as on the style's own page."""

    cover = forms.FileField(required=False, widget=AdminFileWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["family"].required = False  # as there

    def clean_cover(self) -> Any:
        """Decode, shrink and re-encode the cover."""
        return clean_cover(self.cleaned_data["cover"])


class StyleVersionInline(VersionInline):
    """Versions are edited here, never added or deleted: pictures refer to them."""

    model = StyleVersion
    extra = 0
    can_delete = False
    fields = [
        "number", "state", "lora_name", "trigger_words", "default_strength", "safe_from", "safe_to", "checkpoint",
        "lightning",
    ]  # fmt: skip
    readonly_fields = ["number", "state"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Every style is created with version 1."""
        return False


class PresetInline(StylePresetInline):
    """Presets of a style, in the order in which the Studio shows them."""

    model = Preset
    extra = 0
    fields = ["position", "name", "prefix", "suffix", "negative", "width", "height", "steps"]


@admin.register(Style)
class StyleAdmin(StyleModelAdmin):
    """All styles, including those in the trash."""

    form = StyleAdminForm
    inlines = [StyleVersionInline, PresetInline]
    list_display = ["thumbnail", "title", "kind", "published", "is_base", "preview_only", "updated_at", "in_trash"]
    list_display_links = ["thumbnail", "title"]
    list_filter = ["kind", "family", "is_base", "preview_only", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "slug", "description", "versions__trigger_words", "versions__lora_name"]
    readonly_fields = ["is_base", "preview_only", "owner", "created_at", "updated_at"]
    fields = ["name", "slug", "kind", "cut_out", "family", "description", "cover", *readonly_fields]
    actions = ["delete_selected", "restore_selected"]

    def get_queryset(self, request: HttpRequest) -> StyleQuerySet:
        """Include deleted styles, so that they can be restored."""
        return Style.everything.prefetch_related("versions").in_picker_order()

    def get_readonly_fields(self, request: HttpRequest, obj: Style | None = None) -> list[str]:
        """The base style's name, slug and type are fixed, and that it asks for no transparent ground."""
        fixed = ["name", "slug", "kind", "cut_out"] if obj and obj.is_base else []
        return [*fixed, *self.readonly_fields]

    def has_delete_permission(self, request: HttpRequest, obj: Style | None = None) -> bool:
        """The base style cannot be deleted, nor a style twice."""
        if obj and (obj.is_base or obj.deleted_at):
            return False
        return super().has_delete_permission(request, obj)

    def get_deleted_objects(
        self, objs: Sequence[Style] | QuerySet[Style], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Deleting is soft, so versions and pictures stay and nothing prevents it."""
        return [str(style) for style in objs], {str(Style._meta.verbose_name_plural): len(objs)}, set(), []

    def save_model(self, request: HttpRequest, obj: Style, form: Any, change: bool) -> None:
        """Make whoever creates a style its owner."""
        if not change:
            obj.owner_id = request.user.pk
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Make whoever creates a preset its owner."""
        for row in formset.extra_forms if formset.model is Preset else ():
            row.instance.owner_id = request.user.pk
        super().save_formset(request, form, formset, change)

    @admin.action(description=_("Delete selected styles"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: StyleQuerySet) -> None:
        """Move styles to the trash; if the base style is among them, none is moved."""
        try:
            count, _by_model = queryset.filter(deleted_at=None).delete()
        except BaseStyleIsProtected as error:
            self.message_user(request, error.messages[0], messages.ERROR)
            return
        self.message_user(request, ngettext("%d style is deleted.", "%d styles are deleted.", count) % count)

    @admin.action(description=_("Restore selected styles"), permissions=["change"])
    def restore_selected(self, request: HttpRequest, queryset: StyleQuerySet) -> None:
        """Take styles out of the trash."""
        count = queryset.exclude(deleted_at=None).update(deleted_at=None)
        self.message_user(request, ngettext("%d style is back.", "%d styles are back.", count) % count)

    @admin.display(description=_("preview"))
    def thumbnail(self, style: Style) -> SafeString | str:
        """The cover, else the sheet of the version to show."""
        version = face(style)
        picture = style.cover or (version.sheet if version else None)
        return format_html('<img src="{}" height="40" alt="">', picture.url) if picture else "–"

    @admin.display(description=_("name"), ordering="name")
    def title(self, style: Style) -> str:
        """The style's name; the base style's in the reader's language."""
        return style.title

    @admin.display(description=_("published"))
    def published(self, style: Style) -> str:
        """Number and default strength of the published version."""
        version = style.version
        return f"v{version.number}, {version.default_strength:.2f}" if version else "–"

    @admin.display(description=_("in the trash"), boolean=True)
    def in_trash(self, style: Style) -> bool:
        """Whether the style is in the trash."""
        return style.deleted_at is not None
