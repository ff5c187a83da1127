"""What can go wrong when a ruleset is built. Evaluation itself never raises."""


class RulesetError(ValueError):
    """The document cannot be used; nothing has changed. The message says what is wrong, in plain words."""
