"""The pages of Studio and of jobs. A page URL returns a page; a fragment has its own URL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from generation.making import fetching, runner, tasks
from generation.masks.facts import of_snapshot
from generation.ordering import drafts, forms, honouring, order_page, orders, picture_files, recipe_fields, references
from generation.ordering.control_form import fields as control_fields
from generation.ordering.control_form import readings
from generation.ordering.english_form import fields as english_fields
from generation.ordering.orders import Ingredient, Order
from generation.ordering.style_wishes import transparency
from generation.ordering.variations import on_studio
from generation.pictures import job_cards, signals
from generation.pictures.models import MOST_PROMPT, GeneratedImage, GenerationTask, Reference
from generation.recipes import registry
from styles.forms import PresetForm
from styles.models import Preset, Style
from stylestudio.edge import page_memory
from stylestudio.images.decoding import BadPicture
from stylestudio.jobs import kinds
from stylestudio.jobs.presses import number_of, once_with_page
from stylestudio.live import page_frame, publisher
from stylestudio.live.toasts import toast
from stylestudio.people.access import StudioRequest, changeable, require_curator, visible, whole_number
from stylestudio.queue import work_pages

A_DAY = 24 * 60 * 60  # seconds
RECENT = 20  # jobs in the live column; older ones are in the gallery


@require_GET
def studio(request: StudioRequest) -> HttpResponse:
    """The form, filled from the picture, job, style or prompt in the query string, and the live column."""
    if edited := _edited(request):
        return redirect(edited)
    values, remarks = _prefill(request)
    form = forms.OrderForm(user=request.user, initial=values)
    if number := request.GET.get("task"):
        forms.explain(form, visible(GenerationTask.everything.all(), request.user, pk=whole_number(number)))
    return _studio(request, form, remarks=remarks)


@require_POST
def generate(request: StudioRequest) -> HttpResponse:
    """Place an order. htmx gets the job's card, a plain form the Studio page with the card on top."""
    data = request.POST.copy()
    recipe_fields.swap(data)
    form = forms.OrderForm(data, request.FILES, user=request.user)
    is_valid = form.is_valid()
    drafts.keep(data, request.user, form.kept())
    if not is_valid:
        return _invalid(request, form)
    try:
        order = form.order()
        task = orders.place(order, request.user, request_id=_press_of(request, order, form.cleaned_data["request_id"]))
    except ValidationError as error:
        forms.complain(form, error)
        return _invalid(request, form)
    if not request.htmx:
        return redirect(task)
    context = {"job": task, "request_id": uuid.uuid4(), "form": form, "oob": True}
    context |= references.shown(task.reference, request.user)
    return render(request, "generation/ordering/_placed.html", context)


def _press_of(request: StudioRequest, order: Order, form_id: uuid.UUID | None) -> uuid.UUID | None:
    """The id of this press: the form's own, or a new one if another order has already used that."""
    mine = GenerationTask.everything.visible_to(request.user).filter(owner=request.user)
    earlier = mine.filter(request_id=form_id).first() if form_id else None
    # A page left behind by an order and reached with Back still has the old id.
    return form_id if earlier is None or orders.is_same(earlier, order) else number_of(request)


@require_POST
def compose(request: StudioRequest) -> HttpResponse:
    """Answer a change of the form with what follows from it: chips, final prompt, mix, readiness; and remember it.

    With `renew` nothing was changed but the queue or an engine: another page may hold a newer form.
    """
    data = request.POST.copy()
    before = recipe_fields.shown(data).family
    swapped = recipe_fields.swap(data)
    forms.press(data, request.user)
    # What is stored from here on, the draft and a chosen file, is nothing that a page remembers.
    with page_memory.remembering():
        is_switched = transparency.follow(data, forms.picked(data, request.user))
        return _composed(request, data, before, is_swapped=swapped, is_switched=is_switched)


