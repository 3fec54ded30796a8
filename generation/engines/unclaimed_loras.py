"""LoRAs that engines have and no style uses: each can become a style."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from posixpath import basename, splitext

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from generation.engines import roster
from generation.engines.models import Engine
from styles import accelerating, importing
from styles.importing import NotTaken
from styles.kinds.of_kind import Kind
from styles.lora import OF_STYLES, Accelerator, Facts, Family, accelerator, by_name, family_said, read_facts
from styles.models import Source, Style, StyleVersion, version_added
from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.file_names import distinct, folder_of
from stylestudio.host import rooms
from stylestudio.text import plain

_OURS = "stylestudio_"
ASK_TIMEOUT = 10.0  # seconds an engine may take to return a file's metadata


@dataclass(frozen=True, slots=True)
class FoundLora:
    """A LoRA on engines, by its canonical name. `title` is the name without folder and extension.

    If engines have several of that title, the folder follows in parentheses.
    """

    name: str
    title: str
    engines: list[Engine]

    @property
    def accelerator(self) -> Accelerator | None:
        """The accelerator it appears to be by its name, so that people are warned before they make a style of it."""
        return by_name(self.name)


def unused() -> list[FoundLora]:
    """LoRAs of real engines that no style uses, by name; accelerators of styles and of the studio are left out."""
    known = _known()
    where: defaultdict[str, list[Engine]] = defaultdict(list)
    for engine in Engine.objects.filter(active=True).exclude(source=Engine.Source.PREVIEW):
        for name in distinct(engine.loras):
            where[name].append(engine)
    titles = Counter(_stem(name) for name in where)
    return [
        FoundLora(name, _title(name, titles), having)
        for name, having in sorted(where.items())
        if name not in known and _stem(name)[: len(_OURS)] != _OURS
    ]


def _known() -> set[str]:
    """Canonical names of the files that styles use, and of their accelerators."""
    names = {*StyleVersion.objects.filter(style__deleted_at=None).values_list("lora_name", flat=True)}
    names |= {*StyleVersion.objects.values_list("lightning", flat=True)}
    names.update(*(named() for named in rooms.contributed("lora_names")))
    return set(distinct(names))


def _title(name: str, titles: Counter[str]) -> str:
    stem, folder = _stem(name), folder_of(name)
    return f"{stem} ({folder})" if folder and titles[stem] > 1 else stem


class MetadataReader:
    """Requests files' metadata from engines, and skips an engine that once did not answer."""

    def __init__(self) -> None:
        self._silent: set[int] = set()

    def metadata(self, found: FoundLora) -> dict[str, str]:
        """The file's metadata from the first engine that answers; empty if none does."""
        for engine in found.engines:
            if engine.health != Engine.Health.OK or engine.pk in self._silent:
                continue
            client = roster.pool.client(engine)
            try:
                return roster.pool.loop.call(client.lora_metadata(found.name), timeout=ASK_TIMEOUT)
            except (ComfyError, TimeoutError):
                self._silent.add(engine.pk)
        return {}


def make_styles(
    names: Iterable[str], user: User, *, accelerators: bool = False, otherwise: Family = Family.SDXL
) -> tuple[list[StyleVersion], list[str]]:
    """Make styles of the LoRAs with these names. Returns them, and a sentence for each one refused.

    What looks like an accelerator is refused with such a sentence, unless `accelerators` is set. `otherwise`: what
    those fit whose metadata does not say it; an engine does not tell the keys of a file.
    """
    wanted, asking = set(distinct(names)), MetadataReader()
    made, refused = [], []
    for found in unused():
        if found.name in wanted:
            metadata = asking.metadata(found)
            facts = read_facts(metadata)
            looks = accelerator(found.name, "", metadata, [], facts.triggers)
            try:
                if looks and not accelerators:
                    words = importing.accelerator_words(looks.name, looks.sign)
                    family = family_said(metadata) or otherwise
                    use = accelerating.found_on_engines(looks.name, family.value, found.name)
                    raise NotTaken(f"{found.name}: {words} {use}".strip())
                made.append(_make_style(found, facts, family_said(metadata) or otherwise, user))
            except NotTaken as error:
                refused.append(str(error))
    return made, refused


def _make_style(found: FoundLora, facts: Facts, family: Family, user: User) -> StyleVersion:
    """Make a style of a LoRA that stays on the engines, with what its metadata says.
    Raises NotTaken with the reason.
    """
    if family not in (*OF_STYLES, Family.UNKNOWN):
        words = _("%(name)s was made for %(model)s, with which no pictures are made here.")
        raise NotTaken(words % {"name": found.name, "model": family.label})
    name, description = (facts.title or plain.name(found.title) or "LoRA")[:80], facts.description[:2000]
    if taken := importing.namesake(name):
        text = _(
            "A style is called %(style)s already. If %(name)s is a version of it, edit that style and choose the file."
        )
        raise NotTaken(text % {"style": taken.title, "name": found.name})
    with transaction.atomic():
        told = {"name": name, "kind": Kind.ILLUSTRATION, "description": description, "family": family.value}
        style = Style.objects.create(owner=user, **told)
        version = style.versions.get(number=1)
        version.source, version.lora_name = Source.ENGINE, found.name
        version.trigger_words = ", ".join(facts.triggers)[:500]
        version.proposed_words = ", ".join(facts.proposed)[:500]
        version.made_for = facts.made_for
        version.default_strength = facts.weight or 1.0
        version.slider = not importing.is_usual(version.default_strength)
        version.author, version.licence = facts.author[:200], facts.licence[:300]
        version.trained_on, version.session, version.epoch = facts.base_name, facts.session, facts.epoch
        version.training = [list(pair) for pair in facts.training]
        version.save()
    transaction.on_commit(lambda: version_added.send_robust(StyleVersion, version=version, user=user))
    return version


def _stem(name: str) -> str:
    # A hundred thousand names are split at once: Path objects take ten times as long.
    return splitext(basename(name))[0]
