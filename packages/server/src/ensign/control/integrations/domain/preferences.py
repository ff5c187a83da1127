"""How somebody wants to be told by e-mail, by topic. In the product everything stands always. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast

from ensign.control.integrations.domain.table import Topic, Urgency
from ensign.control.kernel.errors import Invalid

Mail = Literal["now", "digest", "never"]
MAILS: Final[tuple[Mail, ...]] = ("now", "digest", "never")

#: What holds for who has chosen nothing: at once what waits for them, once a day what they may want to know.
DEFAULTS: Final[Mapping[Topic, Mail]] = {
    Topic.REVIEW: "now",
    Topic.MINE: "now",
    Topic.TALK: "digest",
    Topic.RELEASE: "now",
    Topic.EMERGENCY: "now",
    Topic.GUARD: "now",
    Topic.POLICY: "digest",
    Topic.ACCESS: "now",
    Topic.INTEGRATION: "now",
}


def read(chosen: Mapping[str, str]) -> dict[Topic, Mail]:
    """What holds for every topic, from what was stored; what is not known is as if it had not been chosen."""
    return {topic: cast("Mail", chosen[topic]) if chosen.get(topic) in MAILS else DEFAULTS[topic] for topic in Topic}


def check(wanted: Mapping[str, str]) -> dict[str, str]:
    """What somebody chose, as it is stored.

    :raises Invalid: naming the topic or the way that there is not.
    """
    wrong = {
        topic: f"Choose one of {', '.join(MAILS)}."
        if topic in {str(one) for one in Topic}
        else f"There is no such topic: choose among {', '.join(Topic)}."
        for topic, way in wanted.items()
        if topic not in {str(one) for one in Topic} or way not in MAILS
    }
    if wrong:
        raise Invalid("This cannot be chosen.", fields=wrong)
    return dict(wanted)


def way(chosen: Mapping[Topic, Mail], topic: Topic, urgency: Urgency) -> Mail:
    """How one notice goes by e-mail. What is urgent goes at once unless somebody wants no e-mail about it at all."""
    wanted = chosen[topic]
    return "now" if urgency == "urgent" and wanted == "digest" else wanted
