"""The app of recipes."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class RecipesConfig(rooms.Room):
    """How pictures are made, as data."""

    name = "generation.recipes"
    label = "recipes"
    verbose_name = _("Recipes")
    accelerator_uses = ("generation.recipes.accelerators:uses",)
    lora_names = ("generation.recipes.registry:lora_names",)
    doctor_checks = ("generation.recipes.diagnostics:look_at_names",)
