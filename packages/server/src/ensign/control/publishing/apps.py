from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "ensign.control.publishing"
    label = "publishing"

    def ready(self) -> None:
        """Put beside flags how far their last change has come."""
        from ensign.control.flags import beside  # deferred: models exist only now
        from ensign.control.publishing import reach_pages  # deferred: models exist only now

        beside.register_reach(reach_pages.of_flag)
