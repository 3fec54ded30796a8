"""Every form of the studio: what its page promises the server keeps, and what is said is tied to what it is about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client, RequestFactory
from django.utils.html import escape

from generation.atlases.forms import SheetForm
from generation.changing.forms import ChangeForm, CutOutForm, ScaleUpForm
from generation.derivations.forms import FinishForm
from generation.derivations.forms import PresetForm as ExportPresetForm
from generation.derivations.models import ExportPreset
from generation.derivations.steps.catalogue import STEPS
from generation.editing.forms import EditForm
from generation.gallery.forms import FilterNameForm, OverlayForm, SearchForm
from generation.keeping.forms import BoardForm, NewBoardForm
from generation.keeping.models import Board
from generation.lists.forms import (
    GridForm,
    ListDownloadForm,
    ListForm,
    ListSettingsForm,
    NewListForm,
    WordsForm,
)
from generation.lists.models import OrderList
from generation.ordering.control_form.fields import ControlFields
from generation.ordering.english_form.fields import EnglishFields
from generation.ordering.forms import OrderForm
from generation.recipes.own import building
from generation.recipes.own.looking import Workflow
from generation.selecting.forms import DownloadForm
from generation.selecting.keeping_actions import OntoForm, StarsForm
from generation.workflows.forms import AboutForm, AddForm, FieldForm, Shaping, TryForm
from styles.forms import ImportForm, PresetForm, SafeRangeForm, StrengthForm, StyleForm
from styles.import_models import LoraImport
from styles.models import Preset, Style, StyleVersion
from stylestudio.forms.fields import StudioFields, StudioForm
from stylestudio.people import accounts
from stylestudio.uploads.views import StartForm
from tests.forms.drawn import Drawn
from tests.generation.browsing import picture_of, place
from tests.generation.workflows.graphs import fourteen
from tests.styles.bringing import send, weights
from training.datasets.captions.forms import BulkForm, OneSentence, ProposeForm
from training.datasets.captions.grid import Filters, Grid
from training.datasets.collecting.from_gallery import IntoForm
from training.datasets.crops.forms import ColourForm, CropForm, crop_form
from training.datasets.forms import DatasetForm
from training.datasets.models import Dataset
from training.datasets.versions.views import FreezeForm
from training.runs import parameters
from training.runs.placing.forms import TrainingForm
from training.runs.placing.settings_form import SettingsForm

pytestmark = pytest.mark.django_db

PROJECT = ("stylestudio.", "styles.", "generation.", "training.")
ADMINS = (".admin",)  # drawn by Django's admin
ABSTRACT = {StudioForm, OneSentence, ListForm, ControlFields, EnglishFields, ChangeForm}
IN_A_BAR = "its fields stand in a bar, named by an aria-label: the server takes them from the address or by name"
UNDRAWN = {
    StartForm: "a script sends it, and no page shows it",
    SearchForm: IN_A_BAR,
    FilterNameForm: IN_A_BAR,
    OverlayForm: IN_A_BAR,
}
Make = Callable[[Mapping[str, Any] | None], forms.BaseForm]


@dataclass(frozen=True)
class Case:
    """How a form is made, unsent or with what was sent; and what is sent of it when it is whole."""

    make: Make
    whole: Mapping[str, Any]


def order(_ada: User) -> Case:
    sent = {
        "mode": "text", "prompt": "a fox", "shape": "custom", "width": "1024", "height": "1024", "count": "1",
        "steps": "4", "cfg": "1", "sampler": "euler", "scheduler": "sgm_uniform",
    }  # fmt: skip
    return Case(lambda data: OrderForm(data, user=_ada), sent)


def edit(ada: User) -> Case:
    source = picture_of(place(ada))
    source.has_alpha = True
    sent = {name: value for name, value in order(ada).whole.items() if name not in ("mode", "shape", "width", "height")}
    return Case(lambda data: EditForm(data, user=ada, source=source, size=(40, 24)), {**sent, "add_left": "8"})


def style_version(*, slider: bool = False) -> StyleVersion:
    version = Style.objects.create(name="Ink").versions.get()
    version.slider = slider
    version.save()
    return version


def edited_style(_ada: User) -> Case:
    version = style_version(slider=True)
    sent = {"name": "Ink", "kind": "other", "default_strength": "0.8", "slider": "on"}
    return Case(lambda data: StyleForm(data, instance=Style.objects.get(pk=version.style_id)), sent)


def preset(_ada: User) -> Case:
    instance = Preset(style=style_version().style)
    return Case(lambda data: PresetForm(data, instance=instance), {"name": "A", "shape": "1024x1024", "steps": "4"})


def export_preset(_ada: User) -> Case:
    steps: list[dict[str, Any]] = [{"step": name} for name in STEPS]
    kept = ExportPreset(name="Icons", steps=[each for each in steps if each["step"] != "offset"])
    fields = {field.name: field.value() for field in ExportPresetForm(preset=kept)}
    sent = {name: str(value) for name, value in fields.items() if value not in (None, "", False)}
    return Case(lambda data: ExportPresetForm(data, preset=kept), sent)


def brought(ada: User) -> Case:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    client = Client()
    client.force_login(ada)
    send(client, weights())
    row = LoraImport.objects.get()
    return Case(
        lambda data: ImportForm(data, row=row),
        {"name": "Ink", "kind": "other", "default_strength": "1", "licence": "mine"},
    )


def safe_range(_ada: User) -> Case:
    version = style_version(slider=True)
    return Case(lambda data: SafeRangeForm(data, version=version), {"safe_from": "-10", "safe_to": "10"})


def dataset(ada: User) -> Dataset:
    return Dataset.objects.create(name="Gouache", owner=ada)


def proposal(ada: User) -> Case:
    grid = Grid(dataset(ada), Filters())
    return Case(lambda data: ProposeForm(data, grid=grid), {"who": "notes", "scope": "shown"})


def into(ada: User) -> Case:
    chosen = dataset(ada)
    return Case(lambda data: IntoForm(data, user=ada), {"into": chosen.slug})


def training(ada: User) -> Case:
    chosen = dataset(ada)
    sent = {"style": "new", "trainer": "comfyui", "dataset": str(chosen.pk), "preset": "quick", "style_name": "Ink"}
    return Case(lambda data: TrainingForm(data or {"dataset": str(chosen.pk)}, user=ada), sent)


def shaping() -> Shaping:
    """The page of a draft, before an engine was asked."""
    flow = Workflow(fourteen(), {})
    return Shaping(flow, building.propose(flow, "Portrait"))


def about(_ada: User) -> Case:
    sent = {"title_en": "A", "output": "9", "family": "sdxl"}
    form = shaping().about
    return Case(lambda data: AboutForm(data, flow=form.flow, shape=shaping().shape), sent)


def field_row(_ada: User) -> Case:
    row = next(row for row in shaping().rows if row.spot.key == "3/steps")
    sent = {"place": "1", "use": "form", "label_en": "A", "default": "6", "least": "1", "most": "50"}
    sent = {f"{row.prefix}-{name}": value for name, value in sent.items()}
    return Case(lambda data: FieldForm(data, spot=row.spot, decision=row.decision, place=1), sent)


def settings(_ada: User) -> Case:
    values = parameters.preset_values("quick", "comfyui")

    def make(data: Mapping[str, Any] | None) -> SettingsForm:
        told = {name.removeprefix("set-"): value for name, value in (data or {}).items()}
        return SettingsForm("comfyui", {**values, **told}, typed=data is not None)

    return Case(make, {})


def new_password(ada: User) -> Case:
    return Case(lambda data: accounts.NewPasswordForm(ada, data, address=None), {})


def sign_in(_ada: User) -> Case:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return Case(lambda data: accounts.SignInForm(request, data=data), {"username": "ada", "password": "x"})


CASES: dict[type[forms.BaseForm], Callable[[User], Case]] = {
    OrderForm: order,
    EditForm: edit,
    StyleForm: edited_style,
    PresetForm: preset,
    ImportForm: brought,
    StrengthForm: lambda _ada: Case(StrengthForm, {"strength": "1"}),
    SafeRangeForm: safe_range,
    DatasetForm: lambda ada: Case(
        lambda data: DatasetForm(data, user=ada),
        {"name": "A", "template": "{trigger}, {caption}", "resolution": "1024", "repeats": "1"},
    ),
    BoardForm: lambda ada: Case(
        lambda data: BoardForm(data, instance=Board(owner=ada)), {"name": "A", "visibility": "team"}
    ),
    NewBoardForm: lambda _ada: Case(NewBoardForm, {"name": "A"}),
    OntoForm: lambda ada: Case(lambda data: OntoForm(data, user=ada), {"name": "A"}),
    CutOutForm: lambda ada: Case(lambda data: CutOutForm(data, user=ada), {}),
    ScaleUpForm: lambda ada: Case(lambda data: ScaleUpForm(data, user=ada), {"factor": "2"}),
    StarsForm: lambda ada: Case(lambda data: StarsForm(data, user=ada), {"stars": "3"}),
    FinishForm: lambda ada: Case(lambda data: FinishForm(data, user=ada), {"preset": "icon"}),
    ExportPresetForm: export_preset,
    NewListForm: lambda ada: Case(
        lambda data: NewListForm(data, user=ada),
        {"name": "A", "table": "a fox", "shape": "1:1", "visibility": "team"},
    ),
    GridForm: lambda ada: Case(
        lambda data: GridForm(data, user=ada),
        {"name": "A", "x": "prompt", "x_values": "a fox", "shape": "1:1", "visibility": "team"},
    ),
    ListDownloadForm: lambda _ada: Case(ListDownloadForm, {"template": "{name}"}),
    ListSettingsForm: lambda ada: Case(
        lambda data: ListSettingsForm(data, instance=OrderList(owner=ada)), {"name": "A", "visibility": "team"}
    ),
    WordsForm: lambda ada: Case(lambda data: WordsForm(data, user=ada), {"name": "metals", "words": "iron"}),
    SheetForm: lambda ada: Case(
        lambda data: SheetForm(data, user=ada),
        {
            "name": "icons",
            "engine": "hash",
            "most_side": "2048",
            "template": "{seed}",
            "padding": "2",
            "border": "0",
            "milliseconds": "83",
        },
    ),
    DownloadForm: lambda ada: Case(lambda data: DownloadForm(data, user=ada), {"template": "{seed}"}),
    IntoForm: into,
    BulkForm: lambda _ada: Case(BulkForm, {}),
    ProposeForm: proposal,
    CropForm: lambda _ada: Case(lambda data: CropForm(data) if data else crop_form(1, "a.png", x=50, y=50), {}),
    ColourForm: lambda _ada: Case(lambda _data: ColourForm("ground", "#ffffff"), {}),
    FreezeForm: lambda _ada: Case(FreezeForm, {}),
    TrainingForm: training,
    SettingsForm: settings,
    AddForm: lambda _ada: Case(AddForm, {}),
    AboutForm: about,
    FieldForm: field_row,
    TryForm: lambda _ada: Case(lambda data: TryForm(data, wants_picture=True), {}),
    accounts.OwnerForm: lambda _ada: Case(accounts.OwnerForm, {"username": "olga"}),
    accounts.SignInForm: sign_in,
    accounts.NewPasswordForm: new_password,
    accounts.ThemeForm: lambda _ada: Case(accounts.ThemeForm, {"theme": "dark"}),
    accounts.LanguageForm: lambda _ada: Case(accounts.LanguageForm, {"language": "en"}),
}
# Fields of an operation on captions are looked at only if the operation is chosen.
GROUP_OF = {"text": "add", "tag": "remove", "find": "replace", "replacement": "replace", "keep": "sort"}
FILES = dict.fromkeys(("lora_name", "checkpoint", "lightning"), ".safetensors")
ENDINGS = {**FILES, "template": "{caption}"}
every_form = pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)


def heirs(kind: type[forms.BaseForm]) -> Iterator[type[forms.BaseForm]]:
    """All forms of the project, but for those that a test or Django's admin makes."""
    for each in kind.__subclasses__():
        module = each.__module__
        is_ours = module.startswith(PROJECT) and not module.endswith(ADMINS)
        if is_ours and getattr(sys.modules[module], each.__name__, None) is each:
            yield each
        yield from heirs(each)


