"""The FastAPI application of a worker, composed of its bot, its options and its routes."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi

from bots.chatbot import ChatBot
from server.http.handlers import add_handlers
from server.http.middleware import REQUEST_ID, HostCheck, RequestContext
from server.http.version import package_version
from server.worker.config import WorkerConfig
from server.worker.routes import ROUTERS
from server.worker.routes.generate import EXTRA_SCHEMAS
from server.worker.worker import OnProgress, Worker


def create_app(
    bot: ChatBot | Callable[[], ChatBot],
    config: WorkerConfig,
    on_progress: OnProgress | None = None,
) -> FastAPI:
    """Build the application of one worker. The model is loaded once the application runs.

    `bot` may be a function that makes the bot, for a class whose import takes seconds.
    """
    worker = Worker(bot, config, on_progress)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        await worker.close()

    app = FastAPI(
        title="ChatZoo worker",
        version=package_version(),
        description="One chat model. Streams answers, and says what it is.",
        lifespan=lifespan,
        openapi_url=None,  # `routes.health` serves it, behind the API key
    )
    app.state.worker = worker
    for router in ROUTERS:
        app.include_router(router)
    add_handlers(app)
    app.add_middleware(HostCheck, names=[config.host, socket.gethostname(), *config.allow_host])
    app.add_middleware(RequestContext, max_body_bytes=config.max_body_bytes)
    # Added last, so outermost: also errors of the other two need the headers by which the page,
    # which has another origin, may read them.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=config.allow_origin,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=[REQUEST_ID, "Retry-After"],
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the models of events, which no endpoint returns as a body."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = schema["components"]["schemas"]
        for model in EXTRA_SCHEMAS:
            extra = model.model_json_schema(ref_template="#/components/schemas/{model}")
            components.update(extra.pop("$defs", {}))
            components[model.__name__] = extra
        app.openapi_schema = schema
    return app.openapi_schema
