"""Captions: the grid and its filters, saving, bulk changes, proposals, the page of one picture."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from stylestudio.jobs.presses import once
from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, changeable, may_change, require_maker, visible, whole_numbers
from training.datasets import queries
from training.datasets.captions import grid, writing
from training.datasets.captions.forms import BulkForm, ProposeForm
from training.datasets.captions.operations import BadOperation
from training.datasets.crops import frames
from training.datasets.models import CaptionChange, CaptionOperation, Dataset, DatasetImage, ImageQuerySet

TOO_MANY = 8  # earlier texts of a picture shown before "more"


def context(request: StudioRequest, dataset: Dataset) -> dict[str, Any]:
    """The template context of the captions page."""
    page = _page(request, dataset)
    return {**page, **_tags(request, page["grid"]), "bulk": BulkForm(), "proposed": _proposed(dataset)}


def _page(request: StudioRequest, dataset: Dataset) -> dict[str, Any]:
    found = grid.Grid(dataset, grid.Filters.read(request.GET))
    try:
        page = found.page(request.GET.get("after", ""))
    except ValueError as error:
        raise Http404(_("There is no such page.")) from error
    return {
        "dataset": dataset,
        "grid": found,
        "filters": found.filters,
        "page": page,
        "more_query": found.filters.after(page.more),
        "arrivals_query": found.filters.after(page.last),
        "can_change": may_change(request.user, dataset),
    }


def _tags(request: StudioRequest, found: grid.Grid) -> dict[str, Any]:
    rows, left = found.tag_rows(request.GET.get("find", "").strip()[:100])
    return {"tag_rows": rows, "tags_left": left, "tag_total": len(found.counts)}


def _proposed(dataset: Dataset) -> int:
    return dataset.images.exclude(proposal="").count()


@require_GET
def more(request: StudioRequest, slug: str) -> HttpResponse:
    """The next pictures of the grid, for the sentinel, and with ?arrived=1 for a page on which pictures arrive.

    With the first ones come the tags and tools, which a page without pictures lacks.
    """
    dataset = _dataset(request, slug)
    is_first = "arrived" in request.GET and not request.GET.get("after")
    if is_first and dataset.images.exists():
        begun = {**context(request, dataset), "picture_count": dataset.images.count(), "oob": True}
        return render(request, "training/datasets/captions/_captions_begun.html", begun)
    answer = render(request, "training/datasets/captions/_caption_page.html", _page(request, dataset))
    return _told(answer) if "arrived" in request.GET else answer


def _told(answer: HttpResponse) -> HttpResponse:
    """An answer after which the list of tags is fetched again, soon."""
    answer["HX-Trigger"] = "captions-changed"
    return answer


@require_GET
def tag_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Tags that contain ?find=."""
    found = grid.Grid(_dataset(request, slug), grid.Filters.read(request.GET))
    can_change = may_change(request.user, found.dataset)
    context = {"dataset": found.dataset, "grid": found, "filters": found.filters, "can_change": can_change}
    return render(request, "training/datasets/captions/_tag_list.html", {**context, **_tags(request, found)})


def _dataset(request: StudioRequest, slug: str) -> Dataset:
    return visible(Dataset.objects.all(), request.user, slug=slug)


def _made(request: StudioRequest, slug: str) -> Dataset:
    """The dataset, if this person may change it."""
    return changeable(Dataset.objects.all(), request.user, slug=slug)


def _image(request: StudioRequest, pk: int, images: ImageQuerySet | None = None) -> DatasetImage:
    """A picture of a dataset that this person may see."""
    seen = (DatasetImage.objects.visible_to(request.user) if images is None else images).select_related("dataset")
    if images is None and not seen.filter(pk=pk).exists():  # a page from before it was cut out, or put back
        return get_object_or_404(seen.filter(Q(original=pk) | Q(cut_outs=pk))[:1])
    return get_object_or_404(seen, pk=pk)


def _made_image(request: StudioRequest, pk: int, images: ImageQuerySet | None = None) -> DatasetImage:
    """A picture of a dataset that this person may change."""
    image = _image(request, pk, images)
    require_maker(request.user, image.dataset)
    return image


# --- One picture


