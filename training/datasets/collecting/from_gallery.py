"""Adding gallery pictures to a dataset: one from its own page, many from a wall; and which ones datasets have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from generation.gallery.query import Filters
from generation.gallery.views import wall_page
from generation.pictures.models import GeneratedImage
from generation.selecting.actions import Action, Outcome, counted
from stylestudio.forms.fields import StudioForm
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, changeable, is_curator, may_change, visible, whole_numbers
from training.datasets import picture_files
from training.datasets.collecting import intake
from training.datasets.collecting.intake import Arrival, Tally
from training.datasets.collecting.views import answer_with_counts
from training.datasets.models import MOST_CAPTION, Dataset, DatasetImage, SnapshotImage

MOST_OFFERED = 100  # datasets offered for a picture
MOST_CHOSEN = 60  # pictures added at a time: they are decoded while the person waits


def offer(request: StudioRequest, picture: GeneratedImage) -> str:
    """The fragment on a picture's page: the datasets that this person may add it to."""
    found = Dataset.objects.visible_to(request.user).order_by("-updated_at")
    if not is_curator(request.user):
        found = found.filter(owner=request.user)
    in_it = DatasetImage.objects.filter(dataset=OuterRef("pk"), picture=picture)
    context = {"picture": picture, "datasets": found.annotate(has_it=Exists(in_it))[:MOST_OFFERED]}
    return render_to_string("training/datasets/collecting/_add_to_dataset.html", context, request)


@require_POST
@once
def add_picture(request: StudioRequest, pk: int) -> HttpResponse:
    """Add a gallery picture to a dataset; its prompt becomes the caption."""
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    dataset = changeable(Dataset.objects.all(), request.user, slug=request.POST.get("into", ""))
    try:
        arrival = _arrival(picture)
    except (picture_files.BadPicture, FileNotFoundError) as error:
        raise Http404(_("The file of this picture cannot be read.")) from error
    (entry,) = intake.put(dataset, request.user, [arrival])
    said = {"added": _("The picture is in %s now."), "back": _("The picture is in %s again.")}
    text = said.get(entry.how, _("The picture was in %s already."))
    messages.success(request, entry.reason or text % dataset)
    return redirect(picture)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def choose(request: StudioRequest, slug: str) -> HttpResponse:
    """The gallery with a checkbox on every picture; on POST, add the ticked ones to the dataset."""
    dataset = changeable(Dataset.objects.all(), request.user, slug=slug)
    if request.method == "POST":
        return _take_chosen(request, dataset)
    context = wall_page(request, Filters.read(request.GET))
    address = reverse("training:choose", args=[dataset.slug])
    shown = [picture.pk for day in context["page"].days for picture in day.pictures]
    context |= {
        "dataset": dataset,
        "taken": set(dataset.images.filter(picture__in=shown).values_list("picture", flat=True)),
        "taken_words": _("In the dataset"),
        "tile": "generation/gallery/_choice.html",
        "wall_url": address,
        "page_url": address,
    }
    return render(
        request,
        "generation/gallery/_wall_page.html" if request.htmx else "training/datasets/collecting/choose.html",
        context,
    )


def _take_chosen(request: StudioRequest, dataset: Dataset) -> HttpResponse:
    pks = whole_numbers(request.POST.getlist("picture"))
    if not pks:
        messages.warning(request, _("Tick the pictures to add first."))
        return redirect("training:choose", dataset.slug)
    tally, arrivals = Tally(), []
    found = GeneratedImage.with_previews.visible_to(request.user).filter(pk__in=pks[:MOST_CHOSEN])
    for picture in found.select_related("task").order_by("pk"):
        try:
            arrivals.append(_arrival(picture))
        except (picture_files.BadPicture, FileNotFoundError):
            tally.refuse(_name(picture), _("The file of this picture cannot be read."))
    for entry in intake.put(dataset, request.user, arrivals):
        tally.count(entry)
    if len(pks) > MOST_CHOSEN and not tally.refused:
        said = _("The first %d are added, which is the most at a time. Tick the others once more.")
        messages.warning(request, said % MOST_CHOSEN)
        return redirect("training:choose", dataset.slug)
    return answer_with_counts(request, dataset, tally)


def uses(pictures: Sequence[int], person: User | None = None) -> Iterator[tuple[int, str]]:
    """Which of these pictures datasets and their frozen versions have, with a sentence for each."""
    seen = Dataset.everything.all() if person is None else Dataset.everything.visible_to(person)
    frozen = SnapshotImage.objects.filter(image=OuterRef("pk"))
    rows = DatasetImage.everything.filter(picture__in=pictures).annotate(is_frozen=Exists(frozen))
    rows = rows.filter(Q(deleted_at=None, dataset__deleted_at=None) | Q(is_frozen=True))
    # Sorted here: in the order of keys SQLite goes through all of them.
    found = sorted(set(rows.order_by().values_list("picture", "dataset", "is_frozen")))
    if not found:
        return
    names = dict(seen.filter(pk__in={dataset for _picture, dataset, _frozen in found}).values_list("pk", "name"))
    for picture, dataset, is_frozen in found:
        if dataset not in names:
            yield picture, _("In a dataset of somebody else")
        elif is_frozen:
            yield picture, _("In a frozen version of the dataset %(name)s") % {"name": names[dataset]}
        else:
            yield picture, _("In the dataset %(name)s") % {"name": names[dataset]}


