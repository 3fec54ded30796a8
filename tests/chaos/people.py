"""The people of a storm: they order, cancel, and watch. The form is sent again until the web process answers."""

from __future__ import annotations

import io
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from itertools import cycle
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from generation.ordering import orders
from generation.ordering.orders import Order
from generation.ordering.references import add_reference
from generation.pictures.models import GenerationTask, Reference
from stylestudio.live import publisher

CSRF = "c" * 32  # a script may choose its own: what counts is that cookie and header agree


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The answer itself is wanted."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


class Person:
    """Somebody with a session."""

    def __init__(self, name: str) -> None:
        self.user = User.objects.create_user(name, is_staff=True)
        client = Client()
        client.force_login(self.user)
        self.cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={CSRF}"

    def reference(self, colour: tuple[int, int, int]) -> Reference:
        """A small picture of theirs."""
        data = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(data, "PNG")
        data.seek(0)
        return add_reference(data, self.user)


class Crowd:
    """Everybody, and what they did: which order became which task, and whom they told to stop.

    They use the webs at `urls` by turns. After an answer in `busy`, as after none, they try again.
    """

    def __init__(self, names: tuple[str, ...], urls: Iterable[str], patience: float, busy: frozenset[int]) -> None:
        self.people = {name: Person(name) for name in names}
        self._urls, self._patience, self._busy = cycle(urls), patience, busy
        self.tasks: dict[int, int] = {}  # number of the order -> task
        self.requests: dict[int, uuid.UUID] = {}
        self.cancelled: set[int] = set()  # tasks that this cancelled for sure
        self.maybe_cancelled: set[int] = set()  # tasks that a form asked to cancel
        self.problems: list[str] = []
        self.repeated = 0
        self._open = urllib.request.build_opener(NoRedirect)
        self._threads = ThreadPoolExecutor(8)
        self._pending: list[Future[None]] = []
        self._lock = threading.Lock()

    def place(self, number: int, user: str, count: int, seed: int, image: bool, by_form: bool) -> None:
        """Order pictures: by the form, whose pictures are large, or beside it."""
        request = self.requests[number] = uuid.uuid4()
        person = self.people[user]
        if by_form:
            form = {
                "mode": "text", "prompt": f"storm {number}", "shape": "1024x1024", "count": 1, "seed": seed, "steps": 4,
                "cfg": 1.0, "sampler": "euler", "scheduler": "sgm_uniform", "request_id": request,
            }  # fmt: skip
            self._pending.append(self._threads.submit(self._send_order, number, person, form))
            return
        reference = person.reference((seed % 4 * 60, 90, 40)) if image else None
        order = Order(f"storm {number}", width=64, height=64, count=count, seed=seed, reference=reference)
        self.tasks[number] = orders.place(order, person.user, request_id=request).pk

    def _send_order(self, number: int, person: Person, form: dict[str, Any]) -> None:
        location = self._post(person, "/generate", form)
        if location:
            self.tasks[number] = int(location.rstrip("/").rsplit("/", 1)[1])
        else:
            self.problems.append(f"order {number} was never taken")

    def cancel(self, number: int, by_form: bool) -> None:
        """Cancel an order, where it is one already."""
        task = GenerationTask.everything.filter(pk=self.tasks.get(number, 0)).first()
        if task is None:
            return
        if by_form:
            self.maybe_cancelled.add(task.pk)
            person = self.people[task.owner.username]
            self._pending.append(self._threads.submit(self._send_cancel, person, task.pk))
        elif task.cancel():
            self.cancelled.add(task.pk)
            publisher.changed(task)

    def _send_cancel(self, person: Person, pk: int) -> None:
        self._post(person, f"/jobs/{pk}/cancel/", {})

    def to_front(self, number: int) -> None:
        """A curator moves an order to the front."""
        task = GenerationTask.everything.filter(pk=self.tasks.get(number, 0)).first()
        if task and task.move_to_front():
            publisher.changed(task)

    def finish(self) -> None:
        """Wait until every form was taken."""
        for pending in self._pending:
            pending.result(self._patience)
        self._threads.shutdown()

    def _post(self, person: Person, path: str, form: dict[str, Any]) -> str:
        """Send a form until somebody answers. Where the answer leads; nothing where nobody ever did."""
        data = urllib.parse.urlencode(form).encode()
        headers = {"Cookie": person.cookie, "X-CSRFToken": CSRF}
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            request = urllib.request.Request(next(self._urls) + path, data, headers)
            try:
                self._open.open(request, timeout=30)
            except urllib.error.HTTPError as answer:
                if answer.code == 302:
                    return str(answer.headers["Location"])
                if answer.code in self._busy:
                    self.repeated += 1
                    time.sleep(0.3)
                    continue
                with self._lock:
                    self.problems.append(f"POST {path} was answered with {answer.code}")
                return ""
            except (OSError, HTTPException):
                self.repeated += 1
                time.sleep(0.3)
            else:
                return ""
        return ""
