"""Icons, and the formats of numbers, times and sizes on every page."""

from __future__ import annotations

import hashlib
import math
import uuid
from datetime import datetime
from functools import cache
from typing import Protocol

from django import template
from django.template import Context
from django.template.loader import render_to_string
from django.utils import formats, timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from stylestudio.guides import chapters

register = template.Library()

# The eight shapes that the form offers: name, width, height.
SHAPES = (
    ("1:1", 1024, 1024),
    ("5:4", 1152, 896),
    ("3:2", 1216, 832),
    ("16:9", 1344, 768),
    ("21:9", 1536, 640),
    ("4:5", 896, 1152),
    ("2:3", 832, 1216),
    ("9:16", 768, 1344),
)


class Sized(Protocol):
    """Anything with a size in pixels: a picture, a task, a reference."""

    width: int
    height: int


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """The symbol `name` of shell/_sprite.html; `size` is "s" for small. Decorative: put words beside it."""
    classes = f"i {size}".strip()
    return format_html('<svg class="{}" aria-hidden="true"><use href="#i-{}"/></svg>', classes, name)


@register.simple_tag(takes_context=True)
def help_here(context: Context) -> str:
    """The address of the chapter of help about this page."""
    match = getattr(context.get("request"), "resolver_match", None)
    return chapters.about(match.view_name if match else "")


@register.simple_tag
def likeness(template: str) -> str:
    """A digest of what a template that needs no context shows: with it in its address browsers may keep it."""
    return _likeness(template, translation.get_language() or "")


@cache
def _likeness(template: str, _language: str) -> str:
    return hashlib.blake2b(render_to_string(template).encode(), digest_size=6).hexdigest()


@register.simple_tag
def press() -> SafeString:
    """The hidden field that identifies a press, so that sending a form twice makes one thing (see jobs.presses)."""
    # What a browser restores after Back would be the id of another page.
    return format_html('<input type="hidden" name="request_id" value="{}" autocomplete="off">', uuid.uuid4())


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds in at most two units: 2.4 s, 48 s, 1 min 20 s, 2 h 5 min, 1 d 3 h. "" if unknown or negative."""
    if seconds is None or seconds < 0:
        return ""
    if 0 < seconds < 9.95 and not float(seconds).is_integer():
        return _("%(count)s s") % {"count": formats.number_format(max(seconds, 0.1), 1)}
    whole = round(seconds)
    units = ((86400, _("%(count)d d")), (3600, _("%(count)d h")), (60, _("%(count)d min")), (1, _("%(count)d s")))
    for position, (length, words) in enumerate(units):
        if whole >= length or length == 1:
            parts = [words % {"count": whole // length}]
            if length > 1:
                smaller, smaller_words = units[position + 1]
                rest = whole % length // smaller
                parts += [smaller_words % {"count": rest}] if rest else []
            return " ".join(parts)
    raise AssertionError("the last unit always answers")


@register.filter
def about(seconds: float | None) -> str:
    """An estimate: 2 s, about 48 s, about 3 min, about 1 h 20 min. "" if unknown."""
    if seconds is None:
        return ""
    whole = max(round(seconds), 1)
    if whole <= 5:
        return duration(whole)
    return _("about %(time)s") % {"time": duration(whole if whole < 60 else round(whole / 60) * 60)}


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago, in one unit, within the last 24 hours; a date before that. "" if unknown."""
    if moment is None:
        return ""
    seconds = max((timezone.now() - moment).total_seconds(), 0)
    if seconds < 5:
        return _("just now")
    if seconds >= 86400:
        local = timezone.localtime(moment)
        this_year = local.year == timezone.localtime().year
        return formats.date_format(local, "MONTH_DAY_FORMAT" if this_year else "DATE_FORMAT")
    length = next(length for length in (3600, 60, 1) if seconds >= length)
    return _("%(time)s ago") % {"time": duration(int(seconds) // length * length)}


@register.filter("bytes")
def byte_size(count: int | None) -> str:
    """A size in the largest unit that keeps it above one: 512 B, 14 kB, 1.4 GB. Units of 1024. "" if unknown."""
    if count is None:
        return ""
    size = float(count)
    units = ("B", "kB", "MB", "GB", "TB")
    power = 0
    while size >= 999.5 and power < len(units) - 1:
        size /= 1024
        power += 1
    decimals = 1 if power and size < 9.95 else 0
    return f"{formats.number_format(round(size, decimals), decimals)} {units[power]}"


def _nearest(sized: Sized) -> str:
    wanted = math.log(sized.width / sized.height)
    return min(SHAPES, key=lambda shape: abs(math.log(shape[1] / shape[2]) - wanted))[0]


@register.filter
def shape_name(sized: Sized) -> str:
    """The nearest of the eight shapes, such as 3:2."""
    return _nearest(sized)


@register.filter
def ratio(sized: Sized) -> str:
    """The CSS class for a frame of the nearest of the eight shapes, such as r-3x2."""
    return "r-" + _nearest(sized).replace(":", "x")


@register.filter
def weight(value: object) -> str:
    """A weight with two decimals and a point in every language, as range inputs need it. Other values are unchanged."""
    try:
        return f"{float(str(value)):.2f}"
    except ValueError:
        return str(value)


@register.filter
def thousands(number: int) -> str:
    """A whole number with commas between thousands."""
    return f"{number:,}"


@register.filter
def percent(share: float | None) -> str:
    """A share from 0 to 1 as whole percent: 26 %. "" if unknown."""
    return "" if share is None else f"{round(100 * share)} %"
