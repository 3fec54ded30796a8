"""URLs of Studio, jobs, engines, the gallery, marks, boards, the trash and previews."""

from __future__ import annotations

from django.urls import path

from generation.atlases import views as atlas_views
from generation.changing import views as changing_views
from generation.derivations import views as derivation_views
from generation.editing import views as editing_views
from generation.engines import views as engine_views
from generation.gallery import comparing, saved
from generation.gallery import views as gallery_views
from generation.keeping import board_views, mark_views
from generation.lists import views as list_views
from generation.ordering import drafts, picture_files, prompt_words, variations, views
from generation.ordering.asked_pictures.showing import asked_from_picture, asked_picture
from generation.ordering.control_form import showing
from generation.previews import views as face_views
from generation.selecting import views as selecting_views
from generation.takeover import views as takeover_views
from generation.texts import views as text_views
from generation.trash import views as trash_views
from generation.workflows import views as workflow_views

app_name = "generation"

urlpatterns = [
    path("", views.studio, name="studio"),
    path("generate", views.generate, name="generate"),
    path("compose/", views.compose, name="compose"),
    path("compose/styles/", views.other_styles, name="other-styles"),
    path("presets/", views.save_preset, name="save-preset"),
    path("read/", picture_files.read_picture, name="read-picture"),
    path("read/dropped/", picture_files.dropped, name="dropped"),
    path("read/start/", picture_files.start_from, name="start-from"),
    path("draft/", drafts.keep_draft, name="draft"),
    path("draft/clear/", drafts.clear_draft, name="draft-clear"),
    path("draft/restore/", drafts.restore_draft, name="draft-restore"),
    path("prompts/", prompt_words.earlier, name="prompts"),
    path("prompts/words/", prompt_words.completions, name="prompt-words"),
    path("references/", views.reference, name="reference"),
    path("references/for/<slug:recipe>/<slug:asked>/", asked_picture, name="asked-picture"),
    path("references/for/<slug:recipe>/<slug:asked>/from/<int:pk>/", asked_from_picture, name="asked-from"),
    path("control/", showing.control, name="control"),
    path("control/picture/", showing.control_picture, name="control-picture"),
    path("control/reading/", showing.control_reading, name="control-reading"),
    path("references/from/<int:pk>/", views.reference_from_picture, name="reference-from"),
    path("live/", views.live_column, name="live"),
    path("jobs/clear/", views.clear, name="clear"),
    path("jobs/cancel-waiting/", views.cancel_waiting, name="cancel-waiting"),
    path("jobs/<int:pk>/", views.job, name="job"),
    path("jobs/<int:pk>/card/", views.job_card, name="job-card"),
    path("jobs/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("jobs/<int:pk>/front/", views.move_to_front, name="move-to-front"),
    path("jobs/<int:pk>/retry/", views.retry, name="retry"),
    path("jobs/<int:pk>/retry-smaller/", views.retry_smaller, name="retry-smaller"),
    path("jobs/<int:pk>/variations/", variations.of_job, name="job-variations"),
    path("jobs/<int:pk>/fetch/", views.fetch_again, name="fetch-again"),
    path("engines/<int:pk>/pause/", engine_views.pause, name="engine-pause"),
    path("engines/<int:pk>/resume/", engine_views.resume, name="engine-resume"),
    path("engines/<int:pk>/ask/", engine_views.request_probe, name="engine-ask"),
    path("engines/<int:pk>/history/", takeover_views.engine_history, name="engine-history"),
    path("takeovers/", takeover_views.takeovers, name="takeovers"),
    path("takeovers/<int:pk>/", takeover_views.takeover, name="takeover"),
    path("takeovers/<int:pk>/on/", takeover_views.go_on, name="takeover-on"),
    path("takeovers/<int:pk>/cancel/", takeover_views.cancel, name="takeover-cancel"),
    path("takeovers/<int:pk>/remove/", takeover_views.remove, name="takeover-remove"),
    path("takeovers/<int:pk>/restore/", takeover_views.restore, name="takeover-restore"),
    path("engines/loras/", engine_views.found_loras, name="found-loras"),
    path("styles/<str:slug>/v/<int:number>/engines/", engine_views.version_engines, name="version-engines"),
    path("gallery/", gallery_views.gallery, name="gallery"),
    path("gallery/page/", gallery_views.gallery_page, name="gallery-page"),
    path("gallery/news/", gallery_views.gallery_news, name="gallery-news"),
    path("gallery/tile-acts/", gallery_views.tile_acts, name="tile-acts"),
    path("gallery/counts/", gallery_views.gallery_counts, name="gallery-counts"),
    path("gallery/saved/", saved.save_filter, name="save-filter"),
    path("gallery/saved/<int:pk>/rename/", saved.rename_filter, name="rename-filter"),
    path("gallery/saved/<int:pk>/delete/", saved.delete_filter, name="delete-filter"),
    path("gallery/compare/", comparing.compare, name="compare"),
    *selecting_views.urlpatterns,
    *editing_views.urlpatterns,
    path("gallery/<int:pk>/", gallery_views.picture, name="picture"),
    path("gallery/<int:pk>/download/", gallery_views.picture_download, name="picture-download"),
    path("gallery/<int:pk>/delete/", gallery_views.picture_delete, name="picture-delete"),
    path("gallery/<int:pk>/restore/", gallery_views.picture_restore, name="picture-restore"),
    path("gallery/<int:pk>/variations/", variations.of_picture, name="variations"),
    path("gallery/<int:pk>/cover/", face_views.picture_cover, name="picture-cover"),
    path("trash/", trash_views.trash, name="trash"),
    path("trash/others/", trash_views.others, name="trash-others"),
    path("trash/restore/", trash_views.restore, name="trash-restore"),
    path("trash/delete/", trash_views.delete, name="trash-delete"),
    path("trash/all/<str:action>/", trash_views.everything, name="trash-all"),
    path("trash/orders/", trash_views.orders, name="trash-orders"),
    path("trash/orders/<int:pk>/cancel/", trash_views.cancel, name="trash-cancel"),
    path("gallery/<int:pk>/mark/", mark_views.mark, name="mark"),
    path("marks/", mark_views.read_marks, name="marks"),
    *board_views.urlpatterns,
    *derivation_views.urlpatterns,
    *atlas_views.urlpatterns,
    *changing_views.urlpatterns,
    *workflow_views.urlpatterns,
    *list_views.urlpatterns,
    *text_views.urlpatterns,
    path("versions/<int:pk>/previews/", face_views.version_faces, name="version-faces"),
    path("versions/<int:pk>/previews/<str:purpose>/", face_views.face, name="face"),
    path("versions/<int:pk>/previews/<str:purpose>/ask/", face_views.face_ask, name="face-ask"),
    path("versions/<int:pk>/strength/", face_views.strength, name="strength"),
    path("versions/<int:pk>/safe-range/", face_views.safe_range, name="safe-range"),
]
