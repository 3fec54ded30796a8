"""URLs of datasets and trainings.

`new/`, `jobs/`, `pictures/` and `readings/` come before the slugs: no dataset ever has one of these.
"""

from __future__ import annotations

from django.urls import include, path

from training.datasets import views as datasets
from training.datasets.captions import views as captions
from training.datasets.collecting import from_gallery, reading_views
from training.datasets.collecting import views as collecting
from training.datasets.crops import views as crops
from training.datasets.cut_outs import views as cut_outs
from training.datasets.health import views as health
from training.datasets.versions import views as versions
from training.runs import views as runs

app_name = "training"

_datasets = [
    *collecting.urlpatterns,
    *reading_views.urlpatterns,
    *from_gallery.urlpatterns,
    *captions.urlpatterns,
    *crops.urlpatterns,
    *cut_outs.urlpatterns,
    *health.urlpatterns,
    *datasets.urlpatterns,
    *versions.urlpatterns,
]
urlpatterns = [
    path("datasets/", include(_datasets)),
    path("training/", include(runs.urlpatterns)),
]
