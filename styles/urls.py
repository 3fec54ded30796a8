"""Addresses of the style pages. `new/` stands before the short names, so no style is ever called "new" there."""

from __future__ import annotations

from django.urls import path

from styles import views

app_name = "styles"

urlpatterns = [
    path("", views.styles, name="styles"),
    path("new/", views.new, name="new"),
    path("<str:slug>/", views.style, name="style"),
    path("<str:slug>/edit/", views.edit, name="edit"),
    path("<str:slug>/delete/", views.delete, name="delete"),
    path("<str:slug>/restore/", views.restore, name="restore"),
    path("<str:slug>/presets/<int:pk>/", views.preset, name="preset"),
    path("<str:slug>/presets/<int:pk>/delete/", views.delete_preset, name="preset-delete"),
    path("<str:slug>/v/<int:number>/publish/", views.publish, name="publish"),
    path("<str:slug>/v/<int:number>/archive/", views.archive, name="archive"),
    path("<str:slug>/v/<int:number>/purge/", views.purge, name="purge"),
]
