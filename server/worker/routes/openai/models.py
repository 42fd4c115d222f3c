"""OpenAI's model list: /v1/models."""

import time

from fastapi import APIRouter

from server.http.errors import responses
from server.worker.routes.deps import WorkerDep, authorized
from server.worker.routes.openai.schema import ModelList, ModelObject
from server.worker.routes.openai.shared import check_model

router = APIRouter(prefix="/v1", tags=["openai"], dependencies=[authorized])

_STARTED = int(time.time())


@router.get("/models", responses=responses(401))
async def models(worker: WorkerDep) -> ModelList:
    """The model of this worker, as a list."""
    return ModelList(data=[ModelObject(id=worker.name, created=_STARTED)])


@router.get("/models/{model_id:path}", responses=responses(401, 404))
async def model(model_id: str, worker: WorkerDep) -> ModelObject:
    """The model of this worker."""
    check_model(model_id or "/", worker)  # "" would mean any model
    return ModelObject(id=worker.name, created=_STARTED)