@require_GET
def image(request: StudioRequest, pk: int) -> HttpResponse:
    """One picture, large, with its caption and all earlier captions."""
    found = _image(request, pk)
    dataset, before = found.dataset, grid.before(found)
    older = found.changes.select_related("user", "operation")
    context = {
        **queries.frame(dataset, request.user),
        "card": grid.card(found),
        "image": found,
        "crop": (crop := frames.card(found)),
        "lies_on": crop.ground,
        "history": [(change, *writing.diff(change.before, change.after)) for change in older[:TOO_MANY]],
        "history_left": max(older.count() - TOO_MANY, 0),
        "previous": dataset.images.filter(before).last(),
        "next": dataset.images.exclude(before).exclude(pk=found.pk).first(),
        "socket_url": page_frame.socket_url("mine"),
        "filters": grid.Filters(),
    }
    return render(request, "training/datasets/captions/image.html", context)


@require_POST
def caption(request: StudioRequest, pk: int) -> HttpResponse:
    """Save a caption. If somebody has stored another one meanwhile, both texts are returned and nothing is lost."""
    found = _made_image(request, pk)
    text, version = request.POST.get("caption", ""), sum(whole_numbers([request.POST.get("version", "")]))
    if "theirs" in request.POST:
        return _card(request, found)
    try:
        writing.save(found, text, version, request.user)
    except writing.Newer:
        return _not_saved(request, found, text, newer=True)
    except writing.TooLong as error:
        return _not_saved(request, found, text, trouble=str(error))
    if not request.htmx:
        return _back(request, found)
    return _told(render(request, "training/datasets/captions/_caption_foot.html", _card_context(request, found)))


def _not_saved(request: StudioRequest, found: DatasetImage, text: str, **why: object) -> HttpResponse:
    """The foot of the card with the reason, or a page with it."""
    template = (
        "training/datasets/captions/_caption_foot.html"
        if request.htmx
        else "training/datasets/captions/caption_refused.html"
    )
    context = {**_card_context(request, found), "dataset": found.dataset, "text": text, **why}
    return render(request, template, context, status=422)


def _card_context(request: StudioRequest, found: DatasetImage) -> dict[str, Any]:
    return {"card": grid.card(found), "filters": grid.Filters.read(request.GET), "can_change": True}


def _card(request: StudioRequest, found: DatasetImage) -> HttpResponse:
    """The whole card, re-rendered."""
    if not request.htmx:
        return _back(request, found)
    answer = render(request, "training/datasets/captions/_caption_card.html", _card_context(request, found))
    answer["HX-Retarget"], answer["HX-Reswap"] = f"#image-{found.pk}", "outerHTML"
    return answer


def _back(request: StudioRequest, found: DatasetImage) -> HttpResponse:
    """Back to the page with the card, or to the picture's own page if the button was there."""
    if request.GET.get("from") == "picture":
        return redirect(found)
    return redirect(f"{_address(found.dataset, request.GET)}#image-{found.pk}")


def _address(dataset: Dataset, query: QueryDict) -> str:
    """The captions page with the filters of the request."""
    filters = grid.Filters.read(query)
    return f"{dataset.get_absolute_url()}{'?' if filters.any else ''}{filters.query}"


@require_POST
def include(request: StudioRequest, pk: int) -> HttpResponse:
    """Include a picture in training, or leave it out: `included` is 1 or 0."""
    found = _made_image(request, pk)
    found.included = request.POST.get("included") == "1"
    found.save(update_fields=["included"])
    found.dataset.touch()
    return _card(request, found)


@require_POST
def rate(request: StudioRequest, pk: int) -> HttpResponse:
    """Rate a picture with 1 to 5 stars; the same rating again removes it."""
    found = _made_image(request, pk)
    stars = request.POST.get("rating", "")
    if stars not in {"1", "2", "3", "4", "5"}:
        raise Http404(_("There is no such rating."))
    found.rating = None if found.rating == int(stars) else int(stars)
    found.save(update_fields=["rating"])
    return redirect(found)


