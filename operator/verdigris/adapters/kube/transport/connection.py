"""How to reach the API server: from inside a pod, or by a kubeconfig. Tokens are read again, since they rotate."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_LIFETIME = 30.0
"""Seconds that a token read from a file is used before the file is read again."""


class ConnectionFault(Exception):
    """There is no usable way to the API server. The text says what was tried and what to set."""


@dataclass(frozen=True)
class Connection:
    """An API server and the means to be somebody there."""

    server: str
    ssl_context: ssl.SSLContext | None
    token: Callable[[], str | None]
    anonymous: ssl.SSLContext | None = None
    """The same trust without a client certificate, which would speak louder than a token; None: there is none."""

    def bearing(self, token: str) -> Connection:
        """To the same API server as whoever this token is of, and nobody else."""
        return Connection(self.server, self.anonymous or self.ssl_context, lambda: token)

    def session(self) -> aiohttp.ClientSession:
        """A new session that puts the current token into every request. Who asks for it closes it."""

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            token = self.token()
            if token is not None:
                request.headers["Authorization"] = f"Bearer {token}"
            return await handler(request)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self.ssl_context or True),
            middlewares=(authorize,),
            headers={"User-Agent": "verdigris-operator"},
        )


def connect(environment: Mapping[str, str] = os.environ) -> Connection:
    """KUBECONFIG when it is set, else the pod's service account, else ~/.kube/config. Raises ConnectionFault."""
    path = environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    if path:
        return from_kubeconfig(Path(path))
    if environment.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return in_cluster(environment)
    home = Path.home() / ".kube" / "config"
    if home.exists():
        return from_kubeconfig(home)
    raise ConnectionFault(
        "No API server is known: run inside a pod with a service account token, or set KUBECONFIG to a kubeconfig."
    )


def in_cluster(environment: Mapping[str, str]) -> Connection:
    """By the service account that Kubernetes mounts into the pod."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    bracketed = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    return Connection(f"https://{bracketed}:{port}", context, _token_file(SERVICE_ACCOUNT / "token"))


def from_kubeconfig(path: Path) -> Connection:
    """By the current context of a kubeconfig with certificates or a token; credential plugins are not run."""
    try:
        config = yaml.safe_load(path.read_text()) or {}
        context = _named(config, "contexts", config.get("current-context"))["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
        server = cluster["server"].rstrip("/")
        secured = _ssl_context(cluster, user, path.parent) if server.startswith("https:") else None
        anonymous = _ssl_context(cluster, {}, path.parent) if secured is not None else None
        return Connection(server, secured, _token_of(user, path.parent), anonymous)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ConnectionFault(
            f"The kubeconfig {path} cannot be used ({error!r}): check its current context."
        ) from error


def _named(config: Mapping[str, Any], section: str, name: Any) -> Mapping[str, Any]:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry
            return found
    raise KeyError(f"{section} has no '{name}'")


def _token_of(user: Mapping[str, Any], folder: Path) -> Callable[[], str | None]:
    if "exec" in user or "auth-provider" in user:
        raise ValueError("its user needs a credential plugin, which the operator does not run")
    if "tokenFile" in user:
        return _token_file(folder / user["tokenFile"])
    fixed: str | None = user.get("token")
    return lambda: fixed


def _token_file(path: Path) -> Callable[[], str | None]:
    """Reads the file at most once in TOKEN_LIFETIME; keeps the last token when it cannot be read just now."""
    token: str | None = None
    read_at = float("-inf")

    def current() -> str | None:
        nonlocal token, read_at
        now = time.monotonic()
        if now - read_at >= TOKEN_LIFETIME:
            try:
                token, read_at = path.read_text().strip(), now
            except OSError:
                if token is None:
                    raise
        return token

    return current


def _ssl_context(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _bytes(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _bytes(user, "client-certificate", folder), _bytes(user, "client-key", folder)
    if certificate and key:
        # ssl reads key pairs from files only; these vanish with the block.
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.NamedTemporaryFile()) for _ in range(2)]
            for file, content in zip(files, (certificate, key), strict=True):
                file.write(content)
                file.flush()
            context.load_cert_chain(files[0].name, files[1].name)
    return context


def _bytes(section: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    """`name-data` (base64) or the file that `name` points at, relative to the kubeconfig."""
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"])
    return (folder / section[name]).read_bytes() if name in section else None
