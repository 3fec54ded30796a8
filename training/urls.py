"""Addresses of datasets and trainings.

`new/`, `jobs/`, `pictures/` and `readings/` stand before the short names: no dataset is ever called so.
"""

from __future__ import annotations

from django.urls import include, path

from training import (
    caption_views,
    collect_views,
    dataset_views,
    gallery_views,
    health_views,
    reading_views,
    snapshot_views,
    training_views,
)

app_name = "training"

_datasets = [
    *collect_views.urlpatterns,
    *reading_views.urlpatterns,
    *gallery_views.urlpatterns,
    *caption_views.urlpatterns,
    *health_views.urlpatterns,
    *dataset_views.urlpatterns,
    *snapshot_views.urlpatterns,
]
urlpatterns = [
    path("datasets/", include(_datasets)),
    path("training/", include(training_views.urlpatterns)),
]