@require_POST
def remove(request: StudioRequest, pk: int) -> HttpResponse:
    """Remove a picture from the dataset, with Undo in the toast."""
    found = _made_image(request, pk)
    DatasetImage.objects.filter(pk=found.pk).delete()
    found.dataset.touch()
    said, undo = _("The picture is removed."), reverse("training:image-restore", args=[found.pk])
    if request.htmx:
        return render(request, "shell/_toast.html", {"oob": True, "message": said, "undo_url": undo})
    messages.success(request, said, extra_tags=undo)
    return redirect(_address(found.dataset, request.GET))


@require_POST
def restore(request: StudioRequest, pk: int) -> HttpResponse:
    """Undo a removal. If the same picture has been added again meanwhile, that one stays."""
    found = _made_image(request, pk, DatasetImage.everything.visible_to(request.user).exclude(deleted_at=None))
    if not found.restore():
        messages.success(request, _("The same picture was added again meanwhile. It stays."))
        return redirect(found.dataset)
    found.dataset.touch()
    messages.success(request, _("The picture is back."))
    return redirect(f"{found.dataset.get_absolute_url()}?pictures={found.pk}")


@require_POST
def put_back(request: StudioRequest, pk: int, change: int) -> HttpResponse:
    """Restore the text from before a change as the caption."""
    found = _made_image(request, pk)
    old = visible(CaptionChange.objects.filter(image=found), request.user, pk=change)
    old.image = found
    writing.put_back(old, request.user)
    messages.success(request, _("The old text is back. What was there is in the history."))
    return redirect(found)


@require_POST
def proposal(request: StudioRequest, pk: int) -> HttpResponse:
    """Make a proposal the caption, or dismiss it: `answer` is accept or dismiss."""
    found = _made_image(request, pk)
    if request.POST.get("answer") == "accept":
        writing.accept(found, request.user)
    else:
        writing.dismiss(found)
    answer = _card(request, found)
    answer["HX-Trigger"] = "proposals-changed, captions-changed"
    return answer


# --- Many pictures


@require_GET
def proposals(request: StudioRequest, slug: str) -> HttpResponse:
    """The number of open proposals, for a page that is notified of new ones."""
    dataset = _dataset(request, slug)
    context = {"dataset": dataset, "proposed": _proposed(dataset), "can_change": may_change(request.user, dataset)}
    return render(request, "training/datasets/captions/_proposed.html", context)


@require_POST
def proposals_answer(request: StudioRequest, slug: str) -> HttpResponse:
    """Accept or dismiss all proposals."""
    dataset = _made(request, slug)
    if request.POST.get("answer") != "accept":
        count = writing.dismiss_all(dataset.images.all())
        messages.success(request, ngettext("%d proposal is dismissed.", "%d proposals are dismissed.", count) % count)
    elif operation := writing.accept_all(dataset, dataset.images.all(), request.user):
        _say_changed(request, operation)
    return redirect(dataset)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def bulk(request: StudioRequest, slug: str) -> HttpResponse:
    """Change many captions at once; GET returns the dialog as a page, for browsers without JavaScript."""
    dataset = _made(request, slug)
    if request.method != "POST":
        return render(request, "training/datasets/captions/bulk.html", _bulk_context(request, dataset, BulkForm()))
    form = BulkForm(request.POST)
    if "look" in request.POST or not form.is_valid():
        return render(
            request, "training/datasets/captions/bulk.html", _bulk_context(request, dataset, form), status=_status(form)
        )
    try:
        operation = writing.apply(dataset, chosen(request, dataset)[0], form.operation, request.user)
    except BadOperation as error:
        form.add_error(None, str(error))
        return render(
            request, "training/datasets/captions/bulk.html", _bulk_context(request, dataset, form), status=422
        )
    if operation:
        _say_changed(request, operation)
    else:
        messages.success(request, _("No caption changes by this."))
    return redirect(_address(dataset, request.GET))


def _status(form: BulkForm) -> int:
    return 200 if form.is_valid() else 422


@require_POST
def bulk_preview(request: StudioRequest, slug: str) -> HttpResponse:
    """A preview of the changes, before and after, while somebody types."""
    dataset = _made(request, slug)
    return render(
        request,
        "training/datasets/captions/_bulk_preview.html",
        _bulk_context(request, dataset, BulkForm(request.POST)),
    )


