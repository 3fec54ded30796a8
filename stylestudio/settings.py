"""All settings, from the environment.

`#:` comments are the text of docs/reference/settings.md (docs/write_reference.py): the group in brackets, the meaning
of the variable, and the default if the code does not show it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from stylestudio import env
from stylestudio.comfy.connection.address import secrets_in_all
from stylestudio.host import logs, private
from stylestudio.text import concealed

BASE_DIR = Path(__file__).resolve().parent.parent
#: [The studio] The folder in which everything is stored.
#: Default: `data` in the clone
DATA = env.path("STYLESTUDIO_DATA", BASE_DIR / "data")


def _kept_secret(file: Path) -> str:
    """The secret in `file`, created on first use and readable by this user only."""
    private.folder(file.parent)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as handle:
        secret = secrets.token_urlsafe(48)
        handle.write(secret)
    return secret


#: [The studio] Django's debug pages, and templates and styles are read anew for every page. For development only,
#: because they show code and settings to everybody who causes an error; `run.py dev` sets it.
DEBUG = env.boolean("STYLESTUDIO_DEBUG")
#: [The studio] Signs sessions and cookies. Several machines need the same one.
#: Default: created on the first start and stored in `secret_key` in the data folder
_given_key = env.text("STYLESTUDIO_SECRET_KEY")
SECRET_KEY = _given_key or _kept_secret(DATA / "secret_key")
SECRET_KEY_IS_GIVEN = bool(_given_key)  # and can therefore be the same on several machines
DEFAULT_EXCEPTION_REPORTER_FILTER = "stylestudio.debug.SecretSettings"

#: [Address and proxies] The address that people type, such as `https://studio.example.org`. You need it behind a
#: proxy, and for every address other than `localhost` and `127.0.0.1`. See [Behind a TLS
#: proxy](../operators/proxy.md).
PUBLIC_URL = env.text("STYLESTUDIO_PUBLIC_URL").rstrip("/")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS: list[str] = []
if PUBLIC_URL:
    _public = urlsplit(PUBLIC_URL)
    if _public.scheme not in {"http", "https"} or not _public.hostname:
        raise ImproperlyConfigured(
            f"STYLESTUDIO_PUBLIC_URL is {env.shown(PUBLIC_URL)}. Use an address such as https://studio.example.org."
        )
    ALLOWED_HOSTS.append(_public.hostname)
    CSRF_TRUSTED_ORIGINS.append(f"{_public.scheme}://{_public.netloc}")
    if _public.scheme == "https":
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
#: [Address and proxies] Addresses and networks of proxies on other machines, such as `10.0.0.5,172.18.0.0/16`. What
#: they say about the sender of a request in `X-Forwarded-…` and `Forwarded` is believed, as is a proxy on this machine;
#: the headers of all others are discarded. See [Behind a TLS proxy](../operators/proxy.md).
PROXIES = env.networks("STYLESTUDIO_PROXIES")

# Every command loads these. daphne and Huey's app are not among them: their commands are not used here.
INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # stylestudio/urls.py finds the rooms' admin modules
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",  # its templates of widgets, for FORM_RENDERER
    "django_htmx",
    "stylestudio",
    "styles",
    "generation.engines",
    "generation.recipes",
    "generation.pictures",
    "generation.masks",
    "generation.controls",
    "generation.keeping",
    "generation.making",
    "generation.texts",
    "generation.ordering",
    "generation.trash",
    "generation.gallery",
    "generation.previews",
    "generation.editing",
    "generation.selecting",
    "generation.takeover",
    "generation.derivations",
    "generation.atlases",
    "generation.changing",
    "generation.lists",
    "training.datasets",
    "training.runs",
    "training.trainers.comfyui",
    "training.trainers.kohya",
]

# Async-capable middleware only: one sync-only entry can make daphne hang at stop.
MIDDLEWARE = [
    "stylestudio.edge.middleware.security_headers",
    "stylestudio.edge.compression.compressed",
    "stylestudio.edge.middleware.only_proxies_forward",
    "stylestudio.edge.middleware.without_nul",
    "stylestudio.edge.page_memory.remember_while_reading",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "stylestudio.edge.middleware.readers_zone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "stylestudio.people.sign_in_required.SignInRequired",
    "stylestudio.edge.middleware.media_cookie",
    "django.contrib.messages.middleware.MessageMiddleware",
    "stylestudio.edge.failure_answers.WordsForFailures",
]

ROOT_URLCONF = "stylestudio.urls"
ASGI_APPLICATION = "stylestudio.asgi.application"

FORM_RENDERER = "stylestudio.forms.fields.Renderer"
_LOADERS = ["stylestudio.template_loader.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # With DEBUG, a saved template takes effect with the next page.
            "loaders": _LOADERS if DEBUG else [("django.template.loaders.cached.Loader", _LOADERS)],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "stylestudio.live.page_frame.shell",
            ],
            "builtins": ["stylestudio.templatetags.studio"],
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "stylestudio.sqlite3",
        # Opening costs a worker's thread half a millisecond for every job; a file's connection does not go stale.
        "CONN_MAX_AGE": 600,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            # Mapped is as much as SQLite allows by default: in a file of gigabytes a page reads from all over it.
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-20000;"
                "PRAGMA mmap_size=2147418112;PRAGMA temp_store=MEMORY;"
            ),
        },
        # A file, so that threads of a test see the same rows through their own connections.
        "TEST": {"NAME": DATA / f"test-{os.getpid()}.sqlite3"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: [Workers and turns] Threads of a worker. 0: two for each engine, and two more; engines that you add while it runs
#: get theirs within seconds.
WORKERS = env.integer("STYLESTUDIO_WORKERS", 0, most=64)
# Messages carry no data, only "there is work": rows are the truth. `immediate` is set because Huey would use DEBUG.
HUEY: dict[str, Any] = {
    "huey_class": "stylestudio.processes.workers.WakingHuey",
    "name": "stylestudio",
    "filename": str(DATA / "huey.sqlite3"),
    "immediate": False,
    "results": False,
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "stylestudio.live.hub.HubChannelLayer", "CONFIG": {"file": DATA / "hub.json"}}
}

AUTHENTICATION_BACKENDS = ["stylestudio.people.accounts.CuratorBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "generation:studio"
LOGOUT_REDIRECT_URL = "sign-in"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
#: [The studio] Time zone of commands and logs, such as `Europe/Berlin`. Pages show times in the browser's time zone,
#: and in this one until the browser has sent its own.
TIME_ZONE = env.time_zone("STYLESTUDIO_TIME_ZONE", "UTC")
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static", ("guides", BASE_DIR / "docs/pictures")]
SERVESTATIC_USE_FINDERS = True
# Names determine the address: "outputs/…" and "uploads/…" are served by stylestudio.edge.serving, never by Django.
MEDIA_ROOT = DATA / "media"
MEDIA_URL = "/"
MEDIA_ORIGIN = ""  # of the files, if it is not the studio's own
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "stylestudio.media.storage.AsideStorage"},
    "staticfiles": {"BACKEND": "stylestudio.edge.assets.prepared.Addresses"},
}
#: [The studio] Minutes after the last start of a worker, and then between two sweeps, until [files that no row
#: names](../operators/data.md#files-that-no-row-names) are moved to the bin.
SWEEP_MINUTES = env.integer("STYLESTUDIO_SWEEP_MINUTES", 60, least=1, most=1440)
#: [The studio] Days that files stay in the bin, the folder `bin` of the media, before they are deleted for good.
BIN_DAYS = env.integer("STYLESTUDIO_BIN_DAYS", 30, least=1, most=3650)
#: [The studio] Days after which pictures in [the trash](../artists/gallery.md#the-trash) are deleted for good, unless
#: something uses them. What was deleted before a studio first ran a version with this setting counts from that day, and
#: a lower number takes effect a week later, so that it can be announced. 0: never.
TRASH_DAYS = env.integer("STYLESTUDIO_TRASH_DAYS", 30, most=3650)
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 2**20
UPLOAD_BODY_LIMIT = 16 * 2**20

#: [Engines] Address of a ComfyUI, or several separated by commas. `user:password@`, `bearer:TOKEN@` and `?token=…` are
#: sent and [never shown](../operators/engines.md#an-engine-behind-a-sign-in). Unset: `127.0.0.1:8188` is tried every
#: few seconds, and the preview engine serves while nothing answers there.
COMFYUI_URLS = env.items("COMFYUI_URL")
#: [Engines] A file with certificates in PEM format that are accepted from engines, in addition to those that the system
#: trusts. Read at the start.
COMFYUI_CA_FILE = env.folder("COMFYUI_CA_FILE")
#: [Engines] A folder that StyleStudio can write into and that the engines list as one of their LoRA folders, on the
#: same machine or shared. Files of styles that are too large for an engine's uploads (100 MB, unless its ComfyUI
#: runs with `--max-upload-size`) are copied there.
LORA_DIR = env.folder("COMFYUI_LORA_DIR")
#: [Engines] Seconds without any sign of progress, while the engine works on a picture, after which it counts as
#: stuck.
COMFYUI_TIMEOUT = env.integer("COMFYUI_TIMEOUT", 300, least=1, most=86400)
#: [Training and captions] Folder with ComfyUI workflows that [propose
#: captions](../curators/captions.md#captions-by-a-workflow-of-yours): API format, `{{image}}` as the picture of a Load
#: Image node, the caption shown by a Preview as Text node.
#: Default: `captioners` in the data folder
CAPTIONERS_DIR = env.path("STYLESTUDIO_CAPTIONERS", DATA / "captioners")
#: [The studio] Folders of the studio's machine, separated by commas, that owners may [take pictures over
#: from](../operators/taking-over.md) on the page, such as the output folder of a ComfyUI there; folders in them too.
#: The command takes any folder.
TAKEOVER_FOLDERS = env.items("STYLESTUDIO_TAKEOVER_FOLDERS")
#: [Set by `studio`] Where the preview engine listens.
PREVIEW_URL = env.text("STYLESTUDIO_PREVIEW_URL")
#: [Engines] The SDXL checkpoint, as the engines list it.
CHECKPOINT = env.text("STYLESTUDIO_CHECKPOINT", "sd_xl_base_1.0.safetensors")
#: [Engines] The SDXL Lightning LoRA, as the engines list it.
LIGHTNING_LORA = env.text("STYLESTUDIO_LIGHTNING_LORA", "sdxl_lightning_4step_lora.safetensors")
#: [The studio] Types of styles that come first in lists, separated by commas: ui, vfx, illustration, character, scene
#: or other.
KINDS = env.items("STYLESTUDIO_KINDS", "ui,vfx")
#: [Engines] The model that [holds the form](recipes.md#control-models) of pictures with SDXL, as the engines list it in
#: `models/controlnet`.
CONTROLNET = env.text("STYLESTUDIO_CONTROLNET", "diffusion_pytorch_model_promax.safetensors")
#: [Engines] Files of [recipes](recipes.md) that have other names here, separated by commas: recipe, a point, the role
#: of the file, an equals sign, and the file as the engines list it, such as `sdxl-dmd2.accelerator=dmd2.safetensors`.
RECIPE_FILES = env.items("STYLESTUDIO_RECIPE_FILES")
#: [Training and captions] A copy of [kohya's sd-scripts](https://github.com/kohya-ss/sd-scripts) on the worker's
#: machine (Linux or macOS). If it is set, styles can be trained with it there.
SD_SCRIPTS_DIR = env.folder("SD_SCRIPTS_DIR")
#: [Training and captions] The Python that sd-scripts is installed for.
#: Default: `venv/bin/python` in `SD_SCRIPTS_DIR`
SD_SCRIPTS_PYTHON = env.text("SD_SCRIPTS_PYTHON") or (
    str(SD_SCRIPTS_DIR / "venv" / "bin" / "python") if SD_SCRIPTS_DIR else ""
)
#: [Training and captions] A folder of the worker's machine with the base checkpoints that sd-scripts trains on, such
#: as `models/checkpoints` of a ComfyUI there; folders in it are searched too.
#: Default: `models` in `SD_SCRIPTS_DIR`
SD_SCRIPTS_MODELS = env.folder("SD_SCRIPTS_MODELS")
#: [Workers and turns] Name of the worker. Two workers must never share a name.
#: Default: `studio`; for one that you start by hand, host and process id
WORKER_NAME = env.text("STYLESTUDIO_WORKER_NAME")
#: [Workers and turns] Jobs that one person may have waiting, pictures and trainings together. Whoever reaches the limit
#: is shown how many are waiting, and loses nothing of the form. 0: no limit. Neither this limit nor the next counts
#: what the studio makes by itself (previews of styles, samples of trainings) or work on datasets.
MAX_WAITING = env.integer("STYLESTUDIO_MAX_WAITING", 0, most=100000)
#: [Workers and turns] Jobs of one person that engines work on at the same time, counted separately for pictures and
#: for trainings: a training that takes hours keeps nobody from making pictures. 0: no limit.
MAX_RUNNING = env.integer("STYLESTUDIO_MAX_RUNNING", 0, most=1000)
#: [Workers and turns] The most pictures that one list may order. A table that asks for more is refused with the number
#: before anything is made. Rows are put into the queue a few at a time, so others and single orders need not wait for a
#: whole list.
LIST_PICTURES = env.integer("STYLESTUDIO_LIST_PICTURES", 2000, least=1, most=100000)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "stylestudio.host.logs.PlainFormatter",
            "format": logs.LINE,
        }
    },
    "filters": {
        "asked_for_health": {"()": "stylestudio.host.logs.HealthIsTold"},
        "in_one_line": {"()": "stylestudio.edge.failures.WithoutTraceback"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["in_one_line"]},
        "file": {
            "class": "stylestudio.host.logs.SharedRotatingFile",
            "filename": DATA / "stylestudio.log",
            "formatter": "line",
            "filters": ["in_one_line"],
        },
    },
    "root": {"handlers": ["console", "file"], "level": "INFO"},
    "loggers": {
        "django.channels.server": {"level": "WARNING"},
        "django.request": {"filters": ["asked_for_health"]},
        "daphne": {"level": "WARNING"},
        "huey": {"level": "WARNING"},
        # The supervisor prints to the console, in plain words, what it logs here. See also `processes.launch`.
        "stylestudio.processes.supervisor": {"handlers": ["file"], "propagate": False},
    },
}

# If one machine is not enough: the same code on PostgreSQL, Redis and S3.
#: [Several machines] A PostgreSQL database instead of the SQLite file, such as
#: `postgresql://user:password@host:5432/name`. How many connections it takes is in [Settings by machine
#: size](../operators/sizes.md#connections-to-postgresql).
DATABASE_URL = env.text("DATABASE_URL")
#: [Several machines] Redis for the queue and the live updates, such as `redis://:password@host:6379/0`. Together with
#: `DATABASE_URL` it means [several machines](../operators/machines.md), which also need `COMFYUI_URL` and
#: `STYLESTUDIO_SECRET_KEY`: without them nothing starts.
REDIS_URL = env.text("REDIS_URL")
#: [Several machines] A private S3 bucket for pictures and uploads, instead of `media` in the data folder.
S3_BUCKET = env.text("S3_BUCKET")

if DATABASE_URL:
    env.require("DATABASE_URL", "psycopg", "psycopg_pool")
    DATABASES["default"] = env.postgres("DATABASE_URL", DATABASE_URL)
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    # For web processes and commands. A request takes one connection, whatever it does; if there are too few, requests
    # wait up to 10 s for each other. A worker's threads never wait: see `workers.let_every_thread_connect`.
    _most = min(24, max(8, (WORKERS or 2 * max(1, len(COMFYUI_URLS)) + 2) + 4))
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": _most, "timeout": 10}

if REDIS_URL:
    env.require("REDIS_URL", "redis")
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "stylestudio.live.redis_layer.RedisChannelLayer",
        "CONFIG": {"url": env.redis("REDIS_URL", REDIS_URL)},
    }
    # Each thread waits for messages on its own connection, for a second. An order waits as long as this timeout for a
    # Redis that is silent, and is then taken.
    _redis = env.redis("REDIS_URL", REDIS_URL, socket_timeout=5, max_connections=4096)
    HUEY = {
        "huey_class": "stylestudio.processes.workers.RemoteHuey",
        "name": "stylestudio",
        "connection": {"url": _redis},
        "immediate": False,
        "results": False,
    }

if S3_BUCKET:
    env.require("S3_BUCKET", "storages", "boto3")
    #: [Several machines] Keys for the bucket; set neither if the machine itself has a role.
    _keys = {"access_key": env.text("S3_ACCESS_KEY"), "secret_key": env.text("S3_SECRET_KEY")}
    if any(_keys.values()) != all(_keys.values()):
        raise ImproperlyConfigured(
            "Set S3_ACCESS_KEY and S3_SECRET_KEY, or neither where the machine itself has a role."
        )
    #: [Several machines] Region of the bucket.
    _region = env.text("S3_REGION", "us-east-1")
    #: [Several machines] Address of an S3 server of your own. Browsers fetch pictures there, so they must be able to
    #: reach it too.
    #: Default: Amazon's
    _endpoint = env.origin("S3_ENDPOINT_URL", env.text("S3_ENDPOINT_URL", f"https://s3.{_region}.amazonaws.com"))
    # Self-hosted servers rarely have a host name for each bucket.
    _own = bool(env.text("S3_ENDPOINT_URL"))
    MEDIA_ORIGIN = _endpoint if _own else f"https://{S3_BUCKET}.s3.{_region}.amazonaws.com"
    STORAGES["default"] = {
        "BACKEND": "stylestudio.media.buckets.PrivateBucket",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": _endpoint,
            "region_name": _region,
            "addressing_style": "path" if _own else "virtual",
            "signature_version": "s3v4",
            "max_memory_size": 8 * 2**20,  # reads are buffered in memory up to this size, then in a temporary file
            **{name: key for name, key in _keys.items() if key},
        },
    }

# Drivers and engines may repeat these in their own messages, which are logged.
concealed.remember({SECRET_KEY, env.text("S3_SECRET_KEY"), *env.passwords(DATABASE_URL), *env.passwords(REDIS_URL)})
concealed.remember(secrets_in_all(COMFYUI_URLS))
