"""Ensign's Python SDK: flags evaluated in this process, from rules that it keeps.

>>> from ensign_sdk import Client
>>> client = Client.offline({"version": 2, "features": [{"name": "menu", "enabled": True, "strategies": []}]})
>>> client.is_enabled("menu", {"userId": "7"})
True
"""

from ensign_engine import Evaluation, Variant

from ensign_sdk.client import Client
from ensign_sdk.types import Context, FlagHandle, Impression, Status
from ensign_sdk.version import VERSION

__version__ = VERSION

__all__ = ["Client", "Context", "Evaluation", "FlagHandle", "Impression", "Status", "Variant", "__version__"]