def test_every_form_is_drawn_by_the_one_template_and_is_looked_at_here() -> None:
    found = set(heirs(forms.BaseForm)) - ABSTRACT - UNDRAWN.keys()
    assert {kind for kind in found if not issubclass(kind, StudioFields)} == set()
    assert found == set(CASES)


def shown(form: forms.BaseForm) -> Iterator[forms.BoundField]:
    return (field for field in form if not field.is_hidden)


@every_form
def test_every_field_has_a_name_that_can_be_read(kind: type[forms.BaseForm], ada: User) -> None:
    for field in shown(CASES[kind](ada).make(None)):
        drawn = Drawn(str(field.as_field_group()))
        assert drawn.controls, field.name
        for control in drawn.controls:
            assert control.get("aria-label") or control["wrapped"] or control.get("id") in drawn.labelled, control
        assert drawn.legends == len(drawn.groups), field.name
        assert escape(str(field.label)).strip(), field.name


@every_form
def test_what_is_said_of_a_field_is_tied_to_it(kind: type[forms.BaseForm], ada: User) -> None:
    case = CASES[kind](ada)
    for name in [field.name for field in shown(case.make(None))]:
        form = case.make(None)
        assert form.errors is not None
        form.cleaned_data = {}
        form.add_error(name, "Not like that.")
        html = str(form[name].as_field_group())
        drawn = Drawn(html)
        [holder] = {each.get("aria-describedby", "") for each in drawn.groups or drawn.controls[:1]}
        ids = holder.split()
        assert all(each.get("aria-invalid") == "true" for each in drawn.groups or drawn.controls[:1]), name
        if isinstance(form, StudioFields) and form.errors_at:
            assert form.errors_at in ids and "Not like that." not in html
        else:
            assert "Not like that." in "".join(drawn.texts.get(each, "") for each in ids), name
        if form[name].help_text:
            assert str(form[name].help_text) in " ".join(drawn.texts.get(each, "") for each in ids), name


