"""First run, sign-in and its limit, sign-out, one's own account, curators."""

from __future__ import annotations

import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import call_command
from django.db import connections
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django.fixtures import Settings

from stylestudio.models import SignInFailure
from stylestudio.people import accounts

pytestmark = pytest.mark.django_db

PASSWORD = "five silver herons"
GOOD = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def link() -> str:
    address = accounts.first_run_link("http://studio.test:8000/")
    assert address
    assert address.startswith("http://studio.test:8000/welcome/")
    return address.removeprefix("http://studio.test:8000")


def test_the_one_time_link_makes_the_owner_and_signs_in(client: Client, own_data: Path) -> None:
    page = client.get(link())
    assert page.status_code == 200
    assert '<h1 id="first-run-heading" class="big-h">Create the owner account</h1>' in page.text
    answer = client.post(link(), GOOD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    owner = User.objects.get()
    assert (owner.username, owner.is_superuser, owner.is_staff) == ("ada", True, True)
    assert client.session["_auth_user_id"] == str(owner.pk)
    assert not (own_data / "first_run_token").exists()


def test_the_link_stays_the_same_until_it_was_used_and_then_there_is_none(client: Client) -> None:
    first = link()
    assert link() == first
    client.post(first, GOOD)
    assert accounts.first_run_link("http://studio.test") is None
    client.logout()
    assert client.get(first).headers["Location"] == "/sign-in/"
    assert client.post(first, {**GOOD, "username": "eve"}).headers["Location"] == "/sign-in/"
    assert User.objects.count() == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_only_this_user_can_read_the_token(own_data: Path) -> None:
    link()
    assert stat.S_IMODE((own_data / "first_run_token").stat().st_mode) == 0o600


@pytest.mark.parametrize("token", ["wrong", "x" * 300, "%00", "ü"])
def test_a_wrong_word_in_the_link_gets_the_explanation(client: Client, token: str) -> None:
    link()
    for answer in (client.get(f"/welcome/{token}/"), client.post(f"/welcome/{token}/", GOOD)):
        assert answer.status_code == 200
        assert "first_run_token" in answer.text
    assert not User.objects.exists()


def test_without_a_token_file_no_word_is_right(client: Client) -> None:
    client.post("/welcome/anything/", GOOD)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password2": "something else"}, "password2"),
        ({"password1": "12345678", "password2": "12345678"}, "password2"),
        ({"username": ""}, "username"),
    ],
)
def test_a_mistake_on_the_first_page_is_said_at_its_field(client: Client, change: dict[str, str], field: str) -> None:
    answer = client.post(link(), {**GOOD, **change})
    assert answer.status_code == 422
    assert f'class="error" id="id_{field}_error"' in answer.text
    assert not User.objects.exists()
    assert client.get(link()).status_code == 200


def test_an_account_made_on_the_command_line_ends_the_first_run(client: Client) -> None:
    address = link()
    assert "first_run_token" in client.get("/").text
    call_command("createsuperuser", "--noinput", username="root", email="root@studio.test")
    assert client.get("/").headers["Location"].startswith("/sign-in/")
    assert client.get(address).headers["Location"] == "/sign-in/"
    assert accounts.first_run_link("http://studio.test") is None


