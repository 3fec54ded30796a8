"""The pages of recipes, for curators: all of them, a workflow that becomes a form, its versions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.controls.models import Given
from generation.engines import lacks, roster
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from generation.recipes import accelerators, registry
from generation.recipes.models import OwnRecipe, OwnVersion
from generation.recipes.own import building, taking
from generation.recipes.own.building import NotShaped, Shape
from generation.recipes.own.looking import Workflow
from generation.recipes.own.taking import NotTaken
from generation.recipes.tasks import put_accelerator
from generation.workflows import drafting, engine_facts, history
from generation.workflows.drafting import NotPublished
from generation.workflows.forms import AddForm, Shaping, TryForm
from styles import accelerating
from styles.for_engines import family_title
from styles.forms import ImportForm
from styles.import_models import LoraImport
from stylestudio.images.decoding import BadPicture
from stylestudio.jobs.presses import once
from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, require_curator, visible, whole_number
from stylestudio.people.visibility import Visibility

TRIED = "a lighthouse in the fog"  # the prompt of a try if none is written


@require_GET
def recipes(request: StudioRequest) -> HttpResponse:
    """The studio's own recipes with the state of each, and those that came with it."""
    require_curator(request.user)
    own = OwnRecipe.objects.prefetch_related("versions").select_related("owner")
    shipped = [(recipe, family_title(recipe.family)) for recipe in registry.shipped().values()]
    context = {"own": [(recipe, list(recipe.versions.all())) for recipe in own], "shipped": shipped}
    return render(request, "generation/workflows/recipes.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def add(request: StudioRequest) -> HttpResponse:
    """Add a workflow: a new recipe, or with ?of= the next version of one."""
    require_curator(request.user)
    number = request.GET.get("of", "")
    recipe = get_object_or_404(OwnRecipe, pk=whole_number(number)) if number else None
    form = AddForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file: UploadedFile[bytes] = form.cleaned_data["workflow"]
        try:
            # One byte more than is taken: of a large file the rest is never read.
            version = drafting.add(file.read(taking.MOST_BYTES + 1), str(file.name), request.user, recipe)
        except (NotTaken, NotShaped) as refusal:
            form.add_error("workflow", str(refusal))
        else:
            return redirect(version)
    context = {"form": form, "recipe": recipe}
    return render(request, "generation/workflows/add.html", context, status=422 if form.is_bound else 200)


@require_POST
def accelerator(request: StudioRequest, pk: int) -> HttpResponse:
    """Put an imported LoRA on the engines as the accelerator of `recipe`, in the background."""
    require_curator(request.user)
    row = get_object_or_404(LoraImport.objects.visible_to(request.user), pk=pk)
    name = request.POST.get("recipe", "")
    if name not in {use.recipe for use in accelerating.uses_of(row) if not use.misfit}:
        return render(request, "styles/import.html", {"form": ImportForm(row=row)}, status=422)
    recipe = registry.shipped()[name]
    if not roster.serving():
        accelerating.note(row, str(recipe.title), _("No engine answers now."))
    elif not accelerators.wanting(recipe):
        words = _("All engines that answer have a file of this name already: %s. Discard this one.")
        accelerating.note(row, str(recipe.title), words % registry.files_of(recipe)[accelerators.ROLE])
    else:
        accelerating.note(row, str(recipe.title))
        transaction.on_commit(partial(put_accelerator, row.pk, name))
    if request.htmx:
        return render(request, "styles/_import_form.html", {"form": ImportForm(row=row)})
    return redirect(row)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def version(request: StudioRequest, pk: int) -> HttpResponse:
    """One version: the form that shapes a draft, or what a published one is. `then` says what follows the saving."""
    require_curator(request.user)
    found = _version(pk)
    if request.method != "POST":
        return _page(request, found, _shaping(found))
    if not found.is_draft:
        messages.warning(request, _("This version is published and changes no more. Make a new version."))
        return redirect(found)
    flow = drafting.flow_of(found)
    shaping = Shaping(flow, drafting.shape_of(found), request.POST)
    if not shaping.is_valid():
        return _page(request, found, shaping, status=422)
    try:
        shape = building.added(flow, shaping.decided(), request.POST.getlist("add"))
        _keep(request, found, flow, shape)
        return _after(request, found)
    except (NotShaped, NotPublished, BadPicture, ValidationError) as refusal:
        words = " ".join(refusal.messages) if isinstance(refusal, ValidationError) else str(refusal)
        return _page(request, found, shaping, status=422, trouble=words)


def _keep(request: StudioRequest, found: OwnVersion, flow: Workflow, shape: Shape) -> None:
    """Store the shape, if a recipe can be made of it."""
    building.document(flow, shape, found.recipe.name, found.number)
    facts = shape.facts()
    if facts != found.shape:
        found.shape_as(facts)
        history.note(request.user, found, history.CHANGED)
    drafting.recipe_of(found)


def _after(request: StudioRequest, found: OwnVersion) -> HttpResponse:
    match request.POST.get("then"):
        case "publish":
            drafting.publish(found, request.user)
            messages.success(request, _("%(version)s is published.") % {"version": found})
        case "try":
            return redirect(f"{found.get_absolute_url()}?tried={_try(request, found).pk}#tried")
        case _:
            messages.success(request, _("Saved."))
    return redirect(found)


def _try(request: StudioRequest, found: OwnVersion) -> GenerationTask:
    """Order one picture by the draft that only this person sees. Raises BadPicture, NotPublished, ValidationError."""
    words = _("An owner of the studio has to try this, because of what %s may do.")
    drafting.require_harmless(found, request.user, words)
    recipe = drafting.recipe_of(found)
    if recipe.only_edits:
        raise NotPublished(_("It needs a picture and a part of it that is marked. Publish it to try it under Edit."))
    trial = TryForm(request.POST, request.FILES, recipe=recipe)
    if not trial.is_valid():
        raise ValidationError(" ".join(str(words) for each in trial.errors.values() for words in each))
    pictures = trial.pictures(request.user)
    reference = pictures.pop("picture", None)
    words = trial.cleaned_data["prompt"] or TRIED
    order = Order(
        prompt=words, recipe=recipe, reference=reference, given=Given(asked=pictures), **orders.told(recipe.defaults)
    )
    return orders.place(order, request.user, visibility=Visibility.PRIVATE)


def _shaping(found: OwnVersion) -> Shaping:
    return Shaping(drafting.flow_of(found), drafting.shape_of(found))


def _page(
    request: StudioRequest, found: OwnVersion, shaping: Shaping, *, status: int = 200, trouble: str = ""
) -> HttpResponse:
    flow = shaping.flow
    keys = building.needed(flow, shaping.shape.output)
    kinds = {flow.nodes[key]["class_type"] for key in keys}
    packages = found.origin.get("packages", {})
    context: dict[str, Any] = {
        "version": found,
        "shaping": shaping,
        "trouble": trouble,
        "versions": found.recipe.versions.all(),
        "history": history.of(found.recipe),
        "dangers": drafting.dangers(found),
        "lacking": [
            (engine, [(kind, packages.get(kind, "")) for kind in absent])
            for engine, absent in engine_facts.lacking(kinds)
        ],
        **_as_recipe(request, found),
        "files": flow.files(keys),
        "left_out": len(flow.nodes) - len(keys) - 1,
        "is_told": bool(found.nodes),
    }
    if number := request.GET.get("tried", ""):
        job = visible(GenerationTask.everything.all(), request.user, pk=whole_number(number))
        context |= {"job": job, "socket_url": page_frame.socket_of(job)}
    return render(request, "generation/workflows/version.html", context, status=status)


def _as_recipe(request: StudioRequest, found: OwnVersion) -> dict[str, Any]:
    """What the page says of the recipe that a version is now, and how it is tried; why it is none."""
    try:
        recipe, lack = drafting.recipe_of(found), drafting.misfit(found)
    except NotShaped as refusal:
        return {"misfit": str(refusal)}
    trial = TryForm(request.POST or None, request.FILES or None, recipe=recipe)
    return {"misfit": lacks.lack_in_words(lack) if lack else "", "recipe": recipe, "trial": trial}


@require_POST
@once
def publish(request: StudioRequest, pk: int) -> HttpResponse:
    """Make new pictures with this version from now on, as it is stored."""
    return _done(request, pk, drafting.publish, _("%(version)s is published."))


@require_POST
@once
def archive(request: StudioRequest, pk: int) -> HttpResponse:
    """Stop offering this version."""
    return _done(request, pk, drafting.archive, _("%(version)s is archived."))


def _done(request: StudioRequest, pk: int, act: Callable[..., None], said: str) -> HttpResponse:
    require_curator(request.user)
    found = _version(pk)
    try:
        act(found, request.user)
    except (NotPublished, NotShaped) as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, said % {"version": found})
    return redirect(found)