def _composed(
    request: StudioRequest, data: QueryDict, before: str, *, is_swapped: bool, is_switched: bool
) -> HttpResponse:
    form = forms.OrderForm(data, request.FILES, user=request.user)
    values = {**data.dict(), "mix": form.mix}
    if not request.htmx:
        form.is_valid()  # a chosen file must not be lost
        values |= form.kept()
        readings.pressed(values, request.user)
        drafts.keep(data, request.user, form.kept())
        return _studio(request, forms.OrderForm(user=request.user, initial=values), every_style="every_style" in data)
    readings.pressed(values, request.user)
    if "renew" not in data:
        drafts.keep(data, request.user)
    quiet = forms.OrderForm(user=request.user, initial=values)
    filled = is_swapped or any(name in request.POST for name in ("use_preset", "drop_preset", "own_shape"))
    context = {**order_page.around(quiet), "oob": True, "filled": filled}
    context["is_switched"] = is_switched
    context["is_other_family"] = before != quiet.made_by.family
    context["english_moves"] = english_fields.moves(request.POST, quiet)
    return render(request, "generation/ordering/_composed.html", context)


@require_GET
def other_styles(request: StudioRequest) -> HttpResponse:
    """The cards of the picker that are not on the page yet: those but ?shown=1,2. The page names their digest too."""
    shown = {whole_number(number) for number in request.GET.get("shown", "").split(",") if number}
    recipe = registry.named(request.GET.get("recipe", registry.DEFAULT))
    styles = order_page.other_styles(request.user, recipe, shown)
    response = render(request, "generation/ordering/_style_cards.html", {"styles": styles})
    # What has changed since the page was made is not what its digest stands for.
    is_named = request.GET.get("like") == order_page.likeness(styles)
    patch_cache_control(response, private=True, max_age=A_DAY if is_named else 0)
    return response


@require_POST
@once_with_page
def save_preset(request: StudioRequest) -> HttpResponse:
    """Save the form's values as a preset of the first style in the mix, else of the base style."""
    data = request.POST.copy()
    mix = forms.picked(data, request.user)
    style = mix[0].version.style if mix else visible(Style.objects.all(), request.user, is_base=True)
    form = forms.OrderForm(user=request.user, initial={**data.dict(), "mix": mix})
    width, height = form.sides or (0, 0)
    # A size that its preset has already is one that it may be saved with.
    preset = Preset(style=style, owner=request.user, position=style.presets.count(), width=width, height=height)
    is_own = data.get("shape") == forms.CUSTOM
    wish = PresetForm(_preset_fields(data) | ({"shape": preset.shape} if is_own else {}), instance=preset)
    if is_own and not form.sides:
        wish.full_clean()
        wish.add_error(None, orders.no_size())
    if wish.store():
        data["preset"] = preset.name
        drafts.keep(data, request.user)
        messages.success(request, _("The preset is saved for %(style)s.") % {"style": style.title})
        form = forms.OrderForm(user=request.user, initial={**data.dict(), "mix": mix})
    for messages_of_field in wish.errors.values():
        forms.say(form, "preset_name", messages_of_field)
    context = order_page.around(form)
    status = 422 if wish.errors else 200
    if request.htmx:
        return render(request, "generation/ordering/_preset_saved.html", {**context, "oob": True}, status=status)
    return render(request, "generation/ordering/studio.html", {**context, **_live(request)}, status=status)


@require_POST
def reference(request: StudioRequest) -> HttpResponse:
    """Store a reference as soon as it is chosen, so that errors show before Generate."""
    file = request.FILES.get("reference")
    return _taken(request, lambda: references.add_reference(file, request.user) if file else None)


@require_POST
def reference_from_picture(request: StudioRequest, pk: int) -> HttpResponse:
    """Start from a picture of the gallery, and keep the rest of the form."""
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    return _taken(request, lambda: references.reference_from(picture, request.user))


