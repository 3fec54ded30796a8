"""Admin lists of tables that grow for years: the newest rows first, without going through all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _

from stylestudio.people.read_only import ReadOnlyAdmin

if TYPE_CHECKING:
    Pages = Paginator[Any]
else:
    Pages = Paginator

MOST = 10_000  # rows that are listed


class NewestPages(Pages):
    """Pages of the first rows. There is no count of all: it takes as long as there are rows."""

    @cached_property
    def count(self) -> int:
        """How many rows are listed."""
        rows: Any = self.object_list
        return int(rows.order_by("-pk").values("pk")[:MOST].count())


class LongListAdmin(ReadOnlyAdmin):
    """A list of rows that only jobs write, newest first; search and filters find those that are not among the first."""

    ordering = ("-pk",)
    paginator = NewestPages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say how far the list goes."""
        said = _("The newest %(number)s at most are listed; search and filters find older ones.")
        subtitle = said % {"number": formats.number_format(MOST, force_grouping=True)}
        return super().changelist_view(request, {"subtitle": subtitle, **(extra_context or {})})


class MonthFilter(admin.SimpleListFilter):
    """Rows of one month. `column`: when they came, in about the order of their keys."""

    title = _("month")
    parameter_name = "month"
    column: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The months from the newest row back to the oldest one."""
        moments = model_admin.get_queryset(request).order_by("pk").values_list(self.column, flat=True)
        first, last = moments.first(), moments.last()
        if first is None or last is None:
            return []
        months = _months(timezone.localdate(first), timezone.localdate(last))
        return [(f"{month:%Y-%m}", formats.date_format(month, "YEAR_MONTH_FORMAT")) for month in months]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the chosen month."""
        if self.value() not in dict(self.lookup_choices):  # an address that somebody made up
            return queryset
        begin = date.fromisoformat(f"{self.value()}-01")
        zone = timezone.get_current_timezone()
        begins, ends = (datetime(day.year, day.month, 1, tzinfo=zone) for day in (begin, _next(begin)))
        return queryset.filter(**{f"{self.column}__gte": begins, f"{self.column}__lt": ends})


def _next(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def _months(first: date, last: date) -> Iterator[date]:
    month = last.replace(day=1)
    while month >= first.replace(day=1):
        yield month
        month = (month - timedelta(days=1)).replace(day=1)
