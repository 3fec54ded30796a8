"""The admin of probe prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from generation.previews import style_admin  # noqa: F401 - registers the admin of versions
from generation.previews.models import Probe

if TYPE_CHECKING:
    ProbeModelAdmin = admin.ModelAdmin[Probe]
else:
    ProbeModelAdmin = admin.ModelAdmin


@admin.register(Probe)
class ProbeAdmin(ProbeModelAdmin):
    """The prompts of preview sheets. The first four that fit a style's type are used."""

    list_display = ["prompt", "seed", "position", "kind", "active"]
    list_editable = ["seed", "position", "kind", "active"]
    list_filter = ["kind", "active"]
    search_fields = ["prompt"]
    fields = ["prompt", "seed", "position", "kind", "active"]
