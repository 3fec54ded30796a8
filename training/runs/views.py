"""Trainings: the list, a new one, one while it runs and afterwards, and its checkpoints."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from stylestudio.comfy.file_names import distinct
from stylestudio.edge.downloads import zipped
from stylestudio.jobs.presses import number_of, once
from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, changeable, may_change, require_maker, visible, whole_number
from training.datasets import queries
from training.runs import configuration, known_trainers, parameters, tasks
from training.runs.models import Checkpoint, TrainingJob
from training.runs.placing import place_run
from training.runs.placing.forms import TrainingForm, belonging, offered, proposed
from training.runs.running import checkpoints, live_course, runner, samples
from training.runs.trainer import TrainerFailed

PAGE = 30
LOG_BLOCKS = 400
MOST_BASES = 500  # checkpoints suggested by the form; others can be typed


@require_GET
def trainings(request: StudioRequest) -> HttpResponse:
    """All trainings, newest first. ?before= is where older ones start."""
    jobs = TrainingJob.objects.visible_to(request.user).select_related("owner", "engine", "resumes").order_by("-pk")
    if before := request.GET.get("before", ""):
        jobs = jobs.filter(pk__lt=whole_number(before))
    found = list(jobs[: PAGE + 1])
    runner.gather(found)
    context = {
        "jobs": found[:PAGE],
        "more": found[PAGE - 1].pk if len(found) > PAGE else None,
        "socket_url": page_frame.socket_url("all"),
    }
    return render(request, "training/runs/trainings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def new_run(request: StudioRequest) -> HttpResponse:
    """The form of a new training; ?dataset= preselects one, ?from= copies the settings of another training."""
    if request.method != "POST":
        return _form_page(request, TrainingForm(_begin(request), user=request.user), asked=False)
    form = TrainingForm(request.POST, user=request.user)
    if "show" in request.POST or not form.is_valid():
        return _form_page(request, form, asked="show" not in request.POST)
    if form.outlook.problems:
        return _form_page(request, form, asked=True)
    try:
        job = form.start(number_of(request))
    except ValidationError as error:
        form.add_error(None, error.messages)
        return _form_page(request, form, asked=True)
    return redirect(job)


def _begin(request: StudioRequest) -> dict[str, Any]:
    """The form's initial values."""
    begin: dict[str, Any] = {}
    if number := request.GET.get("from", ""):
        other = visible(
            TrainingJob.objects.select_related("snapshot__dataset", "style"), request.user, pk=whole_number(number)
        )
        dataset = other.snapshot.dataset
        begin = {
            "dataset": str(dataset.pk),
            "style": other.style.slug,
            "trigger_words": other.trigger_words,
            "trainer": other.trainer,
            "preset": other.config.get("preset", parameters.DEFAULT_PRESET),
            "base": other.base,
            "probe": [prompt for prompt, _seed in other.probes],
            "leave_out": " ".join(map(str, other.left_out)),
            **{f"set-{name}": value for name, value in other.config.items()},
        }
        begin["shown"] = belonging(begin["preset"], begin["trainer"], begin["dataset"])
        return begin
    datasets = offered(request.user)
    slug = request.GET.get("dataset", "")
    if datasets:
        chosen = next((each for each in datasets if each.slug == slug), datasets[0])
        begin = {"dataset": str(chosen.pk), **proposed(chosen, request.user)}
    return begin


def _form_page(request: StudioRequest, form: TrainingForm, *, asked: bool) -> HttpResponse:
    if not asked:
        form.errors.clear()
    elif not form.outlook.problems:
        form.point_at_mistake()
    shelf = form.dataset_cards(queries.cards(request.user, form.near_datasets))
    context = {**_around(request, form), "datasets": shelf, "refused": asked}
    return render(request, "training/runs/new_run.html", context, status=422 if asked else 200)


def _around(request: StudioRequest, form: TrainingForm) -> dict[str, Any]:
    values = form.values
    names = [name for name in ("steps", "rank", "learning_rate", "batch_size") if name in values]
    able = {engine.pk: engine for trainer in known_trainers.offered() for engine in trainer.able()}
    known = distinct(name for engine in able.values() for name in engine.checkpoints)
    return {
        "form": form,
        "summary": " · ".join(f"{parameters.setting(name).label} {values[name]}" for name in names),
        "settings_open": bool(form.settings.errors),
        "outlook": form.outlook,
        "request_id": form.raw("request_id") or uuid.uuid4(),
        "bases": sorted(known)[:MOST_BASES],
    }


