"""A ComfyUI server as the studio knows it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.engines.long_json import LongJSONField
from stylestudio.comfy.connection.address import join_credentials, split_credentials
from stylestudio.comfy.file_names import MODEL_FOLDERS
from stylestudio.database.prepared import Prepared, instance


class Engine(models.Model):
    """A ComfyUI server, or the preview engine. Its health is as of the last probe or job."""

    class Source(models.TextChoices):
        """Who added this engine."""

        ENVIRONMENT = "env", _("COMFYUI_URL")
        FOUND = "found", _("Found on this machine")
        PREVIEW = "preview", _("Preview engine")
        ADMIN = "admin", _("Added here")
        ELSEWHERE = "elsewhere", _("Made elsewhere")  # no server: whatever made pictures that were taken over

    class Health(models.TextChoices):
        """The last known health. Only an engine that is OK gets work; the monitor keeps probing the others."""

        UNKNOWN = "unknown", _("Not asked yet")
        OK = "ok", _("Ready")
        UNREACHABLE = "unreachable", _("Not reachable")
        STUCK = "stuck", _("Does not work through its queue")
        EXHAUSTED = "exhausted", _("Out of memory")

    address = models.CharField(
        _("address"), max_length=300, unique=True, help_text=_("Such as http://192.168.1.20:8188")
    )
    # In the form of `comfy.connection.address`, and for this address alone: `move` forgets them.
    credentials = models.CharField(
        _("user:password"),
        max_length=4000,
        blank=True,
        help_text=_("For a server behind basic authentication. Never shown"),
    )
    name = models.CharField(_("name"), max_length=80, blank=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.ADMIN, editable=False)
    active = models.BooleanField(default=True, editable=False)  # false: the environment no longer names it
    paused = models.BooleanField(_("paused"), default=False, help_text=_("Finishes what it has, gets nothing new"))
    held_by = models.CharField(max_length=100, blank=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)
    health = models.CharField(max_length=12, choices=Health.choices, default=Health.UNKNOWN, editable=False)
    health_since = models.DateTimeField(default=timezone.now, editable=False)
    trouble = models.TextField(blank=True, editable=False)
    closed = models.BooleanField(default=False, editable=False)  # for its certificate, or lack of a sign-in
    checked_at = models.DateTimeField(null=True, editable=False)
    latency_ms = models.FloatField(null=True, editable=False)
    engine_version = models.CharField(max_length=60, blank=True, editable=False)
    device = models.CharField(max_length=200, blank=True, editable=False)
    # Memory of the device that it computes on, in bytes; RAM if that is a processor. `devices` holds all devices.
    vram_total = models.BigIntegerField(null=True, editable=False)
    vram_free = models.BigIntegerField(null=True, editable=False)
    devices = models.JSONField(default=list, editable=False)  # fields of `hardware.Device`
    checkpoints = LongJSONField(default=list, editable=False)
    loras = LongJSONField(default=list, editable=False)
    diffusion_models = LongJSONField(default=list, editable=False)
    text_encoders = LongJSONField(default=list, editable=False)
    vae = LongJSONField(default=list, editable=False)
    background_removal = LongJSONField(default=list, editable=False)
    upscale_models = LongJSONField(default=list, editable=False)
    controlnet = LongJSONField(default=list, editable=False)
    geometry_estimation = LongJSONField(default=list, editable=False)
    node_classes = LongJSONField(default=list, editable=False)
    node_infos = LongJSONField(default=dict, editable=False)  # of some classes, see `generation.engines.node_facts`
    max_upload = models.BigIntegerField(null=True, editable=False)  # bytes per request; null: ComfyUI's default
    failures = models.PositiveIntegerField(default=0, editable=False)  # consecutive probes without an answer
    ooms = models.PositiveSmallIntegerField(default=0, editable=False)  # consecutive pictures that ran out of memory
    warm = models.CharField(max_length=64, blank=True, editable=False)  # `graphs.warmth` of the last prompt sent

    class Meta:
        ordering = ["pk"]
        verbose_name = _("engine")
        verbose_name_plural = _("engines")

    def __str__(self) -> str:
        return self.name or self.device or (gettext("elsewhere") if self.is_elsewhere else self.address)

    @property
    def is_elsewhere(self) -> bool:
        """Whether this stands for whatever made pictures that were taken over."""
        return self.source == self.Source.ELSEWHERE

    @property
    def is_preview(self) -> bool:
        """Whether this is the preview engine, which draws sketches and needs no GPU."""
        return self.source == self.Source.PREVIEW

    @property
    def is_held(self) -> bool:
        """Whether something other than pictures, such as a training, has the engine to itself now."""
        return bool(self.held_by and self.held_until and self.held_until > timezone.now())

    @property
    def url(self) -> str:
        """The address to call, with credentials. Never show it."""
        for configured in settings.COMFYUI_URLS:
            address, credentials = split_credentials(configured)
            if address == self.address and credentials:
                return join_credentials(self.address, credentials)
        return join_credentials(self.address, self.credentials)

    def move(self, address: str, credentials: str = "") -> None:
        """Change the address. Resets the health, and the old credentials are never sent to the new address.

        Does not save.
        """
        self.address, self.credentials = address, credentials
        self.health, self.health_since, self.checked_at = self.Health.UNKNOWN, timezone.now(), None


_LONG = {"devices", *MODEL_FOLDERS, "node_classes", "node_infos"}
_BRIEF = [field.attname for field in Engine._meta.concrete_fields if field.attname not in _LONG]
_brief = Prepared(lambda pk: Engine.objects.filter(pk=pk).values_list(*_BRIEF))


def brief(pk: int) -> Engine:
    """An engine without its lists, which are long and read only if somebody asks for them."""
    [row] = _brief.rows(pk)
    return instance(Engine, row, *_BRIEF)