def _taken(request: StudioRequest, take: Callable[[], Reference | None]) -> HttpResponse:
    """The place of the reference, with what `take` stored or why it could not."""
    form = forms.OrderForm(user=request.user)
    context: dict[str, Any] = {"form": form}
    status = 200
    try:
        context |= references.shown(take(), request.user)
    except BadPicture as error:
        forms.say(form, "reference", str(error))
        status = 422
    return render(request, "generation/ordering/_reference.html", context, status=status)


@require_GET
def live_column(request: StudioRequest) -> HttpResponse:
    """The live column for "Mine" or "Everyone", with a socket for the same jobs."""
    return render(request, "generation/ordering/_live.html", {**_live(request), "oob": True})


@require_POST
def clear(request: StudioRequest) -> HttpResponse:
    """Take my finished jobs off the live column. Their pictures stay in the gallery."""
    mine = GenerationTask.everything.visible_to(request.user).ended().filter(owner=request.user, cleared_at=None)
    mine.update(cleared_at=timezone.now())
    if not request.htmx:
        return redirect("generation:studio")
    return render(request, "generation/ordering/_live.html", _live(request))


@require_GET
def job(request: StudioRequest, pk: int) -> HttpResponse:
    """One job on its own page; without JavaScript the page reloads while the job runs."""
    task = visible(GenerationTask.everything.all(), request.user, pk=pk)
    return work_pages.shown(request, task, "generation/ordering/job.html")


@require_GET
def job_card(request: StudioRequest, pk: int) -> HttpResponse:
    """The card alone."""
    task = visible(GenerationTask.everything.all(), request.user, pk=pk)
    return render(request, "generation/ordering/_job.html", {"job": task})


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel this job only, waiting or running. Finished pictures stay."""
    task = changeable(GenerationTask.everything.all(), request.user, pk=pk)
    if task.cancel():
        publisher.changed(task)
        publisher.counts_changed()
        runner.publish_waiting()
        signals.ended.send(GenerationTask, task=task)
    return _answer(request, task)


@require_POST
def cancel_waiting(request: StudioRequest) -> HttpResponse:
    """Cancel all my waiting jobs. Running ones go on."""
    waiting = list(GenerationTask.everything.visible_to(request.user).waiting().filter(owner=request.user))
    cancelled = [task for task in waiting if task.withdraw()]
    for task in cancelled:
        publisher.changed(task)
        signals.ended.send(GenerationTask, task=task)
    if cancelled:
        publisher.counts_changed()
        runner.publish_waiting()
    said = ngettext("%(number)d waiting job is cancelled.", "%(number)d waiting jobs are cancelled.", len(cancelled))
    return toast(request, said % {"number": len(cancelled)} if cancelled else _("No job of yours is waiting."))


@require_POST
def move_to_front(request: StudioRequest, pk: int) -> HttpResponse:
    """Make this job the next one. Curators only, because it overtakes other people's."""
    task = visible(GenerationTask.everything.all(), request.user, pk=pk)
    require_curator(request.user)
    if task.move_to_front():
        publisher.changed(task)
        runner.publish_waiting()
    return _answer(request, task)


@require_POST
def retry(request: StudioRequest, pk: int) -> HttpResponse:
    """Make the missing pictures of an ended job, with the same settings and seeds."""
    return _retried(request, pk, orders.retry)


@require_POST
def retry_smaller(request: StudioRequest, pk: int) -> HttpResponse:
    """Make the missing pictures of an ended job in the next smaller size, with the same seeds."""
    return _retried(request, pk, orders.retry_smaller)


@require_POST
def fetch_again(request: StudioRequest, pk: int) -> HttpResponse:
    """Fetch the pictures that engines have made of an ended job. Nothing is made anew."""
    task = changeable(GenerationTask.everything.all(), request.user, pk=pk)
    if fetching.fetch_again(task):
        publisher.announce(task, tasks.look_again)
        signals.reopened.send(GenerationTask, task=task)
        return _answer(request, visible(GenerationTask.everything.all(), request.user, pk=task.pk))
    return _told(request, task, _("No engine has a picture of this job that could be fetched."))


