"""All settings, from the environment. Every variable read here is in the README's table (a test holds that)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from stylestudio import env
from stylestudio.comfy.address import secrets_in_all
from stylestudio.host import private
from stylestudio.text import concealed

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = env.path("STYLESTUDIO_DATA", BASE_DIR / "data")


def _kept_secret(file: Path) -> str:
    """The secret in `file`, made on first use and readable by this user only."""
    private.folder(file.parent)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as handle:
        secret = secrets.token_urlsafe(48)
        handle.write(secret)
    return secret


DEBUG = env.boolean("STYLESTUDIO_DEBUG")
SECRET_KEY = env.text("STYLESTUDIO_SECRET_KEY") or _kept_secret(DATA / "secret_key")
DEFAULT_EXCEPTION_REPORTER_FILTER = "stylestudio.debug.SecretSettings"

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
# Besides this machine itself. What they say in X-Forwarded-… and Forwarded is believed, what others say is thrown away.
PROXIES = env.networks("STYLESTUDIO_PROXIES")

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "huey.contrib.djhuey",
    "stylestudio",
    "styles",
    "generation",
    "training",
]

# Async-capable middleware only: one sync-only entry can make daphne hang at stop.
MIDDLEWARE = [
    "stylestudio.edge.middleware.security_headers",
    "stylestudio.edge.middleware.only_proxies_forward",
    "stylestudio.edge.middleware.without_nul",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "stylestudio.edge.middleware.readers_zone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "stylestudio.people.door.SignInRequired",
    "stylestudio.edge.middleware.media_cookie",
    "django.contrib.messages.middleware.MessageMiddleware",
    "stylestudio.edge.failures.WordsForFailures",
]

ROOT_URLCONF = "stylestudio.urls"
ASGI_APPLICATION = "stylestudio.asgi.application"

_LOADERS = ["stylestudio.template_loader.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # With DEBUG a saved template is seen with the next page.
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
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-20000;"
                "PRAGMA mmap_size=134217728;PRAGMA temp_store=MEMORY;"
            ),
        },
        # A file, so that threads of a test see the same rows through connections of their own.
        "TEST": {"NAME": DATA / f"test-{os.getpid()}.sqlite3"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Messages carry no data, only "there is work": rows are the truth. `immediate` is set because Huey would take DEBUG.
WORKERS = env.integer("STYLESTUDIO_WORKERS", 0, most=64)  # 0: two threads per engine and two more
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
# Of commands and logs, and of pages until a browser has told its own.
TIME_ZONE = env.time_zone("STYLESTUDIO_TIME_ZONE", "UTC")
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_USE_FINDERS = True
# Names decide the address: "outputs/…" and "uploads/…" are served by stylestudio.edge.serving, never by Django.
MEDIA_ROOT = DATA / "media"
MEDIA_URL = "/"
MEDIA_ORIGIN = ""  # of the files, where it is not the studio's own
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "stylestudio.media.storage.AsideStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Files that the database lost go to a bin: so long after the last start of a worker, and for so long.
SWEEP_MINUTES = env.integer("STYLESTUDIO_SWEEP_MINUTES", 60, least=1, most=1440)
BIN_DAYS = env.integer("STYLESTUDIO_BIN_DAYS", 30, least=1, most=3650)
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 2**20
UPLOAD_BODY_LIMIT = 16 * 2**20

COMFYUI_URLS = env.items("COMFYUI_URL")
COMFYUI_CA_FILE = env.folder("COMFYUI_CA_FILE")  # certificates to believe beside those of the system
LORA_DIR = env.folder("COMFYUI_LORA_DIR")
COMFYUI_TIMEOUT = env.integer("COMFYUI_TIMEOUT", 300, least=1, most=86400)
# Workflows that propose captions for pictures of datasets.
CAPTIONERS_DIR = env.path("STYLESTUDIO_CAPTIONERS", DATA / "captioners")
PREVIEW_URL = env.text("STYLESTUDIO_PREVIEW_URL")  # set by `studio` for its children
CHECKPOINT = env.text("STYLESTUDIO_CHECKPOINT", "sd_xl_base_1.0.safetensors")
LIGHTNING_LORA = env.text("STYLESTUDIO_LIGHTNING_LORA", "sdxl_lightning_4step_lora.safetensors")
# kohya's sd-scripts on the worker's machine, the Python it is installed for, and a folder with base checkpoints.
SD_SCRIPTS_DIR = env.folder("SD_SCRIPTS_DIR")
SD_SCRIPTS_PYTHON = env.text("SD_SCRIPTS_PYTHON") or (
    str(SD_SCRIPTS_DIR / "venv" / "bin" / "python") if SD_SCRIPTS_DIR else ""
)
SD_SCRIPTS_MODELS = env.folder("SD_SCRIPTS_MODELS")
WORKER_NAME = env.text("STYLESTUDIO_WORKER_NAME")
MAX_WAITING = env.integer("STYLESTUDIO_MAX_WAITING", 0, most=100000)  # jobs of one person; 0: any number
MAX_RUNNING = env.integer("STYLESTUDIO_MAX_RUNNING", 0, most=1000)  # jobs of one person that are on engines at once

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "stylestudio.host.logs.PlainFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
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
        # The supervisor says on the console, in plain words, what it notes here.
        "stylestudio.processes.supervisor": {"handlers": ["file"], "propagate": False},
    },
}

# One machine is not enough any more: the same code on PostgreSQL, Redis and S3.
DATABASE_URL = env.text("DATABASE_URL")
REDIS_URL = env.text("REDIS_URL")
S3_BUCKET = env.text("S3_BUCKET")

if DATABASE_URL:
    env.require("DATABASE_URL", "psycopg", "psycopg_pool")
    DATABASES["default"] = env.postgres("DATABASE_URL", DATABASE_URL)
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    # For web processes and commands. A request takes one connection, whatever it does, and where more come at once
    # they wait up to 10 s for each other. A worker's threads never wait: see `workers.let_every_thread_connect`.
    _most = min(24, max(8, (WORKERS or 2 * max(1, len(COMFYUI_URLS)) + 2) + 4))
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": _most, "timeout": 10}

if REDIS_URL:
    env.require("REDIS_URL", "redis", "channels_redis")
    # Waiting for a message takes up to 5 s, so a shorter timeout would end silent sockets; each socket waits on a
    # connection of its own, and with a small pool their closing fails.
    _redis = env.redis("REDIS_URL", REDIS_URL, socket_timeout=30, max_connections=4096)
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Redis drops a socket from its groups after this many seconds, even one that is still open.
        "CONFIG": {"hosts": [_redis], "capacity": 1000, "group_expiry": 7 * 86400},
    }
    HUEY = {
        "huey_class": "stylestudio.processes.workers.RemoteHuey",
        "name": "stylestudio",
        "connection": {"url": _redis},
        "immediate": False,
        "results": False,
    }

if S3_BUCKET:
    env.require("S3_BUCKET", "storages", "boto3")
    _keys = {"access_key": env.text("S3_ACCESS_KEY"), "secret_key": env.text("S3_SECRET_KEY")}
    if any(_keys.values()) != all(_keys.values()):
        raise ImproperlyConfigured(
            "Set S3_ACCESS_KEY and S3_SECRET_KEY, or neither where the machine itself has a role."
        )
    _region = env.text("S3_REGION", "us-east-1")
    _endpoint = env.origin("S3_ENDPOINT_URL", env.text("S3_ENDPOINT_URL", f"https://s3.{_region}.amazonaws.com"))
    # Servers of one's own rarely know a host name for each bucket.
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
            "max_memory_size": 8 * 2**20,  # what is read is kept in memory up to here, then in a temporary file
            **{name: key for name, key in _keys.items() if key},
        },
    }

# Drivers and engines may repeat these in their own words, which are logged.
concealed.remember({SECRET_KEY, env.text("S3_SECRET_KEY"), *env.passwords(DATABASE_URL), *env.passwords(REDIS_URL)})
concealed.remember(secrets_in_all(COMFYUI_URLS))
