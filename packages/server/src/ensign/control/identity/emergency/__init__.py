"""Sealed emergency access: when the identity provider is down, two people together open a way in for a few hours.

Holders are named by who manages sign-in (``access.emergency``); each draws a code of their own, which exists once, on
their paper. Two of them give their codes within fifteen minutes, and both, with their own second factor besides, sign
in until the hours are over. Somebody else reviews it, then a new seal with new codes is made (ADR 0025).
"""
