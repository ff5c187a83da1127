from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "ensign.control.segments"
    label = "segments"
