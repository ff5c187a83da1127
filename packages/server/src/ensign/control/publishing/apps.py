from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "ensign.control.publishing"
    label = "publishing"
