"""The admin of engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from generation.engines import devices, roster
from generation.engines.models import Engine
from stylestudio.comfy.connection.address import basic, bearer, checked_url, kind_of, split_credentials
from stylestudio.live import publisher
from stylestudio.templatetags.studio import byte_size

if TYPE_CHECKING:
    EngineModelForm = forms.ModelForm[Engine]
    EngineModelAdmin = admin.ModelAdmin[Engine]
else:
    EngineModelForm, EngineModelAdmin = forms.ModelForm, admin.ModelAdmin


MOST_FILES = 200  # names listed per folder on an engine's page: some engines have a hundred thousand
MOST_NODES = 3000


class EngineForm(EngineModelForm):
    """Credentials are write-only: an empty field keeps what is stored, as long as the address stays the same."""

    # Longer than what is stored, because the address may contain a token.
    address = forms.CharField(label=_("Address"), max_length=5000, help_text=_("Such as http://192.168.1.20:8188"))
    kind = forms.ChoiceField(
        label=_("Kind of sign-in"), required=False,
        choices=[("basic", _("User and password")), ("bearer", _("Bearer token"))],
    )  # fmt: skip
    credentials = forms.CharField(
        label=_("User:password, or token"), required=False, max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    forget = forms.BooleanField(label=_("Forget what is stored"), required=False)

    class Meta:
        model = Engine
        fields = ["name", "address", "credentials", "paused"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found = ""  # credentials in the address that was typed
        self.dropped = False  # whether stored credentials are forgotten because the address has changed
        self.stored: str = self.instance.credentials
        self.fields["kind"].initial = kind_of(self.stored) or "basic"
        if not self.stored:
            self.fields["forget"].widget = forms.HiddenInput()
        general = gettext("Never shown. Leave empty to keep what is stored. A new address forgets it.")
        self.fields["credentials"].help_text = f"{_what_is_stored(self.stored)} {general}"

    def clean_address(self) -> str:
        """Require a plain server address. User, password and query in it are taken as the credentials."""
        given: str = self.cleaned_data["address"].strip()
        try:
            checked_url(given)
            address, self.found = split_credentials(given)
        except ValueError:
            raise ValidationError(gettext("Use an address such as http://192.168.1.20:8188.")) from None
        if len(address) > 300:
            raise ValidationError(gettext("This address is too long."))
        if self.found:
            # The form may be shown again, because of another error.
            self.data = dict(self.data.items()) | {self.add_prefix("address"): address}
        return address

    def clean(self) -> dict[str, Any]:
        """Keep, replace or forget the credentials."""
        cleaned = super().clean() or self.cleaned_data
        moves = cleaned.get("address", self.instance.address) != self.instance.address
        person, _mark, query = ("" if moves or cleaned.get("forget") else self.stored).partition("?")
        new_person, _mark, new_query = self.found.partition("?")
        person = self._typed(cleaned, "" if new_person else person) or new_person or person
        query = new_query or query
        cleaned["credentials"] = f"{person}?{query}" if query else person
        had_person, _mark, had_query = self.stored.partition("?")
        self.dropped = moves and (bool(had_person and not person) or bool(had_query and not query))
        if self.errors and self.found:
            self.add_error("credentials", gettext("Type the user and password, or the token, again."))
        return cleaned

    def _typed(self, cleaned: dict[str, Any], kept: str) -> str:
        """The typed credentials in their stored form.

        Adds an error if they, or the stored ones kept in their place, are not of the chosen kind.
        """
        typed, kind = cleaned.get("credentials") or "", cleaned.get("kind")
        try:
            if typed:
                return bearer(typed) if kind == "bearer" else basic(typed)
        except ValueError:
            words = gettext("A token has no spaces.") if kind == "bearer" else gettext("Write it as user:password.")
            self.add_error("credentials", words)
        if not typed and kind and kept and (kind == "bearer") != (kind_of(kept) == "bearer"):
            self.add_error("credentials", gettext("Type the user and password, or the token, again."))
        return ""


def _what_is_stored(credentials: str) -> str:
    said = {"basic": gettext("A user and password are stored."), "bearer": gettext("A bearer token is stored.")}
    words = [said.get(kind_of(credentials), "")]
    if "?" in credentials:
        words.append(gettext("A token that belongs to the address is stored."))
    return " ".join(filter(None, words)) or gettext("Nothing is stored.")


@admin.register(Engine)
class EngineAdmin(EngineModelAdmin):
    """Engines named by the environment keep their address; engines added here can be changed and deleted."""

    form = EngineForm
    list_display = [
        "__str__", "address", "source", "health", "paused", "engine_version", "device", "memory", "latency", "now",
        "has", "checked_at",
    ]  # fmt: skip
    list_filter = ["source", "health", "paused", "active"]
    search_fields = ["name", "address", "device"]
    actions = ["pause", "use_again", "ask_again"]
    readonly_fields = [
        "source", "health", "health_since", "trouble", "checked_at", "latency", "engine_version", "device", "memory",
        "now", "installed_checkpoints", "installed_loras", "known_nodes",
    ]  # fmt: skip
    fields = ["name", "address", "kind", "credentials", "forget", "paused", *readonly_fields]

    @admin.display(description=_("memory in use"))
    def memory(self, engine: Engine) -> str:
        """Used and total memory of each device: a card's own, or the machine's."""
        words = gettext("%(used)s of %(total)s %(kind)s")
        found = devices.memory(engine)
        said = ({"used": byte_size(one.used), "total": byte_size(one.total), "kind": one.label} for one in found)
        return ", ".join(words % facts for facts in said) or "–"

    @admin.display(description=_("answers in"), ordering="latency_ms")
    def latency(self, engine: Engine) -> str:
        """How long the last probe took, in milliseconds."""
        return "–" if engine.latency_ms is None else f"{engine.latency_ms:.0f} ms"

    @admin.display(description=_("now"))
    def now(self, engine: Engine) -> SafeString | str:
        """The jobs on the engine, the current one first."""
        prompts = engine.prompts.live().select_related("task")
        tasks = dict.fromkeys(prompt.task for prompt in prompts.order_by(F("started_at").asc(nulls_last=True), "pk"))
        jobs = ((reverse("admin:pictures_generationtask_change", args=[task.pk]), task) for task in tasks)
        return format_html_join(", ", '<a href="{}">{}</a>', jobs) or "–"

    @admin.display(description=_("checkpoints, LoRAs, nodes"))
    def has(self, engine: Engine) -> str:
        """The number of each."""
        return f"{len(engine.checkpoints)}, {len(engine.loras)}, {len(engine.node_classes)}"

    @admin.display(description=_("installed checkpoints"))
    def installed_checkpoints(self, engine: Engine) -> SafeString | str:
        """One per line."""
        return _lines(engine.checkpoints)

    @admin.display(description=_("installed LoRAs"))
    def installed_loras(self, engine: Engine) -> SafeString | str:
        """One per line."""
        return _lines(engine.loras)

    @admin.display(description=_("node classes"))
    def known_nodes(self, engine: Engine) -> str:
        """All in one paragraph, because there are many."""
        return ", ".join([*engine.node_classes[:MOST_NODES], *_more(engine.node_classes, MOST_NODES)]) or "–"

    @admin.action(description=_("Pause"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Engine]) -> None:
        """Let the engines finish what they have and send them nothing new."""
        for engine in queryset:
            roster.pause(engine)

    @admin.action(description=_("Use again"), permissions=["change"])
    def use_again(self, request: HttpRequest, queryset: QuerySet[Engine]) -> None:
        """Send the engines work again, including those that were taken out of service."""
        for engine in queryset:
            roster.resume(engine)

    @admin.action(description=_("Ask again now"), permissions=["change"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[Engine]) -> None:
        """Probe the engines now instead of when they are next due."""
        for engine in queryset:
            roster.request_probe(engine)
        self.message_user(request, gettext("They are being asked. Load this page again in a moment."))

    def get_readonly_fields(self, request: HttpRequest, obj: Engine | None = None) -> list[str]:
        """The address can only be edited if the engine was added here."""
        fixed = ["address"] if obj and obj.source != Engine.Source.ADMIN else []
        return [*fixed, *self.readonly_fields]

    def has_delete_permission(self, request: HttpRequest, obj: Engine | None = None) -> bool:
        """The environment's engines come back at the next start; pause them instead."""
        if obj and obj.source != Engine.Source.ADMIN:
            return False
        return super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Engine]) -> None:
        """Delete only engines that were added here."""
        super().delete_queryset(request, queryset.filter(source=Engine.Source.ADMIN))
        transaction.on_commit(publisher.publish_engines)

    def save_model(self, request: HttpRequest, obj: Engine, form: Any, change: bool) -> None:
        """Save, refresh open pages, and have the engine probed again if its address or credentials changed."""
        if change and {"address", "credentials", "forget"} & set(form.changed_data):
            obj.move(obj.address, obj.credentials)
        super().save_model(request, obj, form, change)
        if form.dropped:
            words = gettext("The address is another one, so the sign-in of the old one is forgotten. Give it again.")
            self.message_user(request, words, messages.WARNING)
        transaction.on_commit(publisher.publish_engines)


def _lines(names: Sequence[str]) -> SafeString | str:
    shown = [*names[:MOST_FILES], *_more(names, MOST_FILES)]
    return format_html_join(mark_safe("<br>"), "{}", ((name,) for name in shown)) or "–"


def _more(names: Sequence[str], most: int) -> list[str]:
    """How many names are not shown, as a last line; nothing if all are."""
    left = len(names) - most
    return [ngettext("and %(number)s more", "and %(number)s more", left) % {"number": left}] if left > 0 else []
