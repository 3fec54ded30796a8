"""The app of datasets and training."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrainingConfig(AppConfig):
    """Datasets, and what is trained from them."""

    name = "training"
    label = "training"
    verbose_name = _("Training")
