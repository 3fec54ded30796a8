"""Which words of a prompt a model cannot read, and which models can."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from generation.ordering import availability
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.for_engines import family_title
from styles.lora import Family

LONGEST_EXAMPLE = 8  # characters
# Their text encoders (CLIP, T5) were trained on English. CLIP's tokenizer has no Chinese words: in ComfyUI 0.33.0 it
# spells them in bytes, about 2.7 tokens a character, so that 28 characters fill the 75 it reads at once.
ENGLISH_ONLY = frozenset({
    Family.SDXL, Family.SD1, Family.SD2, Family.SD3, Family.SD35_MEDIUM, Family.SD35_LARGE, Family.CASCADE,
    Family.PIXART, Family.FLUX, Family.CHROMA,
})  # fmt: skip
READS_CHINESE = (Family.Z_IMAGE, Family.QWEN)  # as their makers say
# Letters, but for Latin ones, and Greek ones, which stand in names.
_OTHER_SCRIPT = re.compile(r"(?:(?![a-zA-Z\u00aa-\u024f\u0370-\u03ff\u1e00-\u1fff])[^\W\d_])+")


@dataclass(frozen=True, slots=True)
class Unread:
    """Words that the model of a recipe cannot read, such as `example`. `readers` can, and `ready` ones of them be used
    now.
    """

    example: str
    model: str
    readers: list[Recipe]
    ready: list[Recipe]

    @property
    def names(self) -> str:
        """The readers, as people know them."""
        return get_text_list([str(recipe.title) for recipe in self.readers], _("and"))


def foreign(text: str) -> str:
    """The first words of a text that are not in English letters, at most LONGEST_EXAMPLE characters; "" without any."""
    found = _OTHER_SCRIPT.search(text)
    return found[0][:LONGEST_EXAMPLE] if found else ""


def is_unread(prompt: str, recipe: Recipe) -> bool:
    """Whether a prompt has words in a script that the recipe's model was not taught."""
    return recipe.family in ENGLISH_ONLY and bool(foreign(prompt))


def unread(prompt: str, recipe: Recipe) -> Unread | None:
    """What stands in a prompt in a script that the recipe's model was not taught; None if it can read all."""
    if not is_unread(prompt, recipe):
        return None
    readers = [reader for family in READS_CHINESE for reader in registry.of_family(family) if "text" in reader.graphs]
    ready = [reader for reader in readers if not availability.lacking(reader)]
    return Unread(foreign(prompt), family_title(recipe.family), readers, ready)