def _retried(request: StudioRequest, pk: int, make: Callable[[GenerationTask, User], GenerationTask]) -> HttpResponse:
    """Show the new job on the page the person is on."""
    task = changeable(GenerationTask.everything.all(), request.user, pk=pk)
    try:
        again = make(task, request.user)
    except ValidationError as error:
        return _told(request, task, " ".join(error.messages))
    if request.htmx:
        response = render(request, "generation/ordering/_job.html", {"job": again})
        return (
            reswap(retarget(response, "#jobs"), "afterbegin")
            if on_studio(request)
            else HttpResponseClientRedirect(again.get_absolute_url())
        )
    return redirect(again)


def _told(request: StudioRequest, task: GenerationTask, words: str) -> HttpResponse:
    """The current card, with a toast that says why nothing was made."""
    if not request.htmx:
        messages.warning(request, words)
        return _answer(request, task)
    response = _answer(request, task)
    response.write(render_to_string("shell/_toast.html", {"message": words, "oob": True}, request))
    return response


def _answer(request: StudioRequest, task: GenerationTask) -> HttpResponse:
    """The current card; without htmx, a redirect to the job's page."""
    if not request.htmx:
        return redirect(task)
    kind = kinds.kind_of(task)
    wants_row = (request.htmx.target or "").startswith("row-")
    return render(request, kind.fragments[1 if wants_row else 0], {"job": task})


def _studio(
    request: StudioRequest,
    form: forms.OrderForm,
    status: int = 200,
    *,
    every_style: bool = False,
    remarks: Sequence[str] = (),
) -> HttpResponse:
    context = {**order_page.around(form), **_live(request), "remarks": remarks}
    if every_style:
        context |= {"first_styles": context["styles"], "other_styles": ""}
    return render(request, "generation/ordering/studio.html", context, status=status)


def _invalid(request: StudioRequest, form: forms.OrderForm) -> HttpResponse:
    """The form with its errors, all input retained."""
    if not request.htmx:
        return _studio(request, form, status=422)
    response = render(request, "generation/ordering/_compose.html", order_page.around(form), status=422)
    return reswap(retarget(response, "#compose-form"), "outerHTML")


def _live(request: StudioRequest) -> dict[str, Any]:
    """The live column's rows: newest first, without cleared ones."""
    who = "all" if request.GET.get("who") == "all" else "mine"
    tasks = GenerationTask.objects.visible_to(request.user).filter(cleared_at=None)
    tasks = tasks.select_related("owner", "reference")
    if who == "mine":
        tasks = tasks.filter(owner=request.user)
    found = list(tasks[:RECENT])
    job_cards.gather(found)
    waiting = sum(1 for task in found if task.is_active)
    return {"jobs": found, "who": who, "active": waiting, "socket_url": page_frame.socket_url(who)}


def _prefill(request: StudioRequest) -> tuple[dict[str, Any], list[str]]:
    """The form's initial values, and what could not be filled in as it was: as this person left it, and into that what
    the address names.

    ?picture=, ?task= and ?settings= replace all of it; ?style=, ?reference=, ?control=, ?start=, ?preset= and ?prompt=
    only their part.
    """
    query = request.GET
    values = drafts.filled(request.user)
    remarks: list[str] = []
    if number := query.get("picture"):
        picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=whole_number(number))
        values, remarks = _like(request, picture.task, picture.seed)
    elif number := query.get("task"):
        values, remarks = _like(
            request, visible(GenerationTask.everything.all(), request.user, pk=whole_number(number))
        )
    elif key := query.get("settings"):
        values, remarks = _from_file(request, key)
    elif (slug := query.get("style")) and (mix := _one(slug, request)):
        values |= {"mix": mix, "lost": ""}
        transparency.follow(values, mix)
    if pk := picture_files.started_from(query.get("start", "")):
        values |= {"mode": GenerationTask.Mode.IMAGE, "reference_id": references.ticket(pk, request.user)}
    if number := query.get("reference"):
        values |= _from_picture(request, whole_number(number), "reference_id", mode=GenerationTask.Mode.IMAGE)
    if number := query.get("control"):
        values |= _from_picture(request, whole_number(number), "control_id", **control_fields.BEGIN)
    if number := query.get("preset"):
        values |= forms.preset_named(number, request.user, values.get("recipe", ""))
    if prompt := query.get("prompt"):
        values["prompt"] = prompt[:MOST_PROMPT]
    return values, remarks


