"""OpenID Connect: Core 1.0 with code flow and PKCE, and Back-Channel Logout 1.0.

``rules`` judges claims and ``shapes`` reads them (both pure); ``keys`` verifies signatures; ``metadata`` knows the
providers' endpoints; ``client`` talks to them through allauth; ``flow`` is one sign-in from redirect to callback.
"""
