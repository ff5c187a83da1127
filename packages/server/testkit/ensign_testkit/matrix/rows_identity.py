"""Rows of signing in and of one's own account."""

from __future__ import annotations

from ensign_testkit.matrix.table import LED_TO_SIGN_IN, row

_REFUSED = frozenset({LED_TO_SIGN_IN, 400, 401, 404, 409, 422, 200, 302, 303})

row("GET /login", "anyone")
row("POST /login", "anyone", body={"email": "ada.admin@example.com", "password": "wrong"}, done=_REFUSED,
    why="the page says that they do not fit")  # fmt: skip
row("GET /login/second-factor", "anyone", done=_REFUSED, why="leads back to signing in")
row("POST /login/second-factor", "anyone", body={"code": "000000"}, done=_REFUSED, why="leads back to signing in")
row("POST /login/passkey", "anyone", body={"answer": "{{}}"}, done=_REFUSED, why="the answer fits no question")
row("POST /login/passkey/question", "anyone")
row("POST /logout", "anyone", done=_REFUSED, why="leads to the sign-in page")
for _page in ("invite", "reset", "setup"):
    row(f"GET /{_page}/{{token}}", "anyone", token="no_link", done=_REFUSED, why="there is no such link")
    row(f"POST /{_page}/{{token}}", "anyone", token="no_link", done=_REFUSED, why="there is no such link")
for _page in ("account", "account/password", "account/confirm", "account/sessions", "account/security",
              "account/security/authenticator", "account/security/passkey"):  # fmt: skip
    row(f"GET /{_page}", "signed-in")
_OWN = frozenset({200, 302, 303, 400, 404, 409, 422})
row("POST /account", "signed-in", body={"name": "Renamed"})
row("POST /account/password", "signed-in", body={"old": "wrong", "new": "x", "again": "x"}, done=_OWN,
    why="the present password is asked for")  # fmt: skip
row("POST /account/confirm", "signed-in", body={"code": "000000"}, done=_OWN, why="a factor is asked for")
row("POST /account/sessions/{session_id}/end", "signed-in", session_id="no_number",
    why="somebody else's session has no effect")  # fmt: skip
row("POST /account/sessions/end-others", "signed-in")
row("POST /account/security/authenticator", "signed-in", body={"code": "000000"}, done=_OWN, why="a wrong code")
row("POST /account/security/passkey", "signed-in", body={"answer": "{{}}"}, done=_OWN, why="no answer to a question")
row("POST /account/security/passkey/question", "signed-in", done=_OWN, why="asks for the password")
row("POST /account/security/recovery-codes", "signed-in", done=_OWN, why="asks for a factor")
row("POST /account/security/{factor_id}/remove", "signed-in", factor_id="no_number", done=_OWN,
    why="somebody else's factor has no effect")  # fmt: skip
