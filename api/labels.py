"""POST /api/labels/answers, /batch, /history, /release, /texts: the desk in the browser talks to core.desk.

JSON in and out. Who asks shows a ticket (api.tickets). An answer is acknowledged only when it is committed; the same
answer may come any number of times. What is wrong is said in a sentence: {"fault": …} with a status, and a single
answer that cannot be taken under "refused", so that it does not hold up the others. Knows no SQL and no ranking.

    answers  {ticket, session?, sent: [{seq, row, labels, state, stamp, flagged?, note?, seconds?, key?, source?,
             suggestion?}]} -> {acknowledged: [seq], refused: {seq: sentence}, generation, progress}
    batch    {ticket, strategy, n, query?, pattern?, label?, rows?, skip?, release?} -> {cards, generation, progress}
    history  {ticket, n} -> {cards}
    release  {ticket, rows} -> {}
    texts    {ticket, rows} -> {texts: [{row, text}]}
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api import tickets
from api.tickets import BadTicket, Ticket
from core.desk import MOST, Desk
from core.errors import BadData, FinesiftError, NotFound
from core.labels.nouns import Answer, AnswerState, Sent, Source
from core.store import labels as label_rows
from core.workspace import Workspace

log = logging.getLogger("finesift")
MAX_BYTES = 2 * 1024 * 1024
MAX_NOTE = 10_000  # characters
AHEAD = 24 * 3600 * 1_000_000  # microseconds that a sender's clock may be ahead of ours
BY_HAND = (Source.ALONE, Source.ACCEPTED, Source.CHANGED, Source.BULK)

Body = dict[str, Any]
Verb = Callable[[Workspace, Ticket, Body], Body]


class Refused(Exception):
    """A request that is not carried out: the status, and why in a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def routes(workspace: Callable[[], Workspace]) -> list[Route]:
    """The routes; `workspace` opens the home folder, or hands out the open one."""
    verbs: dict[str, Verb] = {
        "answers": answers,
        "batch": batch,
        "history": history,
        "release": release,
        "texts": texts,
    }
    return [_route(name, verb, workspace) for name, verb in verbs.items()]


# --------------------------------------------------------------------------- the verbs


def answers(ws: Workspace, ticket: Ticket, body: Body) -> Body:
    desk = Desk.open(ws, ticket.dataset_id)
    session = _text(body, "session", 40) or ticket.session
    scheme = desk.scheme()
    good: list[Sent] = []
    refused: dict[int, str] = {}
    for one in _list(body, "sent"):
        seq = _whole(one, "seq", least=1)
        try:
            answer = _answer(one, ticket.annotator_id)
            wrong = desk.fault(answer, scheme)
        except Refused as error:
            wrong = str(error)
        if wrong:
            refused[seq] = wrong
        else:
            good.append(Sent(session, seq, answer))
    acknowledged = desk.take(ticket.annotator_id, good) if good else []
    return {
        "acknowledged": acknowledged,
        "refused": refused,
        "generation": _generation(desk),
        "progress": desk.progress(ticket.annotator_id).to_json(),
    }


def batch(ws: Workspace, ticket: Ticket, body: Body) -> Body:
    desk = Desk.open(ws, ticket.dataset_id)
    if body.get("release") is not None:
        release(ws, ticket, {"rows": body["release"]})
    cards = desk.batch(
        ticket.annotator_id,
        _text(body, "strategy", 40) or "auto",
        min(_whole(body, "n", least=1), MOST),
        query=_text(body, "query", 1000) or None,
        pattern=body.get("pattern") is True,
        label=_text(body, "label", 40) or None,
        rows=_rows(body, "rows") if body.get("rows") is not None else None,
        skip=_rows(body, "skip") if body.get("skip") is not None else (),
    )
    return {
        "cards": [card.to_json() for card in cards],
        "generation": _generation(desk),
        "progress": desk.progress(ticket.annotator_id).to_json(),
    }


def history(ws: Workspace, ticket: Ticket, body: Body) -> Body:
    desk = Desk.open(ws, ticket.dataset_id)
    return {
        "cards": [card.to_json() for card in desk.history(ticket.annotator_id, _whole(body, "n", least=1))]
    }


def release(ws: Workspace, ticket: Ticket, body: Body) -> Body:
    label_rows.release(ws.db, ticket.dataset_id, ticket.annotator_id, _rows(body, "rows"))
    return {}


