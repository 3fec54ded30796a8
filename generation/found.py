"""LoRAs that engines have and no style uses: each can become a style."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from posixpath import basename, splitext
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from generation import engines
from generation.models import Engine
from styles import importing
from styles.lora import Facts, read_facts
from styles.models import MAX_STRENGTH, Kind, Source, Style, StyleVersion
from stylestudio import plain
from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.file_names import distinct, folder_of

# Adapters that make a checkpoint fast are no styles.
_SPEED_UPS = re.compile(r"lightning|turbo|\blcm|hyper[-_ ]?sd|dmd2", re.IGNORECASE)
_OURS = "stylestudio_"
ASK_TIMEOUT = 10.0  # seconds that an engine has to say what is in a file


class NotForSdxl(ValueError):
    """The file says that it was made for another model. The text says so."""


@dataclass(frozen=True, slots=True)
class Found:
    """A LoRA on engines, by its canonical name. `title` is that without folder and ending.

    Where engines have several of that title, the folder stands behind it.
    """

    name: str
    title: str
    engines: list[Engine]


def unused() -> list[Found]:
    """LoRAs of real engines that no style names, by name. What makes a checkpoint fast is left out."""
    known = _known()
    where: defaultdict[str, list[Engine]] = defaultdict(list)
    for engine in Engine.objects.filter(active=True).exclude(source=Engine.Source.PREVIEW):
        for name in distinct(engine.loras):
            where[name].append(engine)
    titles = Counter(_stem(name) for name in where)
    return [
        Found(name, _title(name, titles), having)
        for name, having in sorted(where.items())
        if name not in known and not _SPEED_UPS.search(name) and _stem(name)[: len(_OURS)] != _OURS
    ]


def _known() -> set[str]:
    """Canonical names of the files that styles use, and of those that make a checkpoint fast."""
    names = {*StyleVersion.objects.filter(style__deleted_at=None).values_list("lora_name", flat=True)}
    names |= {*StyleVersion.objects.values_list("lightning", flat=True), settings.LIGHTNING_LORA}
    return set(distinct(names))


def _title(name: str, titles: Counter[str]) -> str:
    stem, folder = _stem(name), folder_of(name)
    return f"{stem} ({folder})" if folder and titles[stem] > 1 else stem


class Asking:
    """Asks engines what is in files, and one that did not answer not again."""

    def __init__(self) -> None:
        self._silent: set[int] = set()

    def metadata(self, found: Found) -> dict[str, str]:
        """What the file says of itself, by the first engine that answers; nothing where none does."""
        for engine in found.engines:
            if engine.health != Engine.Health.OK or engine.pk in self._silent:
                continue
            client = engines.pool.client(engine)
            try:
                return engines.pool.loop.call(client.lora_metadata(found.name), timeout=ASK_TIMEOUT)
            except (ComfyError, TimeoutError):
                self._silent.add(engine.pk)
        return {}


def make_styles(names: Iterable[str], user: User) -> tuple[list[StyleVersion], list[str]]:
    """Styles of the LoRAs with these names, and a sentence for each that is none."""
    wanted, asking = set(distinct(names)), Asking()
    made, refused = [], []
    for found in unused():
        if found.name in wanted:
            try:
                made.append(_make_style(found, read_facts(asking.metadata(found)), user))
            except NotForSdxl as error:
                refused.append(str(error))
    return made, refused


def _make_style(found: Found, facts: Facts, user: User) -> StyleVersion:
    """A style of a LoRA that stays on the engines, with what its file tells. Raises NotForSdxl."""
    if other := _other_model(facts):
        raise NotForSdxl(
            _("%(name)s was made for %(model)s. Styles here are SDXL.") % {"name": found.name, "model": other}
        )
    with transaction.atomic():
        name, description = (facts.title or plain.name(found.title) or "LoRA")[:80], facts.description[:2000]
        style = Style.objects.create(name=name, kind=Kind.ILLUSTRATION, description=description, owner=user)
        version = style.versions.get(number=1)
        version.source, version.lora_name = Source.ENGINE, found.name
        version.trigger_words = ", ".join(facts.triggers)[:500]
        version.default_strength = min(facts.weight or 1.0, MAX_STRENGTH)
        version.author, version.licence = facts.author[:200], facts.licence[:300]
        version.trained_on, version.session, version.epoch = facts.base_name, facts.session, facts.epoch
        version.training = [list(pair) for pair in facts.training]
        version.save()
    transaction.on_commit(lambda: importing.version_added.send_robust(StyleVersion, version=version, user=user))
    return version


def _stem(name: str) -> str:
    # A hundred thousand names are cut at once: paths as objects take ten times as long.
    return splitext(basename(name))[0]


def _other_model(facts: Facts) -> str:
    """The model that it was made for, in its own words, where that is surely not SDXL."""
    said: Any = facts.base_version.lower()
    if not said or "xl" in said:
        return ""
    return facts.base_version if re.match(r"sd[_-]?(v?1|v?2|3)|flux|pixart|hunyuan|qwen|wan", said) else ""
