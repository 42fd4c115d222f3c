"""The hub as an HTTP application: worker list, health, metrics and the page."""

import socket
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.gzip import GZipMiddleware

from server.http.errors import ApiError, responses
from server.http.handlers import add_handlers
from server.http.middleware import HostCheck, RequestContext
from server.http.version import package_version
from server.hub.metrics import HubMetrics
from server.hub.page import Page, SafeHeaders
from server.hub.registry import Registry
from server.hub.schema import HubReadiness, NewWorker, WorkerEntry, WorkerList
from server.hub.supervisor import Supervisor
from server.worker.schema import HealthResponse

MAX_BODY_BYTES = 64 * 1024
"""Largest body of a request; a worker to register is its longest content, some 3 KB."""


def create_hub(
    registry: Registry,
    supervisor: Supervisor,
    metrics: HubMetrics,
    *,
    host: str = "127.0.0.1",
    allow_host: Sequence[str] = (),
    page: Page | None = None,
) -> FastAPI:
    """Build the application of a hub. The caller starts and stops the supervisor."""
    # No /docs: FastAPI's page loads its scripts from another site.
    app = FastAPI(title="ChatZoo hub", version=package_version(), docs_url=None, redoc_url=None)
    add_handlers(app)
    # The last one added is the outermost: every refusal has a request id.
    app.add_middleware(HostCheck, names=[host, socket.gethostname(), *allow_host])
    app.add_middleware(SafeHeaders)
    app.add_middleware(RequestContext, max_body_bytes=MAX_BODY_BYTES)
    _add_worker_list(app, registry, supervisor)
    _add_probes(app, supervisor, metrics)
    app.mount("/", GZipMiddleware(page or Page()), name="page")
    return app


def _client_host(request: Request) -> str | None:
    """The host name in the URL that the browser asked for."""
    return request.url.hostname


ClientHost = Annotated[str | None, Depends(_client_host)]


def _add_worker_list(app: FastAPI, registry: Registry, supervisor: Supervisor) -> None:
    @app.get("/api/workers", tags=["workers"])
    async def list_workers(client_host: ClientHost) -> WorkerList:
        """All workers with their health, those of the zoo first."""
        return WorkerList(workers=[member.entry(client_host) for member in registry])

    @app.post(
        "/api/workers",
        status_code=201,
        responses=responses(400, 409, 413, 422),
        tags=["workers"],
    )
    async def register_worker(new: NewWorker, client_host: ClientHost) -> WorkerEntry:
        """Add a running worker, on this machine or another."""
        member = registry.register(new)
        supervisor.watch_registered(member)
        return member.entry(client_host)

    @app.delete(
        "/api/workers/{worker_id}", status_code=204, responses=responses(404), tags=["workers"]
    )
    async def remove_worker(worker_id: str) -> None:
        """Remove a worker from the list. A worker of the zoo drains, then its process ends."""
        supervisor.dismiss(registry.get(worker_id))


def _add_probes(app: FastAPI, supervisor: Supervisor, metrics: HubMetrics) -> None:
    @app.get("/healthz", tags=["hub"])
    async def healthz() -> HealthResponse:
        """200 while the process runs."""
        return HealthResponse()

    @app.get("/readyz", responses=responses(503), tags=["hub"])
    async def readyz() -> HubReadiness:
        """200 while the hub runs, whatever the state of its workers; 503 once it is stopping."""
        if supervisor.stopping:
            raise ApiError(503, "draining", "The hub is stopping.", headers={"Retry-After": "10"})
        return HubReadiness(state="ready")

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
        tags=["hub"],
    )
    async def prometheus() -> Response:
        """The metrics for Prometheus."""
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)