@require_POST
def plan(request: StudioRequest) -> HttpResponse:
    """What would happen with the form's current values.

    Also the settings, if another preset was chosen, and what is proposed for another dataset.
    """
    form = TrainingForm(request.POST, user=request.user)
    is_other = form.follow_dataset()
    context = {**_around(request, form), "is_other_dataset": is_other}
    form.errors.clear()
    return render(request, "training/runs/_planned.html", context)


def _runs() -> QuerySet[TrainingJob]:
    return TrainingJob.objects.select_related("style", "engine", "owner", "snapshot__dataset", "resumes__job")


def _run(request: StudioRequest, pk: int) -> TrainingJob:
    return visible(_runs(), request.user, pk=pk)


def _changeable(request: StudioRequest, pk: int) -> TrainingJob:
    return changeable(_runs(), request.user, pk=pk)


def _frame(request: StudioRequest, job: TrainingJob, tab: str) -> dict[str, Any]:
    from training.runs.running import loss_curve  # with numpy, only once there is a training

    return {
        "job": job,
        "tab": tab,
        "chart": loss_curve.chart(job),
        "checkpoints": checkpoints.listed(job),
        "can_change": may_change(request.user, job),
        "socket_url": page_frame.socket_of(job),
    }


@require_GET
def show_run(request: StudioRequest, pk: int) -> HttpResponse:
    """One training: progress, samples, curve, checkpoints."""
    job = _run(request, pk)
    return render(request, "training/runs/run.html", {**_frame(request, job, "overview"), "rows": samples.table(job)})


@require_GET
def config(request: StudioRequest, pk: int) -> HttpResponse:
    """The settings, and how another training's differ: ?with=."""
    job = _run(request, pk)
    wanted = request.GET.get("with", "")
    other = _run(request, whole_number(wanted)) if wanted else None
    trainer = known_trainers.find(job.trainer)
    others = TrainingJob.objects.visible_to(request.user).exclude(pk=pk).order_by("-pk")[:PAGE]
    context = {
        **_frame(request, job, "config"),
        "rows": configuration.configuration(job, other),
        "other": other,
        "others": others,
        "command": trainer.command(live_course.AskedCourse(job)) if trainer else "",
        "export_note": trainer.export_note if trainer else "",
    }
    return render(request, "training/runs/run_config.html", context)


@require_GET
def export(request: StudioRequest, pk: int) -> StreamingHttpResponse | HttpResponse:
    """A zip of everything that another machine needs for the same training, if its trainer exports such.

    It is built while it is sent.
    """
    job = _run(request, pk)
    trainer = known_trainers.find(job.trainer)
    if trainer is None or not trainer.export_note:
        raise Http404(_("Only runs with sd-scripts are exported like this. Export the dataset instead."))
    try:
        files = trainer.exported(live_course.AskedCourse(job))
    except (TrainerFailed, OSError) as error:  # a picture is too small for any bucket
        messages.warning(request, str(error))
        return redirect("training:run-config", pk)
    return zipped(f"training-{pk}.zip", files)


@require_GET
def log(request: StudioRequest, pk: int) -> HttpResponse:
    """The end of the trainer's log; ?all=1 downloads the whole."""
    job = _run(request, pk)
    if request.GET.get("all"):
        text = "\n".join(job.log.values_list("text", flat=True))
        headers = {"Content-Disposition": f'attachment; filename="training-{pk}.log"'}
        return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
    blocks = list(job.log.order_by("-pk")[:LOG_BLOCKS])[::-1]
    return render(request, "training/runs/run_log.html", {**_frame(request, job, "log"), "blocks": blocks})


@require_http_methods(["GET", "HEAD", "POST"])
def epochs(request: StudioRequest, pk: int) -> HttpResponse:
    """The epoch report for ?prompt=N; POST orders its pictures."""
    if request.method == "POST":
        tasks.ask_for_report(_changeable(request, pk).pk, request.user.pk)
        messages.success(request, _("The pictures of the report are being made."))
        return redirect("training:run-epochs", pk)
    from training.runs import epoch_report  # with numpy, only once there is a training

    job = _run(request, pk)
    probe = min(whole_number(request.GET.get("prompt", "0")), max(0, len(job.probes) - 1))
    context = {
        **_frame(request, job, "epochs"),
        "report": epoch_report.report(job, probe),
        "strengths": epoch_report.STRENGTHS,
        "prompts": [(place, prompt) for place, (prompt, _seed) in enumerate(job.probes)],
    }
    return render(request, "training/runs/run_epochs.html", context)


