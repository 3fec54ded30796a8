"""Five people, and one thing of every kind that a member made, for the matrix of who may do what."""

from __future__ import annotations

from io import BytesIO

from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from PIL import Image

from generation.atlases.models import AtlasJob
from generation.derivations.models import ExportPreset
from generation.engines.models import Engine
from generation.gallery.models import SavedFilter
from generation.keeping import boards, marks
from generation.keeping.models import Board
from generation.lists import drafts
from generation.lists.models import OrderList, WordList
from generation.lists.outcome import sheet_jobs
from generation.lists.reading.tables import read_text
from generation.masks import models as masks
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.previews.models import Probe
from generation.selecting import orders as selecting_orders
from generation.selecting.selection import Selection
from generation.takeover.models import TakeOver
from generation.texts import translating
from generation.trash.models import TrashOrder
from generation.workflows import drafting
from styles import importing
from styles.models import Preset, Style, StyleVersion
from stylestudio.models import Upload
from stylestudio.people.visibility import Visibility
from tests.generation.workflows.graphs import as_file, blended, fourteen
from tests.styles.bringing import weights
from training.datasets.health import stored
from training.datasets.models import CaptionChange, CaptionOperation, Dataset, DatasetImage, DatasetJob
from training.datasets.reading_models import Reading
from training.datasets.versions import snapshots
from training.runs import parameters
from training.runs.models import Checkpoint, TrainingJob

SHEET = {
    "engine": "hash", "most_side": 512, "padding": 2, "border": 0, "trim": True, "power_of_two": False,
    "milliseconds": 83,
}  # fmt: skip
PEOPLE = ("stranger", "member", "maker", "curator", "owner")


def png() -> bytes:
    """A small picture."""
    stored = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(stored, "PNG")
    return stored.getvalue()