@require_POST
@once
def renew(request: StudioRequest, pk: int) -> HttpResponse:
    """Begin the next version with what this one is."""
    require_curator(request.user)
    return redirect(drafting.renew(_version(pk), request.user))


@require_POST
@once
def discard(request: StudioRequest, pk: int) -> HttpResponse:
    """Delete a draft."""
    require_curator(request.user)
    found = _version(pk)
    try:
        drafting.discard(found, request.user)
    except NotPublished as refusal:
        messages.warning(request, str(refusal))
        return redirect(found)
    messages.success(request, _("The draft is discarded."))
    return redirect("generation:recipes")


@require_GET
def export(request: StudioRequest, pk: int) -> HttpResponse:
    """The version as one file, for another StyleStudio."""
    require_curator(request.user)
    found = _version(pk)
    response = HttpResponse(drafting.exported(found), content_type="application/json")
    name = f"{found.recipe.name}-v{found.number}.recipe.json"
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


def _version(pk: int) -> OwnVersion:
    return get_object_or_404(OwnVersion.objects.select_related("recipe"), pk=pk)


urlpatterns = [
    path("recipes/", recipes, name="recipes"),
    path("recipes/add/", add, name="recipe-add"),
    path("recipes/accelerators/<int:pk>/", accelerator, name="accelerator"),
    path("recipes/<int:pk>/", version, name="recipe"),
    path("recipes/<int:pk>/publish/", publish, name="recipe-publish"),
    path("recipes/<int:pk>/archive/", archive, name="recipe-archive"),
    path("recipes/<int:pk>/renew/", renew, name="recipe-renew"),
    path("recipes/<int:pk>/discard/", discard, name="recipe-discard"),
    path("recipes/<int:pk>/export/", export, name="recipe-export"),
]