def _edited(request: StudioRequest) -> str:
    """The address of the editor if ?picture= or ?task= names an edit, whose settings belong there; "" if not."""
    tasks = GenerationTask.everything.visible_to(request.user).filter(mode=GenerationTask.Mode.IMAGE)
    if number := request.GET.get("picture"):
        tasks = tasks.filter(pictures=whole_number(number))
    elif number := request.GET.get("task"):
        tasks = tasks.filter(pk=whole_number(number))
    else:
        return ""
    task = tasks.first()
    facts = of_snapshot(task.snapshot) if task else None
    return f"{reverse('generation:edit', args=[facts.source])}?again={task.pk}" if task and facts else ""


def _like(request: StudioRequest, task: GenerationTask, seed: int | None = None) -> tuple[dict[str, Any], list[str]]:
    """The values of a task, or of one picture of it with this seed."""
    if task.taken_over is not None:
        made = honouring.honour(task.taken_over, request.user)
        return made.values, made.said
    order, said = orders.order_or_nearest(task)
    return _again(order if seed is None else orders.with_seed(order, seed), request), said


def _from_file(request: StudioRequest, key: str) -> tuple[dict[str, Any], list[str]]:
    found = picture_files.kept(request, key)
    if found is None:
        messages.warning(request, _("The settings of this file are not here any more. Drop it once more."))
        return {}, []
    made = honouring.honour(found, request.user)
    return made.values, made.said


def _again(order: Order, request: StudioRequest) -> dict[str, Any]:
    """The form's values for an order that was made before; the page says that its seed makes the same picture again.

    With ?seed=new it is let go.
    """
    values = forms.initial_of(order, request.user)
    is_let_go = request.GET.get("seed") == "new"
    return values | ({"seed": None} if is_let_go else {"let_go": f"?{request.GET.urlencode()}&seed=new"})


def _one(slug: str, request: StudioRequest) -> tuple[Ingredient, ...]:
    style = next((style for style in forms.offered(request.user) if style.slug == slug and not style.is_base), None)
    if style is None or style.version is None:
        if not Style.objects.visible_to(request.user).filter(slug=slug).exists():
            messages.warning(request, _("There is no style of this name any more."))
        return ()
    return (Ingredient(style.version, style.version.default_strength),)


def _from_picture(request: StudioRequest, pk: int, name: str, **more: str) -> dict[str, Any]:
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    try:
        found = references.reference_from(picture, request.user)
    except BadPicture as error:
        messages.warning(request, str(error))
        return {}
    return {name: references.ticket(found.pk, request.user), **more}


def _preset_fields(data: QueryDict) -> dict[str, str]:
    """The form's values under a preset's field names."""
    names = {"name": "preset_name", "prefix": "before", "suffix": "after"}
    values = {field: str(data.get(names.get(field, field), "")) for field in PresetForm.base_fields}
    # Its steps are those of the default recipe.
    is_other = registry.named(data.get("recipe", "")).name != registry.DEFAULT
    return values | ({"steps": str(registry.default().defaults["steps"])} if is_other else {})