def texts(ws: Workspace, ticket: Ticket, body: Body) -> Body:
    """Nothing is claimed, and nobody's answers are told."""
    desk = Desk.open(ws, ticket.dataset_id)
    rows = [row for row in _rows(body, "rows") if row < desk.rows][:MOST]
    return {"texts": [{"row": row, "text": text} for row, text in zip(rows, desk.texts(rows), strict=True)]}


def _generation(desk: Desk) -> int | None:
    pool = desk.pool()
    return None if pool is None else pool.generation


# --------------------------------------------------------------------------- one request


def _route(name: str, verb: Verb, workspace: Callable[[], Workspace]) -> Route:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            body = await _body(request)
            return JSONResponse(await run_in_threadpool(_work, verb, workspace, body))
        except Refused as error:
            return _fault(error.status, str(error))
        except FinesiftError as error:
            return _fault(_status(error), str(error))
        except Exception:  # the desk keeps what was not acknowledged, and sends it again
            log.exception("POST /api/labels/%s failed", name)
            return _fault(503, "The server could not do this just now; nothing is lost. It is tried again.")

    return Route(f"/api/labels/{name}", endpoint, methods=["POST"])


def _work(verb: Verb, workspace: Callable[[], Workspace], body: Body) -> Body:
    ws = workspace()
    return verb(ws, tickets.read(ws.settings.home, _text(body, "ticket", 2000)), body)


async def _body(request: Request) -> Body:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "This address takes JSON: send it with the content type application/json.")
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BYTES:
            raise Refused(413, "This is more than 2 MB at once. Send fewer answers in one request.")
    try:
        body = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "This is not JSON that can be read.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The request has to be a JSON object.")
    return body


def _no_number(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _status(error: FinesiftError) -> int:
    kinds = {BadTicket: 401, NotFound: 404, BadData: 400}
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 503)


def _fault(status: int, why: str) -> JSONResponse:
    return JSONResponse({"fault": why}, status_code=status)


# --------------------------------------------------------------------------- what is in it


def _answer(one: Body, annotator_id: str) -> Answer:
    """Raises Refused, in a sentence."""
    state = _one_of(one, "state", tuple(AnswerState), AnswerState.LABELLED)
    latest = (
        int(time.time() * 1e6) + AHEAD
    )  # else a clock that is wrong by years would have the last word for years
    seconds = one.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise Refused(400, "“seconds” has to be a number.")
    return Answer(
        row=_whole(one, "row"),
        annotator_id=annotator_id,
        labels=tuple(dict.fromkeys(_names(one, "labels"))),
        state=AnswerState(state),
        stamp=min(_whole(one, "stamp"), latest),
        flagged=one.get("flagged") is True,
        note=_text(one, "note", MAX_NOTE),
        seconds=None if seconds is None else min(max(float(seconds), 0.0), 86_400.0),
        key=_text(one, "key", 40),
        source=Source(_one_of(one, "source", BY_HAND, Source.ALONE)),
        suggestion=_suggestion(one.get("suggestion")),
    )


def _suggestion(given: Any) -> dict[str, Any] | None:
    if given is None:
        return None
    probability = given.get("probability") if isinstance(given, dict) else None
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise Refused(400, "A suggestion has labels, a probability from 0 to 1, and who made it.")
    return {
        "labels": _names(given, "labels"),
        "probability": float(probability),
        "by": _text(given, "by", 20),
    }


def _text(body: Body, name: str, longest: int) -> str:
    """A string that a database can keep; "" where there is none."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise Refused(400, f"“{name}” has to be a text of at most {longest:,} characters.")
    return _clean(value)


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _whole(body: Body, name: str, least: int = 0) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**53:
        raise Refused(400, f"“{name}” has to be a whole number from {least}.")
    return value


def _list(body: Body, name: str) -> list[Body]:
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused(400, f"“{name}” has to be a list of objects.")
    return value


def _names(body: Body, name: str) -> list[str]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and len(one) <= 40 for one in value):
        raise Refused(400, f"“{name}” has to be a list of label ids.")
    return [_clean(one) for one in value]


def _rows(body: Body, name: str) -> list[int]:
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, int) and 0 <= one < 2**31 for one in value):
        raise Refused(400, f"“{name}” has to be a list of row numbers.")
    return value


def _one_of(body: Body, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = body.get(name, default)
    if value not in allowed:
        raise Refused(400, f"“{name}” has to be one of {', '.join(allowed)}.")
    return str(value)
