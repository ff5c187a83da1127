"""The app that holds the shell of the pages: base templates, components, styles."""

from django.apps import AppConfig


class UiConfig(AppConfig):
    """Registers the templates, the template tags and the static files of the shell."""

    name = "ensign.control.ui"
    label = "ui"
    verbose_name = "Pages"
