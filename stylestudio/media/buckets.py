"""Private files in an S3 bucket, for studios on several machines.

Pages use the studio's own addresses, which never change, so fragments need no signature and browsers may cache the
files. `stylestudio.edge.serving` checks the cookie and redirects to a presigned URL that expires soon. Everybody gets
the same URL within an hour, from all machines, so that browsers find the file in their cache.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Any

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.utils.encoding import filepath_to_uri
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from stylestudio.media.content_types import CONTENT_TYPES
from stylestudio.media.identity import may_delete
from stylestudio.media.storage import StoreUnreachable

HOUR = timedelta(hours=1)
VALID = 2 * HOUR  # from the beginning of the hour in which a URL is signed; at its end as long as an hour
RESERVE = timedelta(minutes=10)  # for clocks that differ, and for the time that fetching a file takes
MOST_SIGNED = 4096  # URLs that are remembered
MOST_CONNECTIONS = 64  # that are kept open, as many as a worker has threads; more are closed after a request
ONE_REQUEST = 8 * 2**20  # bytes; larger files are sent in parts


@dataclass(frozen=True, slots=True)
class Signed:
    """A presigned URL, and the seconds for which a browser may go on to use it."""

    url: str
    seconds: int


class _HourlyAuth(S3SigV4QueryAuth):  # type: ignore[misc]
    """botocore's presigning, with the beginning of the hour as the time at which it was done."""

    def __init__(self, credentials: Any, region: str, hour: datetime) -> None:
        super().__init__(credentials, "s3", region, expires=int(VALID.total_seconds()))
        self._hour = hour

    def add_auth(self, request: AWSRequest) -> None:
        """As in botocore, which takes the present second."""
        request.context["timestamp"] = self._hour.strftime(SIGV4_TIMESTAMP)
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise the errors that callers expect from a disk."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        missing = isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        kind = FileNotFoundError if missing else StoreUnreachable
        raise kind(f"The bucket {settings.S3_BUCKET} could not be used: {error}") from error


class PrivateBucket(S3Storage):  # type: ignore[misc]
    """The bucket behind Django's storage interface."""

    client_config: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.client_config = self.client_config.merge(Config(max_pool_connections=MOST_CONNECTIONS))

    @property
    def _client(self) -> Any:
        """The one client of this process: making another for each thread takes a quarter of a second and its memory."""
        return self.bucket.meta.client

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        """The studio's own address of a file."""
        return f"{settings.MEDIA_URL}{filepath_to_uri(name)}"

    def signed(self, name: str, disposition: str | None = None) -> Signed:
        """A URL at which the bucket itself serves the file to anybody who has it, the same for all within an hour."""
        credentials = self._credentials.get_frozen_credentials()
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        left = hour + VALID - now - RESERVE
        if credentials.token:  # those of a role end at a time of their own, at the earliest ten minutes from now
            left = min(left, RESERVE / 2)
        return Signed(self._sign_once(name, disposition, credentials, hour), int(left.total_seconds()))

    @cached_property
    def _sign_once(self) -> Callable[[str, str | None, Any, datetime], str]:
        return lru_cache(maxsize=MOST_SIGNED)(self._sign)

    def _sign(self, name: str, disposition: str | None, credentials: Any, hour: datetime) -> str:
        parameters = {"ResponseContentDisposition": disposition} if disposition else {}
        client = self.unsigned_connection.meta.client
        address = client.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket_name, "Key": name, **parameters}
        )
        request = AWSRequest("GET", address)
        _HourlyAuth(credentials, self.region_name, hour).add_auth(request)
        return str(request.url)

    @cached_property
    def _credentials(self) -> Any:
        return self._create_session().get_credentials()

    def get_object_parameters(self, name: str) -> dict[str, str]:
        """The headers that the bucket sends with the file."""
        kind = CONTENT_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")
        return {"ContentType": kind, "CacheControl": "private, max-age=31536000, immutable"}

    def check(self) -> None:
        """Raise OSError if the bucket is missing or refuses access."""
        with _as_os_error():
            self._client.head_bucket(Bucket=self.bucket_name)

    def read(self, name: str) -> bytes:
        """Read a small file. Raises OSError."""
        with self.open(name, "rb") as file:
            return bytes(file.read())

    def put(self, name: str, data: bytes) -> None:
        """Write a file, replacing an existing one. Raises OSError."""
        self._save(name, ContentFile(data))

    def move(self, name: str, target: str) -> None:
        """Rename a file. Raises OSError."""
        with _as_os_error():
            source = {"Bucket": self.bucket_name, "Key": name}
            self._client.copy(source, self.bucket_name, target)
            self._client.delete_object(**source)

    def delete(self, name: str) -> None:
        """Delete a file, unless the bucket may belong to another database: then it stays."""
        if may_delete():
            with _as_os_error():
                super().delete(name)

    def discard(self, name: str) -> None:
        """Delete a file that the caller has just stored and no row names, whoever owns the bucket."""
        with _as_os_error():
            super().delete(name)

    def discard_folder(self, folder: str) -> None:
        """Delete a folder with files that only the caller uses and no row names, a thousand per request."""
        with _as_os_error():
            self.bucket.objects.filter(Prefix=f"{folder}/").delete()

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """The folders and files in a folder."""
        with _as_os_error():
            folders, files = super().listdir(name)
            return folders, files

    def get_modified_time(self, name: str) -> datetime:
        """When a file was written."""
        with _as_os_error():
            moment: datetime = super().get_modified_time(name)
            return moment

    def _save(self, name: str, content: Any) -> str:
        with _as_os_error():
            if content.size > ONE_REQUEST:
                return str(super()._save(name, content))
            # In one request and in this thread: what sends large files starts ten, which takes longer than a picture.
            place = clean_name(name)
            content.seek(0)
            facts = self._get_write_parameters(place, content)
            where = {"Bucket": self.bucket_name, "Key": self._normalize_name(place)}
            self._client.put_object(Body=content.read(), **where, **facts)
            return str(place)

    def exists(self, name: str) -> bool:
        """Whether the bucket has the file. Raises StoreUnreachable."""
        with _as_os_error():
            return bool(super().exists(name))

    def names(self, folder: str) -> Iterator[str]:
        """The full names of all files in a folder and below, fetched a thousand at a time. Raises StoreUnreachable."""
        with _as_os_error():
            for found in self.bucket.objects.filter(Prefix=f"{folder.rstrip('/')}/"):
                yield str(found.key)

    def _open(self, name: str, mode: str = "rb") -> Any:
        with _as_os_error():
            try:
                opened = super()._open(name, mode)
            except FileNotFoundError as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
            if "r" in mode:
                _fetched = opened.file  # now, because the first read would raise errors of another kind
            return opened
