"""What `manage.py doctor` checks on each engine, and how many database connections the engines may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.engines import devices, node_facts, roster
from generation.engines.models import Engine
from stylestudio.comfy.connection.admission import trust
from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.file_names import MODEL_FOLDERS, is_listed
from stylestudio.comfy.protocol.hardware import Device, Package
from stylestudio.host import rooms
from stylestudio.models import Worker
from stylestudio.processes.doctor import Finding

UPDATE = gettext_lazy("Update StyleStudio, or use a version of ComfyUI that its README names.")
OF_WORKER, OF_WEB = 10, 24  # connections of a worker besides those for pictures, and of a web process, at most


def look_at_engines() -> Iterable[Finding]:
    """Check each engine: reachable, version, memory, checkpoint, Lightning LoRA, and the registered checks."""
    try:
        added = list(Engine.objects.filter(source=Engine.Source.ADMIN))
    except DatabaseError as error:
        yield Finding(_("Engines"), str(error), _("Mend the database first."))
        return
    if settings.COMFYUI_CA_FILE:
        try:
            trust(settings.COMFYUI_CA_FILE)
        except OSError as error:
            state = f"{settings.COMFYUI_CA_FILE}: {error}"
            yield Finding("COMFYUI_CA_FILE", state, _("Set it to a file in PEM format."))
            return
    # Read only: doctor may run beside a studio, perhaps with another environment.
    stored = dict(Engine.objects.exclude(credentials="").values_list("address", "credentials"))
    named = [
        Engine(address=address, source=source, credentials=stored.get(address, ""))
        for address, source in roster.named().items()
    ]
    try:
        for engine in [*named, *added]:
            yield from _look(engine)
    finally:
        roster.pool.close()
    if not settings.COMFYUI_URLS:
        yield Finding(_("Preview engine"), _("serves while no ComfyUI answers; its pictures are sketches"))


def _look(engine: Engine) -> Iterable[Finding]:
    name = _("Engine %s") % engine.address
    client = roster.pool.client(engine)
    call = roster.pool.loop.call
    try:
        stats = call(client.system_stats(), timeout=roster.PROBE_TIMEOUT)
        files = {
            folder: call(roster.names_in(client, folder), timeout=roster.PROBE_TIMEOUT) for folder in MODEL_FOLDERS
        }
        nodes = call(node_facts.fetch_facts(client), timeout=60.0)
    except (ComfyError, TimeoutError) as error:
        if engine.source == Engine.Source.FOUND and not isinstance(error, roster.SHUT):
            yield Finding(name, _("nothing answers there, which is fine"))
        elif isinstance(error, roster.SHUT):
            yield Finding(name, str(error), _("Correct COMFYUI_URL or COMFYUI_CA_FILE, or the engine in the admin."))
        else:
            yield Finding(name, str(error), _("Start ComfyUI there, or correct COMFYUI_URL."))
        return
    yield Finding(name, ", ".join([f"ComfyUI {stats.version}", *map(_in_words, stats.devices)]))
    yield from _old_packages(stats.packages)
    yield _file(_("Checkpoint"), settings.CHECKPOINT, files, "checkpoints", "STYLESTUDIO_CHECKPOINT")
    yield _file(_("Lightning file"), settings.LIGHTNING_LORA, files, "loras", "STYLESTUDIO_LIGHTNING_LORA")
    # The rooms' own checks get the version, the node classes and the files of each engine.
    for look in rooms.contributed("engine_checks"):
        yield from look(stats.version, nodes, files)


def _in_words(device: Device) -> str:
    free = f", {device.free / 1e9:.1f} GB {device.memory_kind}" if device.free else ""
    return f"{devices.short_device(device.name)}{free}"


def _old_packages(packages: Iterable[Package]) -> Iterable[Finding]:
    """Report each package older than this ComfyUI requires: nodes may fail with it without a clear message."""
    for package in packages:
        if package.is_old:
            yield Finding(
                _("Package %s") % package.name,
                _("%(installed)s is installed, its ComfyUI asks for %(required)s")
                % {"installed": package.installed, "required": package.required},
                _("Run pip install -r requirements.txt in the folder of that ComfyUI, with its Python; restart it."),
            )


def _file(title: str, wanted: str, files: Mapping[str, Sequence[str]], folder: str, variable: str) -> Finding:
    if is_listed(wanted, files[folder]):
        return Finding(title, wanted)
    remedy = _("Put the file into %(folder)s on the engine, or set %(variable)s to one it has.")
    return Finding(title, _("%s is missing") % wanted, remedy % {"folder": f"models/{folder}", "variable": variable})


def look_at_connections() -> Iterable[Finding]:
    """Whether PostgreSQL allows as many connections as all workers and one web process may open."""
    if connection.vendor != "postgresql":
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('max_connections')::int")
            most = int(cursor.fetchone()[0])
        pictures = roster.AT_ONCE * Engine.objects.filter(active=True).count()
        wanted = pictures + OF_WORKER * max(1, Worker.objects.alive().count()) + OF_WEB
    except DatabaseError:
        return  # the check of the database reports it
    remedy = _("Raise max_connections in the settings of PostgreSQL, or give it fewer engines and workers.")
    state = _("%(wanted)d may be wanted, PostgreSQL lets in %(most)d") % {"wanted": wanted, "most": most}
    yield Finding(_("Database connections"), state, remedy if wanted > most else "")
