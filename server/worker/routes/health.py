"""State and facts of a worker: /healthz, /readyz, /info, /params, /metrics, /openapi.json."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from server.http.errors import ApiError, responses
from server.worker.routes.deps import WorkerDep, authorized
from server.worker.schema import HealthResponse, InfoResponse, NotReadyResponse, ReadyResponse

router = APIRouter(tags=["worker"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> HealthResponse:
    """200 while the process runs, also while the model loads."""
    return HealthResponse()


@router.head("/readyz", include_in_schema=False, response_model=None)
@router.get("/readyz", response_model=ReadyResponse, responses={503: {"model": NotReadyResponse}})
async def readyz(worker: WorkerDep) -> Response | ReadyResponse:
    """200 if requests can be answered; 503 while loading or draining, or if loading failed."""
    try:
        worker.check_ready()
    except ApiError as error:
        body = NotReadyResponse(
            error=error.body.error, state=worker.state, progress=worker.progress
        )
        return JSONResponse(body.model_dump(), error.status, headers=error.headers)
    return ReadyResponse(state=worker.state)


@router.get("/info", responses=responses(401), dependencies=[authorized])
async def info(worker: WorkerDep) -> InfoResponse:
    """Facts about the model, its state and its queue."""
    return worker.info()


@router.get("/openapi.json", include_in_schema=False, dependencies=[authorized])
async def openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return document


@router.get("/params", responses=responses(401, 503), dependencies=[authorized])
async def params(worker: WorkerDep) -> dict[str, Any]:
    """JSON schema of this model's settings with their defaults; `x-control` names the control."""
    return worker.params_schema()


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Prometheus text"},
        **responses(401),
    },
    dependencies=[authorized],
)
async def metrics(worker: WorkerDep) -> Response:
    """Metrics in the text format of Prometheus."""
    return Response(worker.metrics.render(), media_type=CONTENT_TYPE_LATEST)
