"""Security headers on every answer, as plain ASGI middleware. Knows no routes.

The policy allows what the app serves itself and nothing else. Streamlit's page holds one inline script; it is
allowed by its hash, read from the installed page, so that 'unsafe-inline' is not needed. Components of version 2
arrive as blobs; Plotly and the data grid set styles inline.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SPACES = "https://huggingface.co https://*.hf.space"  # Hugging Face Spaces shows the app in a frame


def inline_script_hashes(page: str) -> list[str]:
    """The sources 'sha256-…' for the inline scripts of an HTML page (CSP level 3)."""
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]


def content_security_policy(page: str = "", *, framed_by_spaces: bool = False) -> str:
    """The policy for the app whose index page is `page`."""
    scripts = " ".join(["'self'", "blob:", *inline_script_hashes(page)])
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "connect-src 'self' ws: wss:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors 'self'{' ' + SPACES if framed_by_spaces else ''}",
        )
    )


class SecurityHeaders:
    """Adds the headers to every HTTP answer; one that is set already stays."""

    def __init__(
        self, app: ASGIApp, *, index_page: Path | None = None, framed_by_spaces: bool = False
    ) -> None:
        self.app = app
        page = index_page.read_text("utf-8") if index_page is not None else ""
        headers = {
            "content-security-policy": content_security_policy(page, framed_by_spaces=framed_by_spaces),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
            "cross-origin-opener-policy": "same-origin",
        }
        if not framed_by_spaces:
            headers["x-frame-options"] = "SAMEORIGIN"
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", [])}
                extra = [(name, value) for name, value in self.headers if name not in present]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self.app(scope, receive, send_with_headers)
