"""Accounts: the first owner, signing in and out, one's own account, the rights of curators."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, login, logout, update_session_auth_hash
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm, PasswordChangeForm
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import path, reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, get_language_info, gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.i18n import set_language

from stylestudio.edge import failures, proxies, themes
from stylestudio.forms.fields import StudioFields, StudioForm
from stylestudio.forms.widgets import Segments
from stylestudio.host.cadence import UntilYes
from stylestudio.models import SignInFailure
from stylestudio.people.access import StudioRequest

LONGEST_NAME = 150  # of a user name; PostgreSQL does not take more
MOST_FAILURES = 10  # for one name from one address within FAILURE_WINDOW
MOST_FROM_ADDRESS = 100  # for all names together: a whole office may share an address
FAILURE_WINDOW = timedelta(minutes=10)
SIGN_IN_PATIENCE = 5.0  # seconds that a sign-in waits for a database lock before it reports the failure
A_YEAR = 365 * 24 * 60 * 60
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class CuratorBackend(ModelBackend):
    """Django's own sign-in; active staff (curators) may do everything with styles, pictures and training."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether this user has the permission "app.action_model"."""
        return _curates(user_obj, perm.partition(".")[0]) or super().has_perm(user_obj, perm, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Whether this user may do anything in the app."""
        return _curates(user_obj, app_label) or super().has_module_perms(user_obj, app_label)


def _curates(user: Any, app_label: str) -> bool:
    return bool(user.is_active and user.is_staff and app_label in _curated())


@cache
def _curated() -> frozenset[str]:
    """The apps whose rows curators may change: those with `is_curated` in their configuration."""
    return frozenset(config.label for config in apps.get_app_configs() if getattr(config, "is_curated", False))


# Whether anybody has an account.
accounts_exist = UntilYes(lambda: get_user_model().objects.exists())


def first_run_link(base_url: str) -> str | None:
    """The one-time address for creating the owner; None once an account exists."""
    if accounts_exist():
        _token_file().unlink(missing_ok=True)
        return None
    # Of the addresses of all rooms only its own are loaded: this process shows no page.
    return base_url.rstrip("/") + reverse("first-run", urlconf=__name__, args=[_kept_token()])


def _token_file() -> Path:
    return Path(settings.DATA, "first_run_token")


def _kept_token() -> str:
    """The token, stored so that it stays the same at every start until used; readable by this user only."""
    try:
        descriptor = os.open(_token_file(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _token_file().read_text()
    with os.fdopen(descriptor, "w") as file:
        token = secrets.token_urlsafe(24)
        file.write(token)
    return token


def _is_token(token: str) -> bool:
    try:
        return constant_time_compare(token, _token_file().read_text())
    except FileNotFoundError:
        return False


class OwnerForm(StudioFields, BaseUserCreationForm):  # type: ignore[type-arg]
    """Name and password of the first owner."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _label_fields(self, username=_("Username"), password1=_("Password"), password2=_("Password again"))
        self.fields["username"].widget.attrs["autocomplete"] = "username"

    def create_owner(self) -> User | None:
        """Create the owner and use up the token; None if another request was first."""
        try:
            with transaction.atomic():
                owner: User = self.save(commit=False)
                owner.is_staff = owner.is_superuser = True
                owner.save()
                # The claim: of two requests only one finds the file, and the other's owner is rolled back.
                _token_file().unlink()
        except (FileNotFoundError, IntegrityError):
            return None
        return owner


class SignInForm(StudioFields, AuthenticationForm):
    """Name and password. Blocks for a while after too many failures of a name from an address, or of an address."""

    error_messages = {
        "invalid_login": _("That name and password do not match. Try again."),
        "inactive": _("That name and password do not match. Try again."),
    }

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.address = address_of(request)
        _label_fields(self, username=_("Username"), password=_("Password"))
        self.fields["username"].widget.attrs["autocomplete"] = "username"

    def clean(self) -> dict[str, Any]:
        """Check name and password. Raises ValidationError with the reason."""
        name = self.cleaned_data.get("username", "")[:LONGEST_NAME]
        if not name or not self.cleaned_data.get("password"):
            return self.cleaned_data
        _try_once(name, self.address)
        cleaned = super().clean()
        _succeeded(name, self.address)
        return cleaned

    def point_at_mistake(self) -> None:
        """Focus the password field after a failed attempt."""
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["password"].widget.attrs |= {"autofocus": True, "aria-describedby": "sign-in-error"}
        if self.has_error("__all__", "invalid_login"):
            self.fields["password"].widget.attrs["aria-invalid"] = "true"


def _try_once(name: str, address: str | None) -> None:
    """Count one attempt before the password is checked. Raises ValidationError after too many failures.

    Counting first means that simultaneous attempts cannot slip through; a correct password takes the count back.
    """
    now = timezone.now()
    # Those in the future were recorded before the clock was set back.
    SignInFailure.objects.exclude(at__range=(now - FAILURE_WINDOW, now + FAILURE_WINDOW)).delete()
    attempt = SignInFailure.objects.create(name=name, address=address)
    earlier = SignInFailure.objects.filter(address=address, id__lt=attempt.id).order_by("-at")
    free_again = max(_free_again(earlier.filter(name=name), MOST_FAILURES), _free_again(earlier, MOST_FROM_ADDRESS))
    if free_again > now:
        attempt.delete()
        raise ValidationError(_too_many(ceil((free_again - now).total_seconds() / 60)), code="wait")


def _free_again(failures: QuerySet[SignInFailure], most: int) -> datetime:
    """When fewer than `most` of these failures will remain. They are ordered from the newest."""
    times = list(failures.values_list("at", flat=True)[most - 1 : most])
    return times[0] + FAILURE_WINDOW if times else LONG_AGO


def _too_many(minutes: int) -> str:
    return ngettext(
        "Too many tries with a wrong password. Try again in %(minutes)d minute.",
        "Too many tries with a wrong password. Try again in %(minutes)d minutes.",
        minutes,
    ) % {"minutes": minutes}


def _succeeded(name: str, address: str | None) -> None:
    """A correct password resets the count for this name from this address, and nothing else."""
    SignInFailure.objects.filter(name=name, address=address).delete()


def sweep_failures() -> None:
    """Delete failures that no longer count."""
    SignInFailure.objects.filter(at__lt=timezone.now() - FAILURE_WINDOW).delete()


def address_of(request: HttpRequest) -> str | None:
    """The address under which a client's failures are counted, as reported by its proxy; None if unknown."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return proxies.household(proxies.sender(request.META.get("REMOTE_ADDR", ""), forwarded))


class NewPasswordForm(StudioFields, PasswordChangeForm):
    """The current password and a new one, twice. Wrong current passwords count as failed sign-ins."""

    def __init__(self, *args: Any, address: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.address = address
        _label_fields(
            self,
            old_password=_("Current password"),
            new_password1=_("New password"),
            new_password2=_("New password again"),
        )
        self.fields["old_password"].widget.attrs.pop("autofocus", None)

    def clean_old_password(self) -> str:
        """Check the current password, with a limit on attempts: whoever finds an open browser may not guess it."""
        name = self.user.get_username()
        _try_once(name, self.address)
        password: str = super().clean_old_password()
        _succeeded(name, self.address)
        return password


class ThemeForm(StudioForm):
    """How light the studio is in this browser."""

    theme = forms.ChoiceField(
        label=_("Theme"),
        choices=[("dark", _("Dark")), ("light", _("Light")), ("system", _("System"))],
        widget=Segments,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Choose dark, light or system.")),
    )


class LanguageForm(StudioForm):
    """What language the studio speaks in this browser. Django's own view takes it."""

    language = forms.ChoiceField(
        label=_("Language"),
        choices=[(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES],
        widget=Segments(languages=True),
    )


def _label_fields(form: forms.BaseForm, **labels: Any) -> None:
    for name, label in labels.items():
        form.fields[name].label = label
        form.fields[name].help_text = ""


def first_run_help(request: HttpRequest) -> HttpResponse:
    """Tell where the one-time link is. Replaces every page while nobody has an account."""
    return render(request, "accounts/first_run_help.html", {"origin": f"{request.scheme}://{request.get_host()}"})


@login_not_required
@cache_control(private=True, no_store=True)  # the address itself is the secret
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
def first_run(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the one-time link: create the owner and sign in."""
    if accounts_exist():
        return redirect("sign-in")
    if not _is_token(token):
        return first_run_help(request)
    form = OwnerForm(request.POST or None)
    if not form.is_valid():
        return render(request, "accounts/first_run.html", {"form": form}, status=422 if form.is_bound else 200)
    owner = form.create_owner()
    if owner is None:
        return redirect("sign-in")
    login(request, owner)
    return redirect(settings.LOGIN_REDIRECT_URL)


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in, then redirect to the page that was requested."""
    onward = _safe_next(request)
    if request.method != "POST" and _may_go_on(request, onward):
        return redirect(onward)
    form = SignInForm(request, data=request.POST if request.method == "POST" else None)
    try:
        if form.is_bound and _signed_in(request, form):
            return redirect(onward)
    except (DatabaseError, OSError) as error:
        return _not_now(request, form, onward, error)
    status = 200
    if form.is_bound:
        form.point_at_mistake()
        status = 429 if form.has_error("__all__", "wait") else 422
    return render(request, "accounts/sign_in.html", {"form": form, "next": onward}, status=status)


def _signed_in(request: HttpRequest, form: SignInForm) -> bool:
    """Whether the attempt succeeded.

    The session is stored here rather than after the page, to report its failure too.
    """
    with failures.patience(SIGN_IN_PATIENCE):
        if not form.is_valid():
            return False
        with transaction.atomic():
            login(request, form.get_user())
            request.session.save()
    return True


def _not_now(request: HttpRequest, form: SignInForm, onward: str, error: Exception) -> HttpResponse:
    """The form with the reason why nobody can sign in just now. The name stays in it."""
    failure = failures.of(error)
    if failure is None:
        raise error
    failures.note("Sign-in", failure)
    request.session.modified = False
    request.user = AnonymousUser()
    form.add_error(None, failure.sentence(changing=False))
    context = {"form": form, "next": onward}
    response = render(request, "accounts/sign_in.html", context, status=failure.status)
    for name, value in failure.headers.items():
        response[name] = value
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _safe_next(request: HttpRequest) -> str:
    asked = request.POST.get("next") or request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure()):
        return asked
    return resolve_url(settings.LOGIN_REDIRECT_URL)


def _may_go_on(request: HttpRequest, onward: str) -> bool:
    """Whether the person is already signed in, and not sent here because the admin requires somebody else."""
    user = request.user
    return user.is_authenticated and (user.is_staff or not onward.startswith(reverse("admin:index")))


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out of this browser; the media cookie goes with the session."""
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL or "sign-in")


@require_GET
def account(request: StudioRequest) -> HttpResponse:
    """One's own account: password, theme, language."""
    return _account_page(request, NewPasswordForm(request.user, address=None))


@sensitive_post_parameters()
@require_POST
def account_password(request: StudioRequest) -> HttpResponse:
    """Change the password and stay signed in here; other sessions end."""
    form = NewPasswordForm(request.user, request.POST, address=address_of(request))
    if not form.is_valid():
        return _account_page(request, form, status=429 if form.has_error("old_password", "wait") else 422)
    update_session_auth_hash(request, form.save())
    messages.success(request, gettext("Your password is changed."))
    return redirect("account")


def _account_page(request: StudioRequest, form: NewPasswordForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "theme_form": ThemeForm(initial={"theme": themes.theme(request)}),
        "language_form": LanguageForm(initial={"language": get_language()}),
    }
    return render(request, "accounts/account.html", context, status=status)


@require_POST
def account_theme(request: StudioRequest) -> HttpResponse:
    """Store the chosen theme in a cookie of this browser."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponse(form.errors["theme"][0], status=422, content_type="text/plain")
    theme = form.cleaned_data["theme"]
    response = HttpResponse(status=204) if request.htmx else redirect(_page_before(request))
    response.set_cookie("theme", theme, max_age=A_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    return response


def _page_before(request: HttpRequest) -> str:
    before = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(before, {request.get_host()}, require_https=request.is_secure())
    return before if ours else reverse("account")


urlpatterns = [
    path("welcome/<str:token>/", first_run, name="first-run"),
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-out/", sign_out, name="sign-out"),
    path("account/", account, name="account"),
    path("account/password/", account_password, name="account-password"),
    path("account/theme/", account_theme, name="account-theme"),
    path("account/language/", set_language, name="account-language"),
]
