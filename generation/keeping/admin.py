"""The admin of boards. What people marked is theirs, and listed nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation.keeping.models import Board, BoardQuerySet

if TYPE_CHECKING:
    BoardModelAdmin = admin.ModelAdmin[Board]
else:
    BoardModelAdmin = admin.ModelAdmin


@admin.register(Board)
class BoardAdmin(BoardModelAdmin):
    """All boards, including those in the trash: for owners of the studio, as boards are not the curators'."""

    list_display = ["name", "owner", "visibility", "updated_at", "in_trash"]
    list_filter = ["visibility", ("deleted_at", admin.EmptyFieldListFilter), "updated_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "description", "owner__username"]
    readonly_fields = ["owner", "created_at", "updated_at"]
    fields = ["name", "description", "visibility", "owner", "created_at", "updated_at"]
    actions = ["delete_selected", "restore_selected"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Board]:
        """Include deleted boards, so that they can be restored."""
        return Board.everything.order_by("-updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Boards are made on their own page, by the person whose they are."""
        return False

    @admin.action(description=_("Delete selected boards"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: BoardQuerySet) -> None:
        """Move boards to the trash."""
        count, _by_model = queryset.filter(deleted_at=None).delete()
        self.message_user(request, ngettext("%d board is deleted.", "%d boards are deleted.", count) % count)

    @admin.action(description=_("Restore selected boards"), permissions=["change"])
    def restore_selected(self, request: HttpRequest, queryset: BoardQuerySet) -> None:
        """Take boards out of the trash."""
        count = queryset.exclude(deleted_at=None).update(deleted_at=None)
        self.message_user(request, ngettext("%d board is back.", "%d boards are back.", count) % count)

    @admin.display(description=_("in the trash"), boolean=True)
    def in_trash(self, board: Board) -> bool:
        """Whether the board is in the trash."""
        return board.deleted_at is not None
