"""What pages and endpoints show of ramps."""

from __future__ import annotations

from django.urls import reverse

from ensign.control.releases.domain import Ramp


def address(ramp: Ramp) -> str:
    """The page of a ramp: that of the request that was approved."""
    return reverse("changes:detail", kwargs={"id": ramp.request})
