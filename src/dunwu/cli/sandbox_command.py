"""`dunwu sandbox`: runs other machines' untrusted programs, for trainers that cannot lock them in themselves."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.errors import UserError


@dataclass(frozen=True)
class SandboxOptions:
    """Run programs for other machines, which set DUNWU_SANDBOX=http://HOST:PORT. Needs Linux with namespaces or Landlock."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, lt=1 << 16)] = 8000
    """0: any free port."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Number of programs that run at once; 0: one per core."""
    token_file: Path | None = None
    """File with the token that clients must send (in their DUNWU_SANDBOX_TOKEN); required on any address but the loopback interface."""


def run(arguments: Sequence[str]) -> int:
    """Serves until it is interrupted."""
    options, rest = parse_options(SandboxOptions, "sandbox", arguments)
    refuse_rest("sandbox", rest)
    token = _token(options)
    import uvicorn

    from dunwu.sandbox.open import open_sandbox, probe
    from dunwu.sandbox.service import application

    with open_sandbox("auto", options.workers) as sandbox, _listen(options) as listener:
        host, port = listener.getsockname()[:2]
        show(f"sandbox of level {probe().number} ({probe().text}) at http://{f'[{host}]' if ':' in host else host}:{port}")
        server = uvicorn.Server(uvicorn.Config(application(sandbox, token), log_level="warning"))
        server.run(sockets=[listener])
    return 0


def _token(options: SandboxOptions) -> str:
    if options.token_file is None:
        if _is_loopback(options.host):
            return ""
        raise UserError(f"--host {options.host} can be reached from outside: give --token-file FILE with a secret, or use 127.0.0.1")
    try:
        token = options.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--token-file {options.token_file}: {error}") from error
    if not token:
        raise UserError(f"--token-file {options.token_file} is empty: write a secret into it")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(options: SandboxOptions) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise UserError(f"cannot listen on {options.host}:{options.port} ({error}): choose another --host or --port") from error
