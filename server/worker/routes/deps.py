"""Arguments that FastAPI gives to endpoints: the worker, the request's id, the check of the key."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from server.http.auth import check_key
from server.worker.ticket import Call
from server.worker.worker import Worker

_bearer = HTTPBearer(auto_error=False, description="The worker's --api-key, where it has one.")


async def get_worker(request: Request) -> Worker:
    """The worker of this application."""
    worker: Worker = request.app.state.worker
    return worker


async def require_key(
    request: Request,
    worker: Annotated[Worker, Depends(get_worker)],
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
) -> None:
    """Raise ApiError 401 unless the request carries the worker's API key."""
    # `_bearer` is there for the OpenAPI document. Its parser is not used, because it takes a header
    # of another scheme for a missing one.
    key = worker.config.api_key
    check_key(request.headers.get("authorization"), key.get_secret_value() if key else None)


async def get_call(request: Request) -> Call:
    """The request's id, which the header `X-Request-Id` carries, and when it arrived."""
    return Call(request.state.request_id, request.state.arrived)


WorkerDep = Annotated[Worker, Depends(get_worker)]
CallDep = Annotated[Call, Depends(get_call)]
authorized = Depends(require_key)
