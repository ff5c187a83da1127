"""Signing in through identity providers.

``domain`` holds the values and rules, ``models`` the tables, ``arrival`` what happens once a provider has vouched for
somebody, whichever protocol it speaks; ``oidc`` and its neighbours speak OpenID Connect. A protocol ends in an
``Asserted``, which ``arrival.arrive`` turns into a session or a refusal.
"""
