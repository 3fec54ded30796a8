"""Requires sign-in for every page; before the first account exists, every page says where to create it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from stylestudio.people.accounts import accounts_exist, first_run_help

OPEN_BEFORE_THE_FIRST_ACCOUNT = {"first-run", "health"}


class SignInRequired(LoginRequiredMiddleware):
    """Requires a signed-in user for every page unless its view is marked @login_not_required.

    While nobody has an account, every page except the one-time link and /health says where to find that link.
    """

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Return a response that replaces the view, or None to go on to the view."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        if not accounts_exist():
            return None if name in OPEN_BEFORE_THE_FIRST_ACCOUNT else first_run_help(request)
        if name == "admin:login":
            # There is only one sign-in: the admin's own would allow unlimited guesses of passwords.
            return redirect(_sign_in(request.GET.get("next") or reverse("admin:index")))
        refusal = super().process_view(request, view_func, view_args, view_kwargs)
        # Django's own check has loaded the user, unless the database was away: media_cookie can use it without a query.
        request.META["stylestudio.user_known"] = True
        if name == "admin:password_change" and request.user.is_authenticated:
            return redirect("account")  # the admin's own page would allow unlimited guesses of the old password
        htmx = getattr(request, "htmx", None)
        if refusal is not None and htmx:
            # The whole page goes to sign-in, nothing is swapped; afterwards it returns to the page, not to the
            # fragment.
            return HttpResponseClientRedirect(_sign_in(htmx.current_url_abs_path or "/"))
        return refusal


def _sign_in(onward: str) -> str:
    return redirect_to_login(onward, resolve_url(settings.LOGIN_URL)).url
