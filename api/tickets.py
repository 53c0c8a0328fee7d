"""Tickets: what a desk shows to the API instead of a password. Who may answer for whom, in which data set, until when.

A ticket is signed with a key that lies in the home folder and is made on first use; it is handed out by a page, to
the person that the page knows. Knows no store: whether data set and person still exist, others find out.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from core.errors import FinesiftError

KEY_FILE = "secret.key"
VALID_SECONDS = 30 * 24 * 3600
_SALT = "finesift-desk"


class BadTicket(FinesiftError):
    """A ticket that is forged, damaged or too old."""


@dataclass(frozen=True)
class Ticket:
    dataset_id: str
    annotator_id: str
    session: str  # of one desk: its answers are numbered within it


def issue(home: Path, dataset_id: str, annotator_id: str, session: str = "") -> str:
    """A ticket for 30 days. `session`: of this desk, random and made once per tab; empty: a new one."""
    ticket = Ticket(dataset_id, annotator_id, session or secrets.token_urlsafe(12))
    return str(_signer(home).dumps(asdict(ticket)))


def read(home: Path, text: str) -> Ticket:
    """Raises BadTicket."""
    try:
        found = _signer(home).loads(text, max_age=VALID_SECONDS)
        return Ticket(**{name: str(found[name]) for name in ("dataset_id", "annotator_id", "session")})
    except SignatureExpired:
        raise BadTicket("This desk was opened more than 30 days ago. Reload the page to go on.") from None
    except (BadSignature, KeyError, TypeError):
        raise BadTicket("This desk is not known to the server. Reload the page to go on.") from None


def _signer(home: Path) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_key(home), salt=_SALT)


def _key(home: Path) -> bytes:
    """The key of this home folder; whoever comes first makes it, readable by the owner alone."""
    path = home / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise FinesiftError(
            f"The key {path} cannot be read ({error.strerror}). It has to belong to who starts Finesift."
        ) from error
    draft = home / f"tmp-{secrets.token_hex(4)}-{KEY_FILE}"
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_hex(32).encode("ascii"))
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, path)  # whole or not at all, and only one is the first
    except FileExistsError:
        pass
    except OSError as error:
        raise FinesiftError(
            f"The home folder {home} cannot be written ({error.strerror}). Check that it belongs to you."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()
