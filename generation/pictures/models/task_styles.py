"""The styles of a task's mix."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from styles.for_engines import LEAST_STRENGTH, MOST_STRENGTH
from styles.models import StyleVersion


class TaskStyle(models.Model):
    """A style in a task's mix, with its weight and the trigger phrases used."""

    task = models.ForeignKey("pictures.GenerationTask", on_delete=models.CASCADE, related_name="mix", db_index=False)
    version = models.ForeignKey(StyleVersion, on_delete=models.PROTECT, related_name="uses")
    position = models.PositiveSmallIntegerField()
    weight = models.FloatField(validators=[MinValueValidator(LEAST_STRENGTH), MaxValueValidator(MOST_STRENGTH)])
    triggers = models.JSONField(default=list)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["task", "position"], name="taskstyle_position_once"),
            models.UniqueConstraint(fields=["task", "version"], name="taskstyle_version_once"),
            models.CheckConstraint(
                condition=Q(weight__gte=LEAST_STRENGTH, weight__lte=MOST_STRENGTH), name="taskstyle_weight_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.weight:.2f}"
