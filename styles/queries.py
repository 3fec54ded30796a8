"""The database queries of the style pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, FilteredRelation, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from styles.kinds.of_kind import Kind
from styles.models import State, Style, StyleQuerySet, StyleVersion
from stylestudio.host import rooms
from stylestudio.live import page_frame
from stylestudio.media.disk_use import Shelf
from stylestudio.people.access import is_curator
from stylestudio.people.trash import MOST_LISTED, InTrash


@dataclass(frozen=True, slots=True)
class ShelfCard:
    """A style on the Styles page. `version` is the published one, else the newest."""

    style: Style
    version: StyleVersion | None
    pictures: int


@dataclass(frozen=True, slots=True)
class StyleCards:
    """The cards of the Styles page. `archived`: how many of what was asked for have archived versions alone."""

    cards: list[ShelfCard]
    archived: int


@dataclass(frozen=True, slots=True)
class KindLink:
    """A choice of the type filter."""

    title: str
    href: str
    chosen: bool


def with_published(styles: StyleQuerySet) -> list[Style]:
    """Those of the styles that have a published version, each with that one alone, in one question."""
    name = "published"
    theirs = FilteredRelation("versions", condition=Q(versions__state=State.PUBLISHED))
    asked = styles.annotate(**{name: theirs}).filter(**{f"{name}__isnull": False}).select_related(name)
    found = list(asked.defer(*(f"{name}__{long}" for long in ("training", "behaviour", "notes"))))
    for style in found:
        vars(style)[name].style = style
    return found


def listed_styles(user: User) -> StyleQuerySet:
    """Styles that `user` may see, in the picker's order. Sketch styles are left out while a real engine serves."""
    styles = Style.objects.visible_to(user).with_versions().in_picker_order()
    real = any(engine.serves and not engine.is_preview for engine in page_frame.engine_facts())
    return styles.filter(preview_only=False) if real else styles


def shelf(user: User, kind: str = "", words: str = "", *, archived: bool = False) -> StyleCards:
    """The styles of a type ("" means all) with all of `words` in their name, description or trigger words.

    Those that nobody is offered any more, because all their versions are archived, are shown only with `archived`.
    """
    styles = listed_styles(user)
    if kind in Kind.values:
        styles = styles.filter(kind=kind)
    found = [style for style in styles if _matches(style, words)]
    hidden = {style.pk for style in found if _is_archived(style)}
    shown = [style for style in found if archived or style.pk not in hidden]
    counts = picture_counts(shown, user)
    return StyleCards([ShelfCard(style, face(style), counts.get(style.pk, 0)) for style in shown], len(hidden))


def _is_archived(style: Style) -> bool:
    states = {version.state for version in style.versions.all()}
    return states == {State.ARCHIVED}


def _matches(style: Style, words: str) -> bool:
    triggers = " ".join(version.trigger_words for version in style.versions.all())
    text = f"{style.title} {style.name} {style.description} {triggers}".casefold()
    return all(word in text for word in words.casefold().split())


def face(style: Style) -> StyleVersion | None:
    """The version to show: the published one, else the newest."""
    return style.version or next(iter(style.versions.all()), None)


def kept_versions(style: Style) -> set[int]:
    """The numbers of the versions that must be kept, see `StyleVersion.is_kept`."""
    # Each version asks for one use of it: all uses of them are as many as the years.
    used = style.versions.filter(pk=OuterRef("pk"), uses__task__is_face=False)
    return set(style.versions.filter(Exists(used)).values_list("number", flat=True))


def picture_counts(styles: Iterable[Style], user: User) -> dict[int, int]:
    """How many pictures visible to `user` were made with each style, by the style's primary key.

    Without the trash, and without previews. Styles without any are left out.
    """
    numbers = [style.pk for style in styles]
    counts = (count(numbers, user) for count in rooms.contributed("picture_counts"))
    return {pk: number for found in counts for pk, number in found.items()}


def kinds_in_order() -> list[tuple[str, str]]:
    """Values and labels of kinds as lists show them: those of STYLESTUDIO_KINDS first."""
    first = [name for name in settings.KINDS if name in Kind.values]
    known = [(str(value), str(label)) for value, label in Kind.choices]
    return sorted(known, key=lambda each: first.index(each[0]) if each[0] in first else len(first))


def kind_links(user: User, kind: str, words: str, *, archived: bool = False) -> list[KindLink]:
    """All, then every type that some style has that `user` may see."""
    used = set(listed_styles(user).filter(is_base=False).order_by().values_list("kind", flat=True))
    choices = [("", None), *((value, label) for value, label in kinds_in_order() if value in used)]
    here = reverse("styles:styles")
    links = []
    for value, label in choices:
        asked = {"kind": value, "q": words, "archived": "1" if archived else ""}
        query = urlencode({name: text for name, text in asked.items() if text})
        links.append(KindLink(str(label or ""), f"{here}?{query}" if query else here, value == kind))
    return links


def shelf_on_disk() -> Shelf:
    """The LoRA files of versions."""
    return Shelf("styles", _("Style files"), StyleVersion.everything.all(), "size")


def deleted(style: Style, user: User) -> InTrash:
    """What its page and the trash tell of a deleted style. Curators may restore it."""
    restore = reverse("styles:restore", args=[style.slug]) if is_curator(user) else ""
    return InTrash(_("Style"), style.title, style.deleted_at, restore)


def in_trash(user: User) -> list[InTrash]:
    """The styles in the trash that `user` may see, newest deleted first."""
    found = Style.everything.visible_to(user).exclude(deleted_at=None).order_by("-deleted_at", "-pk")
    return [deleted(style, user) for style in found[:MOST_LISTED]]