@require_POST
def stop(request: StudioRequest, pk: int) -> HttpResponse:
    """Stop with the next checkpoint, or at once with wish=force."""
    job = _changeable(request, pk)
    wish = TrainingJob.Stop.FORCE if request.POST.get("wish") == "force" else TrainingJob.Stop.KEEP
    if not runner.stop(job, wish):
        messages.info(request, _("It had ended already."))
    return _back(request, job)


@require_POST
def resume(request: StudioRequest, pk: int) -> HttpResponse:
    """Resume from the last checkpoint, as a new training."""
    job = _changeable(request, pk)
    try:
        again = place_run.resume(job, request.user)
    except ValidationError as error:
        messages.warning(request, error.messages[0])
        return _back(request, job)
    return HttpResponseClientRedirect(again.get_absolute_url()) if request.htmx else redirect(again)


@require_POST
def sample(request: StudioRequest, pk: int) -> HttpResponse:
    """Make the missing samples of the last checkpoint and of the base model."""
    job = _changeable(request, pk)
    last = job.checkpoints.filter(deleted_at=None).select_related("version__style").last()
    samples.ask(job, None, 0.0, request.user)
    if last:
        samples.ask(job, last, samples.USUAL, request.user)
    words = _("The samples are made now.") if last else _("There is no checkpoint yet; the base model is shown.")
    messages.success(request, words)
    return _back(request, job)


def _checkpoint(request: StudioRequest, pk: int) -> Checkpoint:
    return visible(Checkpoint.objects.select_related("job__snapshot__dataset", "version__style"), request.user, pk=pk)


@require_GET
def checkpoint(request: StudioRequest, pk: int) -> HttpResponse:
    """One checkpoint on its own page, with everything that can be done with it."""
    found = _checkpoint(request, pk)
    job = found.job
    can_change = may_change(request.user, job)
    context = {"checkpoint": found, "job": job, "row": samples.Board.of(job).row(found), "can_change": can_change}
    return render(request, "training/runs/checkpoint.html", context)


@require_POST
@once
def use(request: StudioRequest, pk: int) -> HttpResponse:
    """Make a style version of a checkpoint: published, or with draft=1 a draft."""
    found = _checkpoint(request, pk)
    require_maker(request.user, found.job)
    require_maker(request.user, found.version.style)
    try:
        version = checkpoints.use(found, request.user, publish=not request.POST.get("draft"))
    except ValidationError as error:
        messages.warning(request, error.messages[0])
        return _back(request, found.job)
    messages.success(request, _("%(version)s is ready. Its previews are being made.") % {"version": version})
    address = version.style.get_absolute_url()
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@require_POST
def star(request: StudioRequest, pk: int) -> HttpResponse:
    """Star a checkpoint, or remove the star. Starred ones are not deleted."""
    found = _checkpoint(request, pk)
    require_maker(request.user, found.job)
    Checkpoint.objects.filter(pk=pk).update(starred=not found.starred)
    return _back(request, found.job)


@require_POST
def delete_checkpoint(request: StudioRequest, pk: int) -> HttpResponse:
    """Delete the file of a checkpoint to make room."""
    found = _checkpoint(request, pk)
    require_maker(request.user, found.job)
    try:
        checkpoints.remove(found)
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    return _back(request, found.job)


def _back(request: StudioRequest, job: TrainingJob) -> HttpResponse:
    """Back to the page of the training, which shows the result."""
    return HttpResponseClientRedirect(job.get_absolute_url()) if request.htmx else redirect(job)


urlpatterns = [
    path("", trainings, name="trainings"),
    path("new/", new_run, name="new-run"),
    path("plan/", plan, name="plan"),
    path("<int:pk>/", show_run, name="run"),
    path("<int:pk>/config/", config, name="run-config"),
    path("<int:pk>/log/", log, name="run-log"),
    path("<int:pk>/epochs/", epochs, name="run-epochs"),
    path("<int:pk>/export/", export, name="run-export"),
    path("<int:pk>/stop/", stop, name="run-stop"),
    path("<int:pk>/resume/", resume, name="run-resume"),
    path("<int:pk>/sample/", sample, name="run-sample"),
    path("checkpoints/<int:pk>/", checkpoint, name="checkpoint"),
    path("checkpoints/<int:pk>/use/", use, name="checkpoint-use"),
    path("checkpoints/<int:pk>/star/", star, name="checkpoint-star"),
    path("checkpoints/<int:pk>/delete/", delete_checkpoint, name="checkpoint-delete"),
]
