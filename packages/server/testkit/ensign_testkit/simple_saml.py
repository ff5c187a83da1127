"""SimpleSAMLphp as an identity provider of the tests' own: PHP's server on loopback, users and keys made at start."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ensign_testkit.saml_keys import Signer

PROGRAM = Path("/usr/share/simplesamlphp")
USERS: Mapping[str, Mapping[str, list[str]]] = {
    "anna:anna-secret": {
        "uid": ["anna-0001"],
        "mail": ["anna.berg@example.com"],
        "displayName": ["Anna Berg"],
        "groups": ["engineering", "on-call"],
    },
    "bob:bob-secret": {
        "uid": ["bob-0002"],
        "mail": ["bob.lund@example.com"],
        "displayName": ["Bob Lund"],
        "groups": ["engineering"],
    },
}
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"


def _php(value: Any) -> str:
    """A PHP expression for JSON-like data."""
    text = json.dumps(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"json_decode('{text}', true)"


class SimpleSaml:
    """A running identity provider that nobody trusts it for yet: see :meth:`trust`."""

    def __init__(self, users: Mapping[str, Mapping[str, list[str]]] = USERS) -> None:
        if shutil.which("php") is None or not PROGRAM.is_dir():
            raise RuntimeError("simplesamlphp or php is not installed: run `make system-packages`")
        self._root = Path(tempfile.mkdtemp(prefix="ensign-saml-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.entity_id = f"{self.url}/saml2/idp/metadata.php"
        self.metadata_url = self.entity_id
        self.sign_on_url = f"{self.url}/saml2/idp/SSOService.php"
        self.signer = Signer("SimpleSAMLphp")
        self._configure(users)
        with (self._root / "php.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "php", "-d", "error_reporting=0", "-d", "opcache.enable=0",
                    "-S", f"127.0.0.1:{self.port}", "-t", str(PROGRAM / "www"),
                ],
                env={"SIMPLESAMLPHP_CONFIG_DIR": str(self._root / "config"), "PATH": "/usr/bin:/bin"},
                stdout=log, stderr=log,
            )  # fmt: skip
        self._await()

    def trust(self, entity_id: str, acs: str, **more: Any) -> None:
        """Send people to this service provider; ``more`` is further metadata of it in SimpleSAMLphp's words."""
        provider = {
            "AssertionConsumerService": acs,
            "NameIDFormat": PERSISTENT,
            "simplesaml.nameidattribute": "uid",
            "saml20.sign.response": True,
            "saml20.sign.assertion": True,
            "validate.authnrequest": False,
            **more,
        }
        self._write("metadata/saml20-sp-remote.php", f"$metadata[{_php(entity_id)}] = {_php(provider)};")

    def log(self) -> str:
        """What PHP printed and SimpleSAMLphp logged."""
        files = [self._root / "php.log", *sorted((self._root / "log").glob("*"))]
        return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())

    def close(self) -> None:
        """Stop and remove everything."""
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._root, ignore_errors=True)

    def _configure(self, users: Mapping[str, Mapping[str, list[str]]]) -> None:
        for name in ("config", "metadata", "cert", "log", "data", "tmp", "sessions"):
            (self._root / name).mkdir()
        (self._root / "cert" / "idp.pem").write_text(self.signer.key_pem)
        (self._root / "cert" / "idp.crt").write_text(self.signer.certificate_pem)
        config = {
            "certdir": f"{self._root}/cert/",
            "datadir": f"{self._root}/data/",
            "baseurlpath": f"{self.url}/",
            "metadatadir": f"{self._root}/metadata/",
            "loggingdir": f"{self._root}/log/",
            "tempdir": f"{self._root}/tmp",
            "secretsalt": "of the tests",
            "auth.adminpassword": "of-the-tests",
            "timezone": "UTC",
            "enable.saml20-idp": True,
            "module.enable": {"exampleauth": True, "core": True, "saml": True},
            "store.type": "phpsession",
            "session.phpsession.savepath": f"{self._root}/sessions",
            "session.cookie.secure": False,
            "session.cookie.samesite": None,
            "session.duration": 3600,
            "logging.level": 7,
            "logging.handler": "file",
            "language.default": "en",
            "metadata.sources": [{"type": "flatfile"}],
            "theme.use": "default",
        }
        self._write("config/config.php", f"$config = {_php(config)};")
        listed = "".join(f"$config['users'][{_php(who)}] = {_php(what)};" for who, what in users.items())
        self._write("config/authsources.php", f"$config = ['users' => ['exampleauth:UserPass']];{listed}")
        hosted = {
            "host": "__DEFAULT__",
            "privatekey": "idp.pem",
            "certificate": "idp.crt",
            "auth": "users",
            "signature.algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "sign.logout": True,
            "SingleLogoutServiceBinding": ["urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"],
        }
        self._write("metadata/saml20-idp-hosted.php", f"$metadata['__DYNAMIC:1__'] = {_php(hosted)};")
        self._write("metadata/saml20-sp-remote.php", "")

    def _write(self, name: str, code: str) -> None:
        (self._root / name).write_text(f"<?php\n{code}\n")

    def _await(self) -> None:
        pause = threading.Event()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                pause.wait(0.05)
        raise RuntimeError("SimpleSAMLphp did not start:\n" + self.log())
