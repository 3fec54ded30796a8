"""The admin of style versions. It is here, above the styles, because it queries what engines have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation.engines import roster
from generation.previews import asking
from styles.models import StyleVersion
from stylestudio.comfy.file_names import canonical, distinct

if TYPE_CHECKING:
    VersionModelAdmin = admin.ModelAdmin[StyleVersion]
else:
    VersionModelAdmin = admin.ModelAdmin


class MissingFilter(admin.SimpleListFilter):
    """Versions whose file is missing on an engine that answers."""

    title = _("on the engines")
    parameter_name = "engines"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The choices."""
        return [("missing", _("Missing on some")), ("all", _("On all"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StyleVersion]) -> QuerySet[StyleVersion]:
        """Filter by the files engines listed at their last probe."""
        if self.value() not in ("missing", "all"):
            return queryset
        found = queryset.exclude(lora_name="")
        # Compared here, because an engine may list more files than a database query has room for.
        names = set(found.values_list("lora_name", flat=True))
        listed = [set(distinct(engine.loras)) for engine in roster.serving()]
        missing = {name for name in names if not all(canonical(name) in there for there in listed)}
        wanted = missing if self.value() == "missing" else names - missing
        return found.filter(lora_name__in=wanted)


@admin.register(StyleVersion)
class StyleVersionAdmin(VersionModelAdmin):
    """All versions of all styles: searched, corrected, published and archived, several at once."""

    list_display = [
        "thumbnail", "title", "state", "kind", "family", "rank", "default_strength", "source", "effect", "created_at",
    ]  # fmt: skip
    list_display_links = ["thumbnail", "title"]
    list_filter = ["state", "style__kind", "family", "source", "effect", MissingFilter]
    list_select_related = ["style"]
    search_fields = ["style__name", "style__slug", "trigger_words", "lora_name", "author", "licence", "sha256"]
    ordering = ["-pk"]
    readonly_fields = [
        "style", "number", "state", "source", "family", "layout", "algorithm", "rank", "alpha", "trained_on", "session",
        "epoch", "size", "sha256", "tensor_sha256", "effect", "created_at",
    ]  # fmt: skip
    fields = [
        "lora_name", "trigger_words", "default_strength", "safe_from", "safe_to", "checkpoint", "lightning", "author",
        "licence", "notes", *readonly_fields,
    ]  # fmt: skip
    actions = ["publish", "archive", "make_previews"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StyleVersion]:
        """Leave out versions of styles in the trash."""
        return super().get_queryset(request).filter(style__deleted_at=None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Versions come from files and from the style's page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: StyleVersion | None = None) -> bool:
        """The style's page deletes versions that nobody has used."""
        return False

    @admin.display(description=_("preview"))
    def thumbnail(self, version: StyleVersion) -> SafeString | str:
        """The version's sheet, else the style's cover."""
        picture = version.sheet or version.style.cover
        return format_html('<img src="{}" alt="" height="48">', picture.url) if picture else "–"

    @admin.display(description=_("version"), ordering="style__name")
    def title(self, version: StyleVersion) -> str:
        """Style and number."""
        return str(version)

    @admin.display(description=_("type"), ordering="style__kind")
    def kind(self, version: StyleVersion) -> str:
        """What the style is for."""
        return version.style.get_kind_display()

    @admin.action(description=_("Publish the chosen versions"))
    def publish(self, request: HttpRequest, queryset: QuerySet[StyleVersion]) -> None:
        """Publish the chosen versions; of several of one style, the newest."""
        newest = {version.style_id: version for version in queryset.order_by("number")}
        for version in newest.values():
            version.publish()
            self.log_change(request, version, "Published.")
        said = ngettext("%(number)d version is published.", "%(number)d versions are published.", len(newest))
        self.message_user(request, said % {"number": len(newest)}, messages.SUCCESS)

    @admin.action(description=_("Archive the chosen versions"))
    def archive(self, request: HttpRequest, queryset: QuerySet[StyleVersion]) -> None:
        """Archive the chosen versions. The base style's stays."""
        archived = 0
        for version in queryset:
            try:
                version.archive()
            except ValidationError as error:
                self.message_user(request, error.messages[0], messages.WARNING)
            else:
                self.log_change(request, version, "Archived.")
                archived += 1
        said = ngettext("%(number)d version is archived.", "%(number)d versions are archived.", archived)
        self.message_user(request, said % {"number": archived}, messages.SUCCESS)

    @admin.action(description=_("Make previews of the chosen versions"))
    def make_previews(self, request: HttpRequest, queryset: QuerySet[StyleVersion]) -> None:
        """Order previews in the name of the person who presses."""
        assert isinstance(request.user, User)  # the admin admits nobody else
        try:
            for version in queryset.select_related("style"):
                asking.order_sheet(version, request.user)
        except ValidationError as error:
            self.message_user(request, error.messages[0], messages.WARNING)
            return
        asked = queryset.count()
        said = ngettext("Previews of %(number)d version are made.", "Previews of %(number)d versions are made.", asked)
        self.message_user(request, said % {"number": asked}, messages.SUCCESS)
