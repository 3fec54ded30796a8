"""All addresses. Besides asgi.py the only module that knows every app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from stylestudio import views
from stylestudio.edge import failure_answers
from stylestudio.guides import views as guide_views
from stylestudio.people import accounts
from stylestudio.queue import views as queue_views
from stylestudio.uploads import views as upload_views

admin.autodiscover()
handler400, handler500 = failure_answers.handler400, failure_answers.handler500
admin.site.site_header = admin.site.site_title = "StyleStudio"

urlpatterns = [
    path("", include("generation.urls")),
    path("styles/", include("styles.urls")),
    path("", include("training.urls")),
    path("", include(queue_views.urlpatterns)),
    path("", include(guide_views.urlpatterns)),
    path("shortcuts/", views.shortcuts, name="shortcuts"),
    path("health", views.health, name="health"),
    path("favicon.ico", views.favicon),
    path("", include(accounts.urlpatterns)),
    path("", include(upload_views.urlpatterns)),
    path("admin/", admin.site.urls),
]
