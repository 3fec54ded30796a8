"""Whose word counts about the sender: this machine's and that of listed proxies, and of a list only what they wrote."""

from __future__ import annotations

import logging
from io import StringIO
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from stylestudio import checks, env
from stylestudio.edge import middleware, proxies
from stylestudio.host.cadence import FirstFew
from stylestudio.people import accounts

PASSWORD = "five silver herons"


@pytest.fixture(autouse=True)
def behind_proxies(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A studio with an https address; two kinds of proxies are listed, and nobody was told of yet."""
    settings.PUBLIC_URL = "https://studio.example.org"
    settings.PROXIES = [ip_network("172.18.0.0/16"), ip_network("2001:db8::/32")]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    monkeypatch.setattr(proxies, "noted", FirstFew(proxies.MOST_NOTED))


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("::1", "203.0.113.7", "203.0.113.7"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", " , ,", "127.0.0.1"),
        ("127.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("172.18.0.2", "1.1.1.1,203.0.113.7, 172.18.0.9", "203.0.113.7"),
        ("::ffff:172.18.0.2", "203.0.113.7", "203.0.113.7"),
        ("2001:db8::5", "203.0.113.7, ::ffff:172.18.0.9, 2001:db8::6", "203.0.113.7"),
        ("127.0.0.1", "172.18.0.3, 172.18.0.2", "172.18.0.3"),
        ("127.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("127.0.0.1", "[2001:db9::7]:4711", "2001:db9::7"),
        ("127.0.0.1", "[2001:db9::7]", "2001:db9::7"),
        ("127.0.0.1", "2001:db9::7", "2001:db9::7"),
        ("127.0.0.1", "fe80::7%eth0", "fe80::7"),
        ("127.0.0.1", "unix:", None),
        ("127.0.0.1", "203.0.113.7, unknown", None),
        ("127.0.0.1", "203.0.113.7, <script>", None),
        ("127.0.0.1", "203.0.113.7, 1.2.3.4.5", None),
        ("127.0.0.1", "0177.0.0.1", None),
        ("203.0.113.9", "1.1.1.1", "203.0.113.9"),
        ("203.0.113.9", "127.0.0.1", "203.0.113.9"),
        ("203.0.113.9", "nonsense", "203.0.113.9"),
        ("172.19.0.2", "1.1.1.1", "172.19.0.2"),
        ("::ffff:203.0.113.9", "1.1.1.1", "203.0.113.9"),
    ],
)
def test_the_sender_is_the_last_entry_that_no_proxy_of_ours_has(peer: str, forwarded: str, sender: str | None) -> None:
    found = proxies.sender(peer, forwarded)
    assert (str(found) if found else None) == sender


def test_without_a_public_address_nobody_is_believed(settings: Settings) -> None:
    settings.PUBLIC_URL = ""
    assert str(proxies.sender("127.0.0.1", "203.0.113.7")) == "127.0.0.1"
    assert str(proxies.sender("172.18.0.2", "203.0.113.7")) == "172.18.0.2"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db9::1", "2001:db9::ffff:1", True),
        ("2001:db9::1", "2001:db9:0:1::1", False),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
    ],
)
def test_the_addresses_of_one_ipv6_connection_count_as_one(one: str, other: str, same: bool) -> None:
    assert (proxies.household(proxies.parse(one)) == proxies.household(proxies.parse(other))) is same


def ask(peer: str, **headers: str) -> HttpRequest:
    """The request as pages see it."""
    seen: list[HttpRequest] = []
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    middleware.only_proxies_forward(seen.append)(RequestFactory().get("/", headers=names, REMOTE_ADDR=peer))
    return seen[0]


FORWARDED = {
    "X_Forwarded_For": "1.1.1.1",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "evil.test",
    "X_Forwarded_Port": "443",
    "Forwarded": "for=1.1.1.1;proto=https;host=evil.test",
    "X_Real_IP": "1.1.1.1",
}


@pytest.mark.parametrize("peer", ["203.0.113.9", "172.19.0.2", "::ffff:203.0.113.9", "2001:db9::1"])
def test_what_a_stranger_says_of_itself_reaches_no_page(peer: str) -> None:
    request = ask(peer, **FORWARDED)
    assert not [name for name in request.META if "FORWARDED" in name or "REAL" in name]
    assert not [name for name in request.headers if "Forwarded" in name]
    assert not request.is_secure()
    assert accounts.address_of(request) == proxies.household(proxies.parse(peer))


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "172.18.0.2", "::ffff:172.18.0.2"])
def test_a_proxy_is_believed(peer: str) -> None:
    request = ask(peer, **FORWARDED)
    assert request.is_secure()
    assert accounts.address_of(request) == "1.1.1.1"


@pytest.mark.parametrize("said", ["https, http", "https,http", "http"])
def test_of_several_words_about_tls_the_proxys_own_counts(said: str) -> None:
    assert not ask("127.0.0.1", X_Forwarded_Proto=said).is_secure()
    assert ask("127.0.0.1", X_Forwarded_Proto="http, https").is_secure()


def test_a_host_is_never_taken_from_a_proxy() -> None:
    assert ask("127.0.0.1", X_Forwarded_Host="evil.test", Forwarded="host=evil.test").get_host() == "testserver"


@pytest.mark.django_db
def test_a_stranger_cannot_reset_the_limit_of_sign_in_with_made_up_senders(client: Client) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    guess = {"username": "ada", "password": "wrong"}
    statuses = [
        client.post(
            "/sign-in/", guess, headers={"X-Forwarded-For": f"198.51.100.{number}"}, REMOTE_ADDR="203.0.113.9"
        ).status_code
        for number in range(14)
    ]
    assert statuses == [422] * 10 + [429] * 4


@pytest.mark.django_db
def test_people_behind_one_proxy_are_told_apart(client: Client) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    guess = {"username": "ada", "password": "wrong"}
    for _ in range(11):
        answer = client.post("/sign-in/", guess, headers={"X-Forwarded-For": "1.1.1.1"})
    assert answer.status_code == 429
    good = {"username": "ada", "password": PASSWORD}
    made_up = {"X-Forwarded-For": "2.2.2.2, 1.1.1.1"}
    assert client.post("/sign-in/", good, headers=made_up).status_code == 429
    assert client.post("/sign-in/", good, headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}).status_code == 302


@pytest.mark.django_db
def test_a_proxy_that_nobody_listed_is_told_once_in_the_log_and_by_doctor(
    client: Client, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    for _ in range(3):
        client.get("/sign-in/", headers={"X-Forwarded-For": "1.1.1.1"}, REMOTE_ADDR="10.0.0.5")
    told = [record.getMessage() for record in caplog.records if record.name == "stylestudio.edge.proxies"]
    assert len(told) == 1
    assert "STYLESTUDIO_PROXIES=10.0.0.5" in told[0]
    assert "If it is your proxy, set STYLESTUDIO_PROXIES=10.0.0.5" in examined()
    settings.PROXIES = [*settings.PROXIES, ip_network("10.0.0.0/8")]
    assert "Proxy" not in examined()
    settings.PROXIES = []
    proxies.forget_unlisted()
    assert "Proxy" not in examined()


def examined() -> str:
    """What doctor says; it finds other things too."""
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("address", ["", "http://studio.example.org"])
def test_without_an_https_address_no_proxy_is_missed(address: str, settings: Settings, own_data: Path) -> None:
    settings.PUBLIC_URL = address
    ask("10.0.0.5", **FORWARDED)
    assert proxies.unlisted() == []


def test_strangers_with_many_addresses_do_not_fill_the_log(caplog: pytest.LogCaptureFixture, own_data: Path) -> None:
    caplog.set_level(logging.WARNING)
    for number in range(100):
        ask(f"10.0.0.{number}", **FORWARDED)
    assert len(caplog.records) == len(proxies.unlisted()) == proxies.MOST_NOTED


def test_a_full_disk_fails_no_request_of_a_stranger(own_data: Path, settings: Settings) -> None:
    settings.DATA = own_data / "missing"
    assert not ask("10.0.0.5", **FORWARDED).is_secure()


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("", []),
        ("10.0.0.5", ["10.0.0.5/32"]),
        (" 10.0.0.5 , 172.18.0.1/16,", ["10.0.0.5/32", "172.18.0.0/16"]),
        ("2001:db8::5, fd00::/8", ["2001:db8::5/128", "fd00::/8"]),
        ("::ffff:10.0.0.5, ::ffff:172.18.0.0/112", ["10.0.0.5/32", "172.18.0.0/16"]),
    ],
)
def test_proxies_are_addresses_and_networks(value: str, networks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLESTUDIO_PROXIES", value)
    assert [str(network) for network in env.networks("STYLESTUDIO_PROXIES")] == networks


@pytest.mark.parametrize("value", ["nginx", "10.0.0", "10.0.0.5:80", "10.0.0.0/33", "0.0.0.0/0", "::/0", "*"])
def test_what_is_no_proxy_stops_the_start(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLESTUDIO_PROXIES", f"10.0.0.5,{value}")
    with pytest.raises(ImproperlyConfigured, match="Use addresses such as"):
        env.networks("STYLESTUDIO_PROXIES")


def test_proxies_without_a_public_address_are_pointed_out(settings: Settings) -> None:
    assert not checks.proxies_are_for_a_public_address()
    settings.PUBLIC_URL = ""
    assert "STYLESTUDIO_PUBLIC_URL" in str(checks.proxies_are_for_a_public_address()[0].hint)