@pytest.mark.django_db(transaction=True)
def test_two_posts_at_the_same_moment_make_one_owner() -> None:
    address = link()
    together = threading.Barrier(2)
    statuses: list[int] = []

    def post(name: str) -> None:
        client = Client()
        together.wait()
        statuses.append(client.post(address, {**GOOD, "username": name}).status_code)
        connections.close_all()

    threads = [threading.Thread(target=post, args=[name]) for name in ("ada", "eve")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who comes just before the first owner is stored, with the link used up, is told where links are.
    assert sorted(statuses) in ([302, 302], [200, 302])
    assert User.objects.count() == 1


def sign_in(client: Client, password: str = PASSWORD, name: str = "ada", **extra: str) -> tuple[int, str]:
    answer = client.post("/sign-in/", {"username": name, "password": password, **extra})
    return answer.status_code, answer.headers.get("Location", answer.text)


def test_sign_in_goes_on_to_the_page_that_was_asked_for(client: Client, ada: User) -> None:
    page = client.get("/sign-in/?next=/account/")
    assert 'name="next" value="/account/"' in page.text
    assert sign_in(client, next="/account/") == (302, "/account/")


@pytest.mark.parametrize("elsewhere", ["https://evil.test/", "//evil.test/", "javascript:alert(1)", ""])
def test_sign_in_never_leads_to_another_site(client: Client, ada: User, elsewhere: str) -> None:
    assert sign_in(client, next=elsewhere) == (302, "/")


def test_a_wrong_password_is_said_and_the_cursor_is_in_the_password(client: Client, ada: User) -> None:
    status, text = sign_in(client, "wrong")
    assert status == 422
    assert "That name and password do not match. Try again." in text
    focused = [line for line in text.splitlines() if "autofocus" in line]
    assert len(focused) == 1
    assert 'type="password"' in focused[0]
    assert 'value="ada"' in text


def test_an_unknown_name_and_a_closed_account_are_told_the_same(client: Client, ada: User) -> None:
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    for name in ("nobody", "gone"):
        status, text = sign_in(client, name=name)
        assert status == 422
        assert "That name and password do not match. Try again." in text


def test_ten_failures_mean_waiting_even_with_the_right_password(client: Client, ada: User) -> None:
    for _ in range(10):
        assert sign_in(client, "wrong")[0] == 422
    status, text = sign_in(client)
    assert status == 429
    assert "Try again in 10 minutes." in text
    assert "_auth_user_id" not in client.session
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=9, seconds=30))
    assert "Try again in 1 minute." in sign_in(client)[1]
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert sign_in(client) == (302, "/")


def test_waiting_counts_neither_for_another_name_nor_for_another_address(client: Client, ada: User) -> None:
    User.objects.create_user("eve", password=PASSWORD)
    for _ in range(11):
        status, _text = sign_in(client, "wrong")
    assert status == 429
    assert sign_in(client, name="eve")[0] == 302
    assert sign_in(Client(REMOTE_ADDR="10.0.0.9"))[0] == 302


def test_an_address_that_tries_many_names_waits_too_and_nobody_can_take_that_back(client: Client, ada: User) -> None:
    statuses = [sign_in(client, "wrong", f"name{number}")[0] for number in range(accounts.MOST_FROM_ADDRESS - 1)]
    assert set(statuses) == {422}
    assert sign_in(client)[0] == 302
    assert sign_in(client, "wrong", "one more")[0] == 422
    status, text = sign_in(client)
    assert status == 429
    assert "Try again in 10 minutes." in text
    assert sign_in(Client(REMOTE_ADDR="10.0.0.9"))[0] == 302
    assert SignInFailure.objects.count() == accounts.MOST_FROM_ADDRESS


def test_an_office_of_thirty_behind_one_address_may_mistype(client: Client) -> None:
    for number in range(30):
        User.objects.create_user(f"person{number}", password=PASSWORD)
    for number in range(30):
        for _ in range(3):
            assert sign_in(Client(), "wrong", f"person{number}")[0] == 422
    for number in range(30):
        assert sign_in(Client(), name=f"person{number}")[0] == 302


def test_failures_of_a_clock_that_was_put_back_do_not_count_for_longer(client: Client, ada: User) -> None:
    for _ in range(10):
        sign_in(client, "wrong")
    SignInFailure.objects.update(at=timezone.now() + timedelta(days=3))
    assert sign_in(client)[0] == 302


def test_a_good_password_takes_the_earlier_failures_back(client: Client, ada: User) -> None:
    for _ in range(9):
        sign_in(client, "wrong")
    sign_in(client)
    assert not SignInFailure.objects.exists()


def test_behind_a_proxy_the_address_is_the_proxys_own_entry(settings: Settings) -> None:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.7"}, REMOTE_ADDR="127.0.0.1")
    assert accounts.address_of(request) == "127.0.0.1"
    settings.PUBLIC_URL = "https://studio.example.org"
    assert accounts.address_of(request) == "203.0.113.7"
    nonsense = RequestFactory().get("/", headers={"X-Forwarded-For": "nonsense"})
    assert accounts.address_of(nonsense) is None


def test_the_admin_asks_for_somebody_else_without_sending_in_circles(client: Client, ada: User) -> None:
    client.force_login(ada)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 200
    assert "You are signed in as ada" in answer.text
    assert client.get("/sign-in/").headers["Location"] == "/"