# --- Many at once, from the selection bar


class IntoForm(StudioForm):
    """The dataset that pictures are added to."""

    into = forms.ModelChoiceField(
        Dataset.objects.none(), to_field_name="slug", label=gettext_lazy("Dataset"), empty_label=None
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        found = Dataset.objects.visible_to(user).order_by("-updated_at")
        # A queryset that is cut cannot be asked for one of them, so the newest are named by key.
        newest = found.filter(pk__in=_own(found, user).values("pk")[:MOST_OFFERED])
        cast(forms.ModelChoiceField, self.fields["into"]).queryset = newest  # type: ignore[type-arg]

    def clean(self) -> dict[str, Any]:
        """Its key: parameters are stored."""
        found: dict[str, Any] = super().clean() or {}
        return {"dataset": found["into"].pk} if "into" in found else {}


def _own(datasets: QuerySet[Dataset], user: User) -> QuerySet[Dataset]:
    return datasets if is_curator(user) else datasets.filter(owner=user)


def _read_many(user: User, pictures: Sequence[int], parameters: Mapping[str, Any]) -> list[Arrival | None]:
    """The pictures as arrivals, None for each file that cannot be read: decoded before the transaction begins."""
    found = GeneratedImage.with_previews.visible_to(user).filter(pk__in=pictures).select_related("task")
    by_key = found.order_by().in_bulk()
    arrivals: list[Arrival | None] = []
    for picture in (by_key[key] for key in pictures if key in by_key):
        try:
            arrivals.append(_arrival(picture))
        except (picture_files.BadPicture, FileNotFoundError):
            arrivals.append(None)
    return arrivals


def _add_many(
    user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: list[Arrival | None]
) -> Outcome:
    dataset = Dataset.objects.visible_to(user).filter(pk=parameters["dataset"]).first()
    arrivals = [each for each in prepared if each]
    if dataset is None or not may_change(user, dataset):
        for each in arrivals:
            if each.kept:
                intake.drop(each.kept)
        return Outcome(0, {}, {"gone": len(arrivals)})
    entries = intake.put(dataset, user, arrivals)
    added = [entry.image.pk for entry in entries if entry.image and entry.how in {"added", "back"}]
    left = Counter({"known": "known", "refused": "full"}[entry.how] for entry in entries if entry.how in _LEFT)
    left["unread"] += len(prepared) - len(arrivals)
    return Outcome(len(added), {"dataset": dataset.pk, "images": added}, dict(left))


_LEFT = {"known", "refused"}


def _take_out(user: User, changed: Mapping[str, Any]) -> int:
    dataset = Dataset.objects.visible_to(user).filter(pk=changed["dataset"]).first()
    if dataset is None or not may_change(user, dataset):
        return 0
    dataset.lock()
    number, _by_model = DatasetImage.objects.filter(dataset=dataset, pk__in=changed["images"]).delete()
    dataset.touch()
    return number


ADD_MANY = Action(
    name="dataset",
    title=gettext_lazy("Add to a dataset"),
    button=gettext_lazy("Add to dataset"),
    icon="datasets",
    done=counted(
        lambda n: ngettext(
            "%(number)s picture is in the dataset now.", "%(number)s pictures are in the dataset now.", n
        )
    ),
    undone=counted(
        lambda n: ngettext(
            "%(number)s picture is out of the dataset again.", "%(number)s pictures are out of the dataset again.", n
        )
    ),
    left={
        "known": counted(lambda n: ngettext("%(number)s was in it already.", "%(number)s were in it already.", n)),
        "full": counted(
            lambda n: ngettext(
                "%(number)s found no room: a dataset takes 2,000.",
                "%(number)s found no room: a dataset takes 2,000.",
                n,
            )
        ),
        "unread": counted(
            lambda n: ngettext("The file of %(number)s cannot be read.", "The files of %(number)s cannot be read.", n)
        ),
        "gone": counted(
            lambda n: ngettext(
                "The dataset of %(number)s is not there any more.",
                "The dataset of %(number)s is not there any more.",
                n,
            )
        ),
    },
    apply=_add_many,
    undo=_take_out,
    prepare=_read_many,
    form=IntoForm,
    at_once=12,  # decoded while the person waits
    size=24,
)


def _arrival(picture: GeneratedImage) -> Arrival:
    """The picture as an arrival, its file stored again. Raises BadPicture and FileNotFoundError."""
    with picture.file.open("rb") as file:
        kept = intake.keep(picture_files.take(file.read()))
    name = f"{_name(picture)}{PurePosixPath(kept.file).suffix}"
    return Arrival(name, kept.sha256, kept, picture.task.read[:MOST_CAPTION], picture)


def _name(picture: GeneratedImage) -> str:
    return f"{slugify(picture.task.prompt[:60], allow_unicode=True) or 'picture'}-{picture.seed}"


urlpatterns = [
    path("pictures/from-gallery/<int:pk>/", add_picture, name="add-picture"),
    path("<str:slug>/gallery/", choose, name="choose"),
]
