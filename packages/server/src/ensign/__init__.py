"""Ensign's server: control plane, delivery plane, command line."""

from importlib.metadata import version

__version__ = version("ensign")
