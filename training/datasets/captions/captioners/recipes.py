"""Captions by recipes of the studio that make a text about a picture."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from generation.asking.questions import ByRecipe, is_waiting
from generation.making import recipe_lacks
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from training.datasets.captions.captioners import answers
from training.datasets.captions.captioners.base import Proposal
from training.datasets.models import DatasetImage

SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class FromRecipe:
    """One such recipe."""

    recipe: Recipe

    @property
    def name(self) -> str:
        """Derived from the recipe's."""
        return f"recipe:{self.recipe.name}"[:40]

    @property
    def label(self) -> str:
        """The recipe's title."""
        return str(self.recipe.title)

    @property
    def needs(self) -> str:
        """What the recipe says of itself."""
        return str(self.recipe.summary)

    @property
    def question(self) -> str:
        """The usual one, if the recipe asks any."""
        return str(self.recipe.defaults.get("question", ""))

    def trouble(self) -> str:
        """What each serving engine lacks for it."""
        return recipe_lacks.trouble(self.recipe)

    def is_waiting(self) -> bool:
        """Whether only engines that have all that it needs are away."""
        return is_waiting(ByRecipe(self.recipe))

    def propose(self, images: Sequence[DatasetImage], question: str, check: Callable[[], None]) -> Iterator[Proposal]:
        """Run each picture as one prompt."""
        # Another seed each time, so that asking again may bring another caption.
        values = {"seed": secrets.randbelow(SEEDS), "question": question or self.question}
        return answers.captions(ByRecipe(self.recipe, values), images, check)


def recipes() -> list[FromRecipe]:
    """All of them."""
    return [FromRecipe(recipe) for recipe in registry.captioners().values()]
