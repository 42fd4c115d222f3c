"""What routes ask for: the worker, the request's id, the caller's right to be here."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from server.http.auth import check_key
from server.worker.ticket import Call
from server.worker.worker import Worker

_bearer = HTTPBearer(auto_error=False, description="The worker's --api-key, where it has one.")


async def get_worker(request: Request) -> Worker:
    """The worker of this app."""
    worker: Worker = request.app.state.worker
    return worker


async def require_key(
    request: Request,
    worker: Annotated[Worker, Depends(get_worker)],
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
) -> None:
    """Raise 401 without the right key. Reads the header itself: the scheme is for the document."""
    key = worker.config.api_key
    check_key(request.headers.get("authorization"), key.get_secret_value() if key else None)


async def get_call(request: Request) -> Call:
    """The request's id, which `X-Request-Id` carries, and when it arrived."""
    return Call(request.state.request_id, request.state.arrived)


WorkerDep = Annotated[Worker, Depends(get_worker)]
CallDep = Annotated[Call, Depends(get_call)]
authorised = Depends(require_key)
