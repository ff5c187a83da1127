from django.apps import AppConfig


class FlagsConfig(AppConfig):
    name = "ensign.control.flags"
    label = "flags"

    def ready(self) -> None:
        """Tell access to which flags grants can be narrowed."""
        from ensign.control.access import places  # deferred: models exist only now
        from ensign.control.flags.domain import LIFETIMES  # deferred: models exist only now
        from ensign.control.flags.validation import check_tags  # deferred: models exist only now

        places.register_flags(types=LIFETIMES, clean_tags=check_tags)