def test_sign_out_needs_a_post(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert "_auth_user_id" not in client.session


def test_forms_are_refused_without_the_token_against_forgery(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    status, text = sign_in(client)
    assert status == 403
    assert "This form is too old" in text
    assert "<style" not in text


def test_a_new_password_keeps_this_session_and_ends_the_others(client: Client, ada: User) -> None:
    client.force_login(ada)
    other = Client()
    other.force_login(ada)
    new = "nine copper kettles"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/account/password/", form).headers["Location"] == "/account/"
    assert client.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 302
    assert sign_in(Client(), new)[0] == 302


def test_a_wrong_current_password_changes_nothing(client: Client, ada: User) -> None:
    client.force_login(ada)
    form = {"old_password": "wrong", "new_password1": "nine copper kettles", "new_password2": "nine copper kettles"}
    answer = client.post("/account/password/", form)
    assert answer.status_code == 422
    assert 'id="id_old_password_error"' in answer.text
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def change_password(client: Client, old: str) -> int:
    new = "nine copper kettles"
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/account/password/", form).status_code


def test_who_finds_a_browser_open_cannot_guess_the_password_there(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert [change_password(client, f"guess {number}") for number in range(12)] == [422] * 10 + [429] * 2
    assert change_password(client, PASSWORD) == 429
    assert sign_in(Client())[0] == 429
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert change_password(client, PASSWORD) == 302
    assert not SignInFailure.objects.exists()


def test_the_admin_has_no_page_of_its_own_to_guess_the_password(client: Client, ada: User) -> None:
    User.objects.update(is_staff=True)
    client.force_login(User.objects.get())
    for answer in (client.get("/admin/password_change/"), client.post("/admin/password_change/", {})):
        assert (answer.status_code, answer.headers["Location"]) == (302, "/account/")
    client.logout()
    assert client.get("/admin/password_change/").headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("theme", ["dark", "light", "system"])
def test_the_theme_is_kept_in_a_cookie_and_written_into_the_page(client: Client, ada: User, theme: str) -> None:
    client.force_login(ada)
    assert client.post("/account/theme/", {"theme": theme}).headers["Location"] == "/account/"
    assert client.cookies["theme"].value == theme
    assert f'data-theme="{theme}"' in client.get("/account/").text


def test_a_change_of_theme_without_script_comes_back_to_the_same_page_of_this_site(client: Client, ada: User) -> None:
    client.force_login(ada)
    for before, after in (("http://testserver/gallery/?style=ink",) * 2, ("https://evil.test/", "/account/")):
        answer = client.post("/account/theme/", {"theme": "light"}, headers={"Referer": before})
        assert answer.headers["Location"] == after


def test_htmx_gets_no_page_for_a_change_of_theme_and_nonsense_is_refused(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.post("/account/theme/", {"theme": "light"}, headers={"HX-Request": "true"}).status_code == 204
    assert client.post("/account/theme/", {"theme": "pink"}).status_code == 422
    assert client.cookies["theme"].value == "light"


def test_the_language_can_be_chosen(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post("/account/language/", {"language": "zh-hans", "next": "/account/"})
    assert '<html lang="zh-hans"' in client.get("/account/").text


@pytest.mark.parametrize(("role", "people", "admin"), [("artist", 0, 0), ("curator", 0, 1), ("owner", 1, 1)])
def test_owners_see_people_and_curators_see_the_admin(
    client: Client, ada: User, role: str, people: int, admin: int
) -> None:
    User.objects.update(is_staff=role != "artist", is_superuser=role == "owner")
    client.force_login(User.objects.get())
    text = client.get("/account/").text.split("<main")[1]
    assert (text.count(">People</a>"), text.count(">Admin</a>")) == (people, admin)


def test_curators_may_do_everything_with_our_apps_and_nothing_with_accounts(ada: User) -> None:
    assert not ada.has_perm("styles.change_style")
    ada.is_staff = True
    assert ada.has_perm("styles.change_style")
    assert ada.has_perm("pictures.delete_generatedimage")
    assert ada.has_module_perms("runs")
    assert not ada.has_perm("auth.change_user")
    assert not ada.has_module_perms("auth")
    ada.is_active = False
    assert not ada.has_perm("styles.change_style")
    assert not AnonymousUser().has_perm("styles.change_style")