def _bulk_context(request: StudioRequest, dataset: Dataset, form: BulkForm) -> dict[str, Any]:
    images, scope = chosen(request, dataset)
    context = {
        "dataset": dataset,
        "filters": grid.Filters.read(request.GET),
        "bulk": form,
        "scope": scope,
        "selected": request.POST.getlist("selected"),
        "can_change": True,
    }
    if form.is_bound and form.is_valid():
        try:
            context["preview"] = writing.preview(images, form.operation)
        except BadOperation as error:
            form.add_error(None, str(error))
    return context


def chosen(request: StudioRequest, dataset: Dataset) -> tuple[ImageQuerySet, str]:
    """The pictures to change, and that in words: the selected ones, or else all that the filters show."""
    if selected := whole_numbers(request.POST.getlist("selected")):
        images = dataset.images.filter(pk__in=selected)
        count = images.count()
        return images, ngettext("%d selected picture", "%d selected pictures", count) % count
    found = grid.Grid(dataset, grid.Filters.read(request.GET))
    count = found.count
    if found.filters.any:
        return found.images(), ngettext("%d picture that is shown", "%d pictures that are shown", count) % count
    return found.images(), ngettext("%(count)d picture", "all %(count)d pictures", count) % {"count": count}


def _say_changed(request: StudioRequest, operation: CaptionOperation) -> None:
    said = ngettext("Changed %d caption", "Changed %d captions", operation.changed) % operation.changed
    undo = reverse("training:undo", args=[operation.dataset.slug, operation.pk])
    messages.success(request, said, extra_tags=undo)


@require_POST
def undo(request: StudioRequest, slug: str, pk: int) -> HttpResponse:
    """Undo a bulk change of captions."""
    dataset = _made(request, slug)
    operation = visible(CaptionOperation.objects.filter(dataset=dataset), request.user, pk=pk)
    outcome = writing.undo(operation, request.user)
    if outcome is None:
        messages.success(request, _("This was undone before."))
        return redirect(dataset)
    words = [ngettext("%d caption is as before.", "%d captions are as before.", outcome.changed) % outcome.changed]
    if outcome.kept:
        kept = ngettext("%d was changed since and stays.", "%d were changed since and stay.", outcome.kept)
        words.append(kept % outcome.kept)
    messages.success(request, " ".join(words))
    return redirect(dataset)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def propose(request: StudioRequest, slug: str) -> HttpResponse:
    """Choose who proposes captions, what is asked, and for which pictures."""
    dataset = _made(request, slug)
    found = grid.Grid(dataset, grid.Filters.read(request.GET))
    form = ProposeForm(request.POST if request.method == "POST" else None, grid=found)
    if form.is_bound and form.is_valid():
        form.order(request.user)
        return redirect(dataset)
    context = {"dataset": dataset, "filters": found.filters, "form": form, "can_change": True}
    return render(request, "training/datasets/captions/propose.html", context, status=422 if form.is_bound else 200)


urlpatterns = [
    path("pictures/<int:pk>/", image, name="image"),
    path("pictures/<int:pk>/caption/", caption, name="caption"),
    path("pictures/<int:pk>/include/", include, name="include"),
    path("pictures/<int:pk>/rate/", rate, name="rate"),
    path("pictures/<int:pk>/remove/", remove, name="image-remove"),
    path("pictures/<int:pk>/restore/", restore, name="image-restore"),
    path("pictures/<int:pk>/proposal/", proposal, name="proposal"),
    path("pictures/<int:pk>/changes/<int:change>/", put_back, name="put-back"),
    path("<str:slug>/captions/", more, name="captions"),
    path("<str:slug>/captions/edit/", bulk, name="bulk"),
    path("<str:slug>/captions/preview/", bulk_preview, name="bulk-preview"),
    path("<str:slug>/captions/undo/<int:pk>/", undo, name="undo"),
    path("<str:slug>/tags/", tag_list, name="tags"),
    path("<str:slug>/proposals/", proposals, name="proposals"),
    path("<str:slug>/proposals/answer/", proposals_answer, name="proposals-answer"),
    path("<str:slug>/propose/", propose, name="propose"),
]
