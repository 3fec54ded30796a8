"""Addresses of datasets. `new/`, `jobs/` and `pictures/` stand before the short names: no dataset is ever called so."""

from __future__ import annotations

from training import dataset_views, snapshot_views

app_name = "training"

urlpatterns = [*dataset_views.urlpatterns, *snapshot_views.urlpatterns]
