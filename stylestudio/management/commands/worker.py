"""`manage.py worker`: runs queued jobs."""

from __future__ import annotations

import logging
import os
import signal
import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from stylestudio.database import integrity
from stylestudio.host import child_exit, private, startup
from stylestudio.live import hub, page_frame, publisher
from stylestudio.media import identity
from stylestudio.processes import workers
from stylestudio.processes.workers import Pulse, StudioConsumer, stopping, thread_count, worker_name

# A picture passes through several threads. With Python's 5 ms, each may wait that long for one that is rendering.
SWITCH = 0.0005  # seconds


class Command(BaseCommand):
    """Huey's consumer with threads and a heartbeat."""

    help = "Do the queued work until told to stop. `studio` runs one; start more of them on further machines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument(
            "--exit-with-parent", action="store_true", help="stop when standard input closes, as `studio` wants it"
        )

    def handle(self, *args: Any, exit_with_parent: bool, **options: Any) -> None:
        """Run, and never return: otherwise Python would wait for threads whose work did not end in time."""
        from huey.contrib.djhuey import HUEY

        from stylestudio.processes import tasks

        workers.let_every_thread_connect()
        autodiscover_modules("tasks")
        sys.setswitchinterval(SWITCH)
        if hasattr(signal, "SIGBREAK"):
            signal.signal(signal.SIGBREAK, lambda number, frame: signal.raise_signal(signal.SIGTERM))
        private.make_data_private(settings.DATA)
        startup.prepare()
        threads = thread_count(len(page_frame.engine_facts()))
        pulse = Pulse(worker_name(), threads)
        pulse.start()
        tasks.sweep()
        tasks.push_ended_again()
        connections.close_all()
        if file := integrity.database_file():
            integrity.Examiner(file, stopping).start()
        consumer = StudioConsumer(HUEY, threads)
        workers.register_beat(partial(_follow_engines, pulse, consumer))
        if exit_with_parent:
            child_exit.exit_with_parent()
        consumer.run()
        pulse.stop()
        identity.advance_counter()
        publisher.publisher.flush(0.5)
        hub.drain()
        logging.shutdown()
        os._exit(0)


def _follow_engines(pulse: Pulse, consumer: StudioConsumer) -> None:
    """Give engines that were added later their threads too."""
    consumer.grow_to(thread_count(len(page_frame.engine_facts())))
    pulse.threads = consumer.threads
