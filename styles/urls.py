"""URLs of the style pages. `new/` and `import/` come before the slugs: no style ever has one of these."""

from __future__ import annotations

from django.urls import path

from styles import import_views, views

app_name = "styles"

urlpatterns = [
    path("", views.styles, name="styles"),
    path("new/", views.new, name="new"),
    path("import/", import_views.importer, name="importer"),
    path("import/forms/", import_views.import_forms, name="import-forms"),
    path("import/<int:pk>/", import_views.review, name="import"),
    path("import/<int:pk>/discard/", import_views.discard, name="import-discard"),
    path("<str:slug>/", views.style, name="style"),
    path("<str:slug>/edit/", views.edit, name="edit"),
    path("<str:slug>/delete/", views.delete, name="delete"),
    path("<str:slug>/restore/", views.restore, name="restore"),
    path("<str:slug>/presets/<int:pk>/", views.preset, name="preset"),
    path("<str:slug>/presets/<int:pk>/delete/", views.delete_preset, name="preset-delete"),
    path("<str:slug>/v/<int:number>/lora/", views.download, name="download"),
    path("<str:slug>/v/<int:number>/card/", views.card, name="card"),
    path("<str:slug>/v/<int:number>/respell/", views.respell, name="respell"),
    path("<str:slug>/v/<int:number>/publish/", views.publish, name="publish"),
    path("<str:slug>/v/<int:number>/archive/", views.archive, name="archive"),
    path("<str:slug>/v/<int:number>/purge/", views.purge, name="purge"),
]
