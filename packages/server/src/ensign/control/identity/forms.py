"""Forms of identity's pages. Rules of the domain are checked by the operations; their messages come back per field."""

from __future__ import annotations

from typing import Any

from django import forms

_NEW = {"autocomplete": "new-password", "spellcheck": "false"}
_OLD = {"autocomplete": "current-password"}


def password_field(label: str, *, new: bool, help_text: str = "", required: bool = True) -> forms.CharField:
    """A password; never echoed back, never trimmed."""
    return forms.CharField(
        label=label,
        strip=False,
        required=required,
        max_length=1024,
        help_text=help_text,
        widget=forms.PasswordInput(attrs=_NEW if new else _OLD),
    )


class PlainForm(forms.Form):
    """A form whose labels end without a colon."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class SignInForm(PlainForm):
    """Address and password. The address is no ``EmailField``: a malformed one is refused like an unknown one."""

    email = forms.CharField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
    )
    password = password_field("Password", new=False)


class AddressForm(PlainForm):
    """The address alone: where its people sign in is told by its domain."""

    email = forms.CharField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
    )


class CodeForm(PlainForm):
    """A code of an authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        help_text="Six digits from your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "class": "input-mono"}
        ),
    )


class ConfirmForm(CodeForm):
    """A code of an authenticator app for the step-up; recovery codes only open the door."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = "Six digits from your authenticator app."


_ADVICE = "Long beats complicated: four or more unrelated words. It is checked for how easily it is guessed."


class JoinForm(PlainForm):
    """What somebody chooses who was invited."""

    name = forms.CharField(
        label="Your name",
        max_length=100,
        help_text="As colleagues know you.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = password_field("Password", new=True, help_text=_ADVICE)


class ResetForm(PlainForm):
    """A new password by link."""

    password = password_field("New password", new=True, help_text=_ADVICE)


class PasswordForm(PlainForm):
    """Another password for oneself."""

    old = password_field("Present password", new=False)
    new = password_field("New password", new=True, help_text=_ADVICE)


class ProfileForm(PlainForm):
    """One's own name."""

    name = forms.CharField(label="Name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"}))


class EnrolForm(PlainForm):
    """What every enrolment asks for: the password, unless a second factor was proved just now."""

    password = password_field(
        "Your password", new=False, help_text="So that nobody else enrols something in your session."
    )

    def __init__(self, *args: Any, ask_password: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not ask_password:
            del self.fields["password"]


class AuthenticatorForm(EnrolForm):
    """The first code of a new authenticator app."""

    code = forms.CharField(
        label="Code that the app shows",
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": "input-mono"}),
    )
    field_order = ("code", "password")


class PasskeyForm(EnrolForm):
    """A name for a new passkey, and the browser's answer."""

    name = forms.CharField(label="Name of the passkey", max_length=60, help_text="Such as “laptop” or “blue key”.")
    answer = forms.CharField(widget=forms.HiddenInput, required=False, max_length=20_000)
    field_order = ("name", "password")