def text(field: forms.BoundField, length: int) -> str:
    """A text of this length that a field takes."""
    is_template = field.name == "template" and isinstance(field.form, DownloadForm | ListDownloadForm | SheetForm)
    ending = "{seed}" if is_template else ENDINGS.get(field.name, "")
    return f"{'a' * (length - len(ending))}{ending}"


def limits(case: Case) -> Iterator[tuple[str, str, str, list[str], list[str]]]:
    """Of all fields: name, limit, what the page says; values that it allows, and values that it does not."""
    for field in shown(case.make(None)):
        for control in Drawn(str(field.as_field_group())).controls[:1]:
            if most := control.get("maxlength"):
                texts = [text(field, int(most))], [text(field, int(most) + 1)]
                yield field.name, "maxlength", most, *texts
            for limit, step in (("min", -1), ("max", 1)):
                if end := control.get(limit):
                    yield field.name, limit, end, [end], [f"{float(end) + step:g}"]


def errors(case: Case, name: str, value: str) -> set[str]:
    """The fields that are refused for this value of one of them."""
    form = case.make(None)
    sent = {**case.whole, form.add_prefix(name): value}
    if isinstance(form, BulkForm):
        sent |= {"group": GROUP_OF.get(name, ""), **({"find": "a"} if name == "replacement" else {})}
    if isinstance(form, TrainingForm) and name == "probe":
        sent["probe"] = [value]
    if name in {"password1", "password2"}:
        sent = {**case.whole, "password1": value, "password2": value}
    return set(case.make(sent).errors)


