"""The models of orders: references, tasks and their styles, the prompts sent to engines, the resulting pictures.

Each module uses only those before it: references, patterns, engine_prompts, style_counts, search_tables, search_facts,
search_index, trash_entries, generated_images, task_styles, generation_tasks.
"""

from __future__ import annotations

from generation.pictures.models.engine_prompts import EnginePrompt, PromptQuerySet
from generation.pictures.models.generated_images import GeneratedImage, LivePictures, PictureQuerySet
from generation.pictures.models.generation_tasks import (
    LEAST_SIDE,
    MOST_PICTURES,
    MOST_PROMPT,
    MOST_SEED,
    MOST_SIDE,
    MOST_STYLES,
    GenerationTask,
    Slot,
)
from generation.pictures.models.patterns import Pattern
from generation.pictures.models.references import Reference
from generation.pictures.models.search_tables import (
    FactProgress,
    Orientation,
    SearchDocument,
    SearchEntry,
    SearchKind,
    SearchName,
    SearchPart,
    SearchProgress,
    SearchStyle,
    SearchUse,
    SearchWord,
)
from generation.pictures.models.style_counts import PictureCount, StyleCount
from generation.pictures.models.task_styles import TaskStyle
from generation.pictures.models.trash_entries import TrashCount, TrashEntry

__all__ = [
    "LEAST_SIDE",
    "MOST_PICTURES",
    "MOST_PROMPT",
    "MOST_SEED",
    "MOST_SIDE",
    "MOST_STYLES",
    "EnginePrompt",
    "FactProgress",
    "GeneratedImage",
    "GenerationTask",
    "LivePictures",
    "Orientation",
    "Pattern",
    "PictureCount",
    "PictureQuerySet",
    "PromptQuerySet",
    "Reference",
    "SearchDocument",
    "SearchEntry",
    "SearchKind",
    "SearchName",
    "SearchPart",
    "SearchProgress",
    "SearchStyle",
    "SearchUse",
    "SearchWord",
    "Slot",
    "StyleCount",
    "TaskStyle",
    "TrashCount",
    "TrashEntry",
]
