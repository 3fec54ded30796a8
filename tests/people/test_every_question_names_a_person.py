"""Every list goes through `visible_to(person)`: read from the source, so that a new view cannot forget it.

Wherever code asks a manager of a model that knows `visible_to`, the question goes through it, or changes rows only.
Rooms that work for nobody in particular stand in WORKSHOPS, single functions in FOR_EVERYBODY, each with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver

ROOT = Path(__file__).resolve().parents[2]
MANAGERS = {"objects", "everything", "with_previews", "_default_manager", "_base_manager"}
ANY_MODEL = {"model", "type"}  # `kind.model.everything`, `type(job).everything`: some kind of job
THROUGH_IT = {"visible", "changeable"}  # of people.access
BY_MODEL = {"get_object_or_404", "get_list_or_404"}
CHANGES = {"create", "bulk_create", "get_or_create", "update_or_create", "update", "bulk_update", "delete", "none"}

ADMIN = "curators look after everything there"
COMMAND = "whoever has the machine has all of it"
OF_ITS_DATASET = "is given a dataset or a picture that its caller may change or see"
WORKER = "workers make and sweep everybody's"
WORKSHOPS = {
    "stylestudio.database.prepared": "compiles the questions of its callers",
    "stylestudio.jobs.kinds": "claims, moves and limits count everybody's jobs",
    "stylestudio.live.publisher": "pushes to groups, which know who listens",
    "stylestudio.live.terminal": COMMAND,
    "stylestudio.media": "files are everybody's",
    "stylestudio.processes": WORKER,
    "styles.admin": ADMIN,
    "styles.copies": WORKER,
    "styles.importing": "a file is here already, or a name taken, whoever sees that",
    "styles.management": COMMAND,
    "styles.models": "versions of one style are numbered and published whoever sees them",
    "generation.derivations.making": WORKER,
    "generation.changing.laying": WORKER,
    "generation.changing.placing": WORKER,
    "generation.changing.wanting": "its pictures went through `visible_of`; a wish's key names a person",
    "generation.engines.unclaimed_loras": "a file has an owner, whoever sees that",
    "generation.keeping.admin": ADMIN,
    "generation.keeping.boards": "is given a board that its caller may see; pictures go through it",
    "generation.keeping.marks": "what the team thinks is counted over everybody's",
    "generation.keeping.models": "a board is locked whoever sees it",
    "generation.lists.drafts": "is given a list that its caller may change",
    "generation.lists.feeding": WORKER,
    "generation.lists.outcome.sheet_jobs": WORKER,
    "generation.lists.removing": "is given a list that its caller may delete",
    "generation.making": WORKER,
    "generation.masks.models": "is given a task that its caller may see, or says of pictures that they are in use",
    "generation.ordering.management": COMMAND,
    "generation.pictures.admin": ADMIN,
    "generation.pictures.upkeep.entries": WORKER,
    "generation.pictures.upkeep.facts": WORKER,
    "generation.pictures.upkeep.indexing": WORKER,
    "generation.pictures.upkeep.sharing": WORKER,
    "generation.pictures.queue_rows": "everybody waits behind everybody; cards of engines say nothing of private jobs",
    "generation.pictures.thumbnails": WORKER,
    "generation.trash.disk_use": "sums of everybody's files name none",
    "generation.trash.emptying": WORKER,
    "generation.previews.asking": "previews are the team's, and shared",
    "generation.previews.following": WORKER,
    "generation.previews.panels": "previews are the team's; a pushed panel is the same for all",
    "generation.previews.sketches": WORKER,
    "generation.selecting.bulk_jobs": WORKER,
    "generation.selecting.trash_actions": "what is deleted or restored went through `_sorted`, which names the person",
    "generation.takeover.management": COMMAND,
    "generation.takeover.removing": "is given a take-over that its caller may see",
    "generation.takeover.rows": WORKER,
    "generation.takeover.takeover_jobs": WORKER,
    "generation.takeover.taking": WORKER,
    "training.datasets.admin": ADMIN,
    "training.datasets.captions.captioners": WORKER,
    "training.datasets.captions.grid": OF_ITS_DATASET,
    "training.datasets.captions.writing": OF_ITS_DATASET,
    "training.datasets.collecting.intake": OF_ITS_DATASET,
    "training.datasets.collecting.matching": OF_ITS_DATASET,
    "training.datasets.collecting.readings": OF_ITS_DATASET,
    "training.datasets.crops.backgrounds": OF_ITS_DATASET,
    "training.datasets.crops.frames": OF_ITS_DATASET,
    "training.datasets.cut_outs.making": WORKER,
    "training.datasets.cut_outs.replacing": OF_ITS_DATASET,
    "training.datasets.dataset_jobs": WORKER,
    "training.datasets.health.check_work": WORKER,
    "training.datasets.health.fixes": OF_ITS_DATASET,
    "training.datasets.health.report": OF_ITS_DATASET,
    "training.datasets.management": COMMAND,
    "training.datasets.models": "short names are taken, and locks held, whoever sees the dataset",
    "training.datasets.versions.layouts": OF_ITS_DATASET,
    "training.datasets.versions.snapshots": OF_ITS_DATASET,
    "training.runs.configuration": "is given a training that its caller may see",
    "training.runs.management": COMMAND,
    "training.runs.models": "is given trainings that its caller may see",
    "training.runs.epoch_report": WORKER,
    "training.runs.running": WORKER,
    "training.trainers": WORKER,
}
FOR_EVERYBODY = {
    "generation.changing.seamless.finished": "a worker stores what an engine made of it",
    "generation.pictures.models.generation_tasks.first": "takes settings from what a job was made of, shows no picture",
    "generation.atlases.ordering.shelf_on_disk": "sums of everybody's files name none",
    "generation.derivations.chain._edit": "as _derivation",
    "generation.derivations.chain._derivation": "tells what a picture was made of, and links only to what people see",
    "generation.derivations.forms.clean_name": "a name is taken, whoever took it",
    "generation.derivations.wall_filters.pictures": "the wall asks of each picture whether the person sees it",
    "generation.controls.models._in_use": "says of pictures that they are in use, and names no job",
    "generation.controls.models.given_to": "is given a job that its caller may read",
    "generation.gallery.bar._known": "asks for versions of a style that the person may see",
    "generation.gallery.counting._by_style": "counts in pictures that the person may see",
    "generation.gallery.query._neighbour": "looks for pictures of tasks that the person may see",
    "generation.gallery.views._with_story": "its callers hand it to `visible`",
    "generation.gallery.wanted._take_chosen_style": "asks for versions of styles that the person may see",
    "generation.gallery.wanted._take_style": "asks for versions of styles that the person may see",
    "generation.keeping.choosing._offered": "looks for pictures that the person may see, on boards that they may see",
    "generation.keeping.wall_filters.facet": "asks on which boards that the person may see",
    "generation.keeping.wall_filters.pictures": "asks for a board that the person may see",
    "generation.ordering.honouring._version_of": "asks for versions of styles that its caller may use",
    "generation.ordering.references.uses": "says of pictures that they are in use, and names no job",
    "generation.pictures.models.generated_images.delete": "deletes the picture it is called on",
    "generation.pictures.models.generated_images.restore": "restores the picture it is called on",
    "generation.pictures.models.trash_entries.remove": "is given pictures that its caller may change",
    "generation.previews.covers.uses": "names only styles that the person may see",
    "generation.selecting.orders.go_on": "is given a job that its caller may change",
    "generation.trash.models.cancel": "cancels the order it is called on",
    "generation.trash.views.deleted_picture": "the entry of a picture that the person may see",
    "generation.trash.views.restore": "restores what the person may change, which its helper asks",
    "generation.trash.views.tell": "pushes the cards of pictures that the person has changed",
    "generation.trash.wall.amount": "its sums are filtered by person; what all take on disk names nobody",
    "generation.ordering.orders._again": "numbers the retries of a task, whoever asked for them",
    "generation.ordering.orders._placed": "a press is known by its number",
    "generation.pictures.models.generation_tasks.<module>": "the pictures of a task that its caller may see",
    "generation.recipes.accelerators.put": "puts a file where its owner asked for it, in a worker",
    "generation.selecting.orders._tell": "pushes to groups, which know who listens",
    "generation.selecting.orders._visibility": "asks whether any of the pictures is private, to hide the work on them",
    "generation.selecting.selection.newest_key": "says which pictures were there at that moment; they go through it",
    "stylestudio.live.arrivals.of_all_kinds": "says for many whether there is news; what is sent goes through it",
    "styles.queries.shelf_on_disk": "sums of everybody's files name none",
    "training.datasets.collecting.from_gallery.offer": "asked of datasets that the person may see",
    "training.datasets.collecting.from_gallery.uses": "names only datasets that the person may see",
    "training.datasets.queries.shelf_on_disk": "sums of everybody's files name none",
    "styles.forms.clean_name": "a name is taken, whoever sees the preset",
    "training.datasets.health.views._shown": OF_ITS_DATASET,
    "training.datasets.health.views.check_again": "one check at a time, whoever asked for it",
    "training.datasets.versions.views._shown": OF_ITS_DATASET,
    "training.runs.placing.form_outlook.checkpoint_size": "how large files become, whoever trained them",
    "training.runs.placing.place_run._placed": "a press is known by its number",
    "training.runs.views._runs": "its callers hand it to `visible`",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A use of a manager that does not go through `visible_to`."""

    module: str
    function: str
    line: int

    @property
    def name(self) -> str:
        """Where it is asked, without the line."""
        return f"{self.module}.{self.function}"