@every_form
def test_what_the_page_allows_the_server_takes_and_nothing_beyond_it(kind: type[forms.BaseForm], ada: User) -> None:
    case = CASES[kind](ada)
    for name, limit, end, inside, outside in limits(case):
        for value in inside:
            refused = errors(case, name, value) & {name, "__all__" if kind is BulkForm else name}
            assert not refused, f"{name}: {limit}={end} is promised and refused"
        for value in outside:
            assert errors(case, name, value), f"{name}: beyond {limit}={end} is taken"


# The view of a colour reads it itself, together with what was proposed.
@pytest.mark.parametrize("kind", [kind for kind in CASES if kind is not ColourForm], ids=lambda kind: kind.__name__)
def test_what_has_to_be_filled_in_says_so(kind: type[forms.BaseForm], ada: User) -> None:
    case = CASES[kind](ada)
    for field in shown(case.make(None)):
        is_said = all("required" in each for each in Drawn(str(field.as_field_group())).controls)
        if is_said:
            assert field.name in errors(case, field.name, ""), field.name


def test_a_setting_of_a_training_says_the_range_that_it_is_held_to(ada: User) -> None:
    case = settings(ada)
    numbers = [field for field in shown(case.make(None)) if parameters.setting(field.name).kind in (int, float)]
    assert len(numbers) > 5
    for field in numbers:
        setting = parameters.setting(field.name)
        low, high = str(field.help_text).rsplit("From ", 1)[1].rstrip(".").split(" to ")
        assert (float(low), float(high)) == (setting.least, setting.most)
        assert field.name in errors(case, field.name, str(setting.least - 1))
        assert field.name in errors(case, field.name, str(setting.most + 1))


def test_pictures_that_may_be_chosen_are_those_that_can_be_read(ada: User) -> None:
    from stylestudio.images.decoding import FORMATS

    for kind, name in ((OrderForm, "reference"), (StyleForm, "cover")):
        [control] = Drawn(str(CASES[kind](ada).make(None)[name])).controls[:1]
        assert {each.removeprefix("image/").upper() for each in control["accept"].split(",")} == set(FORMATS)


def test_the_form_that_orders_pictures_promises_no_more_than_the_server_takes(ada: User) -> None:
    found = {(name, limit): end for name, limit, end, _in, _out in limits(order(ada))}
    assert found["steps", "max"] == "50" and float(found["cfg", "max"]) == 20