class Cast:
    """People with their browsers, and what `maker` made: the attributes are what addresses name."""

    def __init__(self) -> None:
        self.users = {
            name: User(username=name, is_staff=name in {"curator", "owner"}, is_superuser=name == "owner")
            for name in PEOPLE[1:]
        }
        for user in self.users.values():
            user.set_unusable_password()
            user.save()
        self.group = Group.objects.create(name="painters")
        self.engine = Engine.objects.create(address="http://127.0.0.1:9", loras=["fog.safetensors"])
        self.probe = Probe.objects.create(prompt="a hill")
        self._styles()
        self._pictures()
        self._kept()
        self._selected()
        self._lists()
        self._datasets()
        self._trainings()
        self.blending = drafting.add(as_file(blended()), "blend.json", self.users["curator"])
        drafting.publish(self.blending, self.users["curator"])
        self.own_draft = drafting.add(as_file(fourteen()), "portrait.json", self.users["curator"])
        self.saved_filter = SavedFilter.objects.create(owner=self.maker, name="Hens", query="q=hen")
        self.export_preset = ExportPreset.objects.create(name="Icons", steps=[{"step": "trim"}])
        self.upload = Upload.objects.create(
            owner=self.users["maker"], purpose="dataset", name="set.zip", fingerprint="f", size=9,
            updated_at=timezone.now(),
        )  # fmt: skip
        self.browsers = {name: Client(raise_request_exception=False) for name in PEOPLE}
        for name, user in self.users.items():
            self.browsers[name].force_login(user)

    @property
    def maker(self) -> User:
        """Who made everything."""
        return self.users["maker"]

    def _styles(self) -> None:
        self.base = Style.objects.get_or_create(is_base=True, defaults={"name": "Base", "slug": "base"})[0]
        self.style = Style.objects.create(name="Ink", owner=self.maker)
        first = self.style.versions.get()
        first.file.save("ink.safetensors", ContentFile(weights()))
        StyleVersion.objects.filter(pk=first.pk).update(lora_name="ink.safetensors")
        self.version = self.style.new_version(lora_name="ink2.safetensors")
        self.preset = Preset.objects.create(style=self.style, owner=self.maker, name="Night")
        stored = default_storage.save("uploads/styles/w.safetensors", ContentFile(weights()))
        found = importing.inspect(BytesIO(weights()), "w.safetensors")
        self.lora_import = importing.receive(found, stored, self.users["curator"])

    def _pictures(self) -> None:
        self.task = orders.place(Order(prompt="a red house", count=2), self.maker)
        self.task.fail("execution")
        prompt = EnginePrompt.objects.create(
            task=self.task, index=0, engine=self.engine, worker="w", lease_until=timezone.now(),
            state=EnginePrompt.State.DONE, ended_at=timezone.now(),
        )  # fmt: skip
        self.prompt = prompt
        self.picture = GeneratedImage(
            task=self.task, index=0, prompt=prompt, seed=1, width=64, height=48, size=9, sha256="1" * 64,
            engine=self.engine,
        )  # fmt: skip
        self.picture.file.save("a.png", ContentFile(png()), save=False)
        self.picture.thumbnail.save("a.webp", ContentFile(png()), save=False)
        self.picture.save()
        mask = masks.keep(bytes(64 * 48), 64, 48)
        self.edit = masks.Edit.objects.create(task=self.task, source=self.picture, mask=mask, sent_mask=mask)
        self.trash_order = TrashOrder.objects.create(
            action=TrashOrder.Action.RESTORE, owner=self.maker, asked_by=self.maker, pictures=0
        )

    def _kept(self) -> None:
        self.board = Board.objects.create(name="Moods", owner=self.maker)
        boards.add(self.maker, self.board, [self.picture.pk])
        marks.set_favourite(self.maker, [self.picture.pk], True)

    def _selected(self) -> None:
        asked = {"template": "{seed}", "sidecars": False}
        self.bulk_job = selecting_orders.download(self.maker, Selection((self.picture.pk,)), asked)
        self.atlas: AtlasJob = AtlasJob.objects.create(
            owner=self.maker, name="icons", frames=[[self.picture.pk, "fox"]], settings=SHEET, total=1
        )
        self.atlas.cancel()
        self.translation = translating.order(self.maker, ["红狐狸"])
        self.translation.cancel()
        source = TakeOver.Source.FOLDER
        self.takeover: TakeOver = TakeOver.objects.create(owner=self.users["owner"], source=source, source_name="old")
        self.takeover.cancel()

    def _lists(self) -> None:
        table = read_text("a fox\t7\nan owl\t8")
        self.list_draft = drafts.begin(self.maker, table, name="Draft")
        self.order_list = drafts.begin(self.maker, read_text("name\tprompt\na\ta fox"), name="Icons")
        self.list_row = self.order_list.rows.get()
        drafts.order(self.order_list).cancel()
        self.list_drawn = sheet_jobs.order(self.order_list, self.maker)
        self.list_drawn.cancel()
        self.word_list = WordList.objects.create(name="metals", words="iron")

    def _datasets(self) -> None:
        self.dataset = Dataset.objects.create(name="Hills", owner=self.maker)
        self.image = DatasetImage(
            dataset=self.dataset, width=64, height=48, byte_size=9, format="PNG", sha256="2" * 64,
            perceptual_hash="0" * 16, position=0, source_name="hill.png", added_by=self.maker, caption="a hill",
            measures={"version": stored.VERSION, "broken": True, "twins": []},
        )  # fmt: skip
        self.image.file.save("hill.png", ContentFile(png()), save=False)
        self.image.thumbnail.save("hill.webp", ContentFile(png()), save=False)
        self.image.save()
        self.removed = DatasetImage.objects.get(pk=self.image.pk)
        self.removed.pk, self.removed.sha256, self.removed.deleted_at = None, "6" * 64, timezone.now()
        self.removed.save()
        self.reading = Reading.objects.create(
            dataset=self.dataset, user=self.maker, kind=Reading.Kind.FOLDERS, choice="none"
        )
        self.operation = CaptionOperation.objects.create(dataset=self.dataset, user=self.maker, operation="suffix")
        self.change = CaptionChange.objects.create(image=self.image, user=self.maker, before="", after="a hill")
        self.snapshot = snapshots.freeze(self.dataset, self.maker)[0]
        self.dataset_job: DatasetJob = DatasetJob.objects.create(
            dataset=self.dataset, owner=self.maker, work=DatasetJob.Work.IMPORT
        )
        self.dataset_job.cancel()

    def _trainings(self) -> None:
        values = parameters.preset_values("quick", "kohya")
        self.training: TrainingJob = TrainingJob.objects.create(
            owner=self.maker, name="Ink run", style=self.style, snapshot=self.snapshot, trainer="kohya",
            config={"preset": "quick", "repeats": 1, **values, "resolution": 256}, config_sha256="4" * 64, seed=1,
            base="base.safetensors", steps=8, probes=[["a hill", 1]],
        )  # fmt: skip
        self.training.fail("trainer")
        learned = StyleVersion(style=self.style, number=0, lora_name="t1.safetensors", size=9, sha256="5" * 64)
        learned.file.save("t1.safetensors", ContentFile(weights()), save=False)
        learned.save()
        self.checkpoint = Checkpoint.objects.create(job=self.training, step=4, version=learned)

    def make_private(self) -> None:
        """From here on only its maker and owners of the studio may know of anything that can be private."""
        for model in (GenerationTask, Board, OrderList, Dataset, DatasetJob, TrainingJob, AtlasJob):
            model._base_manager.update(visibility=Visibility.PRIVATE)