def guarded() -> set[str]:
    """The names of models that know `visible_to`."""
    return {model.__name__ for model in apps.get_models() if hasattr(model._default_manager, "visible_to")}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the program by its dotted name."""
    for room in ("stylestudio", "styles", "generation", "training"):
        for file in sorted((ROOT / room).rglob("*.py")):
            if not {"migrations", "earlier", "preview_engine"} & set(file.parts):
                name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                yield name, ast.parse(file.read_text())


def questions(name: str, tree: ast.AST, models: set[str]) -> Iterator[Question]:
    """What a module asks without naming a person."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not asks(node, models) or names_a_person(node, parents):
            continue
        function = next((each for each in above(node, parents) if isinstance(each, ast.FunctionDef)), None)
        title = function.name if function else "<module>"
        assert isinstance(node, ast.expr)
        yield Question(name, title, node.lineno)


def asks(node: ast.AST, models: set[str]) -> bool:
    """Whether it is a manager of one of these models, or looks a model up without naming one."""
    if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
        return called(node.value) in models | ANY_MODEL
    return isinstance(node, ast.Call) and called(node.func) in BY_MODEL and called(node.args[0]) in models


def called(node: ast.AST) -> str:
    """The last name of an expression: Style of `models.Style`, type of `type(self)`."""
    while isinstance(node, ast.Call):
        node = node.func
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def above(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """The nodes around it, the nearest first."""
    while node in parents:
        node = parents[node]
        yield node


def names_a_person(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the expression goes through `visible_to`, is handed to what does, or only changes rows."""
    methods, inner = [], node
    for outer in above(node, parents):
        if isinstance(outer, ast.Attribute):
            methods.append(outer.attr)
        elif not (isinstance(outer, ast.Call) and outer.func is inner):
            break
        inner = outer
    if "visible_to" in methods or (methods and methods[-1] in CHANGES):
        return True
    around = (each for each in above(node, parents) if isinstance(each, ast.Call | ast.stmt))
    for each in around:
        if isinstance(each, ast.stmt):
            return False
        if called(each.func) in THROUGH_IT:
            return True
    return False


def workshop(name: str) -> str:
    """The entry of WORKSHOPS that holds the module; "" if there is none."""
    return next((room for room in WORKSHOPS if name == room or name.startswith(f"{room}.")), "")


def page_modules(patterns: list[URLPattern | URLResolver]) -> set[str]:
    """The modules whose functions addresses lead to."""
    found: set[str] = set()
    for each in patterns:
        found |= page_modules(each.url_patterns) if isinstance(each, URLResolver) else {each.callback.__module__}
    return found


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    """What the program asks without naming a person."""
    models = guarded()
    return [question for name, tree in modules() for question in questions(name, tree, models)]


def test_every_question_names_a_person_or_says_why_not(asked: list[Question]) -> None:
    forgotten = [each for each in asked if not workshop(each.module) and each.name not in FOR_EVERYBODY]
    assert forgotten == [], "these list rows without visible_to(person)"


def test_no_page_is_in_a_workshop() -> None:
    assert {name for name in page_modules(get_resolver().url_patterns) if workshop(name)} == set()


def test_a_workshop_that_is_given_a_request_names_the_person_too(asked: list[Question]) -> None:
    models = guarded()
    for name, tree in modules():
        takes = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and is_given_a_request(each)]
        if workshop(name) and "admin" not in name:
            assert [list(questions(name, each, models)) for each in takes if list(questions(name, each, models))] == []


def is_given_a_request(function: ast.FunctionDef) -> bool:
    """Whether it answers somebody directly."""
    return "request" in {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}


def test_every_exception_is_still_needed(asked: list[Question]) -> None:
    assert {workshop(each.module) for each in asked} - {""} == WORKSHOPS.keys()
    assert {each.name for each in asked if not workshop(each.module)} == FOR_EVERYBODY.keys()


FORGETS = """
def page(request):
    rows = Style.objects.filter(is_base=False)
    one = get_object_or_404(Dataset, pk=1)
    jobs = kind.model.everything.active()
    seen = Style.objects.visible_to(request.user), visible(marked(Dataset.objects.all()), request.user)
    Style.objects.filter(pk=1).update(name="")
"""


def test_a_page_that_forgets_it_is_found() -> None:
    found = list(questions("page", ast.parse(FORGETS), {"Style", "Dataset"}))
    assert sorted((each.name, each.line) for each in found) == [("page.page", 3), ("page.page", 4), ("page.page", 5)]


def test_everything_that_people_list_knows_it() -> None:
    assert guarded() == {
        "AtlasFrame", "AtlasJob", "Board", "BoardPicture", "CaptionChange", "CaptionOperation", "Checkpoint",
        "ContactSheet", "Dataset", "DatasetImage", "DatasetJob", "DatasetSnapshot", "Derivation", "Edit",
        "ExportPreset", "GeneratedImage", "GenerationTask", "GivenPicture", "ListRow", "ListRun", "LoraImport", "Mark",
        "OrderList", "PictureChange", "PictureCount", "PictureJob", "Preset", "Reading", "SavedFilter", "Style",
        "StyleCount", "StyleVersion", "TakeOver", "TrainingJob", "Translation", "TrashCount", "TrashEntry",
        "TrashOrder", "WordList",
    }  # fmt: skip
