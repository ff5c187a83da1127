"""The HTTP API under ``/api/v1``.

``root`` mounts every app's router; ``auth`` and ``problems`` serve all of them. ``schemas``, ``pages`` and ``etag`` are
the toolkit that the apps' own ``api.py`` modules use; those three know nothing of ours but the kernel.
"""
