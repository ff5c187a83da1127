"""Forms of integrations. The operations decide; what was typed stays, but addresses and tokens, which are secrets."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from ensign.control.changes.domain.tickets import split
from ensign.control.integrations.domain.table import TOPIC_NAMES
from ensign.control.integrations.operations import Wish
from ensign.control.integrations.registry import KIND_WORDS, OUTGOING, View
from ensign.control.projects.forms import TextForm

_SECRET = {"autocomplete": "off", "spellcheck": "false"}
_URL_HELP = {
    "webhook": "Events are posted here as JSON, signed as Standard Webhooks says.",
    "slack": "The address of an incoming webhook of your Slack (or of what understands Block Kit).",
    "teams": "The address of a workflow “When a Teams webhook request is received”.",
}
_PREFIX_HELP = {
    "jira": "Keys of projects, such as PAY, OPS. Without any, every key of the form PAY-142.",
    "servicenow": "Such as CHG, INC. Without any, every number of the form CHG0030042.",
    "github": "Repositories, such as acme/shop. Without any, every reference of the form acme/shop#12.",
    "gitlab": "Projects, such as acme/web/shop. Without any, every reference of the form acme/shop#12.",
}
_TOKEN_HELP = {
    "jira": "user:token of an account that may read issues (Jira Cloud), or a personal access token (Data Center).",
    "servicenow": "user:password or a bearer token of an account that may read tasks.",
    "github": "A fine-grained token that may read issues.",
    "gitlab": "A token with the scope read_api.",
}


class IntegrationForm(TextForm):
    """An integration of one kind: where messages go and which, or where tickets are."""

    name = forms.CharField(label="Name", max_length=100, help_text="How others recognise it.")
    url = forms.CharField(label="Address", max_length=2_000, required=False, widget=forms.PasswordInput(attrs=_SECRET))
    topics = forms.MultipleChoiceField(
        label="Only these topics",
        required=False,
        choices=[(str(topic), words) for topic, words in TOPIC_NAMES.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all.",
    )
    environments = forms.CharField(
        label="Only these environments", required=False, max_length=2_000,
        help_text="Keys, separated by commas. Empty: all.",
    )  # fmt: skip
    base_url = forms.CharField(
        label="Address of the system", max_length=500, required=False,
        help_text="Such as https://acme.atlassian.net, https://acme.service-now.com, https://github.com.",
    )  # fmt: skip
    prefixes = forms.CharField(label="Only these keys", required=False, max_length=2_000)
    token = forms.CharField(
        label="Credentials that read the status", max_length=2_000, required=False,
        widget=forms.PasswordInput(attrs=_SECRET),
    )  # fmt: skip
    forget_token = forms.BooleanField(label="Forget the credentials that are kept", required=False)

    def __init__(self, *args: Any, kind: str, kept: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept = kept
        gone: tuple[str, ...] = ("base_url", "prefixes", "token", "forget_token")
        if kind in OUTGOING:
            self.fields["url"].required = not kept
            self.fields["url"].help_text = _URL_HELP[kind] + (
                " It is kept sealed; leave it empty to keep it."
                if kept
                else " It is kept sealed and never shown again."
            )
        else:
            self.fields["base_url"].required = True
            gone = ("url", "topics", "environments")
            self.fields["prefixes"].help_text = _PREFIX_HELP[kind]
            self.fields["token"].help_text = (
                _TOKEN_HELP[kind] + " Kept sealed. Without it, tickets are links without a status."
            )
            if not kept:
                gone = (*gone, "forget_token")
        for name in gone:
            del self.fields[name]

    def wish(self) -> Wish:
        """What was asked for."""
        data = self.cleaned_data
        token = data.get("token") or None
        if data.get("forget_token"):
            token = ""
        return Wish(
            name=data["name"],
            url=data.get("url", ""),
            topics=tuple(data.get("topics", ())),
            environments=split(data.get("environments", "")),
            base_url=data.get("base_url", ""),
            prefixes=split(data.get("prefixes", "")),
            token=token,
        )


def form_of(view: View, posted: QueryDict | None = None) -> IntegrationForm:
    """The form of an integration that there is."""
    initial = {
        "name": view.name,
        "topics": list(view.topics),
        "environments": ", ".join(view.environments),
        "base_url": view.base_url,
        "prefixes": ", ".join(view.prefixes),
    }
    return IntegrationForm(posted, kind=view.kind, kept=True, initial=initial)


__all__ = ["KIND_WORDS", "IntegrationForm", "form_of"]
