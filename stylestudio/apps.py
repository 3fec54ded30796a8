"""The kernel as a Django app: commands, checks, worker rows, and sockets that close with their session."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from stylestudio.host import rooms


class StyleStudioConfig(rooms.Room):
    """Registers the system checks, and connects the ends of sessions with the sockets."""

    name = "stylestudio"
    verbose_name = "StyleStudio"
    startup_steps = ("stylestudio.media.identity:record_start",)
    health_facts = ("stylestudio.database.integrity:facts_for_health", "stylestudio.media.identity:facts_for_health")
    sweeps = ("stylestudio.jobs.presses:delete_old_presses", "stylestudio.people.sessions:sweep_sessions_when_due")

    def ready(self) -> None:
        """Connect to Django's signals, whose modules can be imported only now."""
        from django.conf import settings
        from django.contrib.auth.signals import user_logged_out
        from django.db.backends.signals import connection_created
        from django.db.models.signals import post_delete, post_migrate, post_save

        from stylestudio import checks  # noqa: F401  importing registers them

        super().ready()
        connection_created.connect(_opened, dispatch_uid="stylestudio.host.private")
        post_migrate.connect(_emptied, sender=self, dispatch_uid="stylestudio.people.projects")
        user_logged_out.connect(_signed_out, dispatch_uid="stylestudio.sockets")
        post_save.connect(_person_changed, sender=settings.AUTH_USER_MODEL, dispatch_uid="stylestudio.sockets")
        post_delete.connect(_person_left, sender=settings.AUTH_USER_MODEL, dispatch_uid="stylestudio.sockets")


def _opened(connection: Any, **_: Any) -> None:
    """Make the SQLite file private: SQLite creates it with the permissions that the umask allows."""
    from django.conf import settings

    from stylestudio.host import private

    if connection.vendor == "sqlite" and Path(connection.settings_dict["NAME"]).parent == settings.DATA:
        private.database(Path(connection.settings_dict["NAME"]))


def _emptied(**_: Any) -> None:
    """`manage.py flush` leaves no project, and rows of all tables are in one."""
    from stylestudio.people import projects

    projects.keep_default()


def _signed_out(request: Any, user: Any, **_: Any) -> None:
    from stylestudio.live import publisher as live

    if user is None:
        return
    # Django sends the signal before it ends the session; a socket that checked now would find it still valid.
    request.session.flush()
    live.check_sessions(user.pk)


def _person_changed(instance: Any, update_fields: Any, **_: Any) -> None:
    """A new password ends other sessions, and a deactivated person has none."""
    from django.db import transaction

    from stylestudio.live import publisher as live

    if update_fields is None or set(update_fields) & {"password", "is_active"}:
        transaction.on_commit(partial(live.check_sessions, instance.pk))


def _person_left(instance: Any, **_: Any) -> None:
    from django.db import transaction

    from stylestudio.live import publisher as live

    transaction.on_commit(partial(live.check_sessions, instance.pk))
