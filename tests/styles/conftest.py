"""Curators who bring styles in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from styles.kinds.of_kind import Kind
from styles.models import Style


@pytest.fixture
def desk(client: Client, curator: User) -> Client:
    """A curator's browser."""
    client.force_login(curator)
    return client


@pytest.fixture
def owner(db: None) -> User:
    """The owner of the studio."""
    return User.objects.create_superuser("olga")


@pytest.fixture
def base(db: None) -> Style:
    """The base style."""
    return Style.objects.create(slug="base", name="Base style", is_base=True, kind=Kind.OTHER)
