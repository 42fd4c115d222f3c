"""The endpoints of a worker, a module for each group of them.

To add an endpoint:

1. Write a function with `@router.get` or `@router.post` in the module of its group, or in a new
   module with a `router` of its own that stands in `ROUTERS` below. `dependencies=[authorized]`
   requires the API key.
2. Declare bodies as pydantic models in `server/worker/schema.py`. The function gets the worker as
   an argument of the type `WorkerDep`, and for a request to the model also `CallDep`.
3. To answer from the model: `worker.prepare(...)`, then `worker.runner.submit(...)`, then `collect`
   (one JSON body) or `EventStream` (server-sent events). `generate.py` is the shortest example.
4. Document it in docs/protocol.md and renew the OpenAPI document, from which the page's types are
   made: `chatzoo openapi > webui/openapi.json`, then `scripts/npm run gen`.
5. Test it in the module's test file under `tests/server/worker/routes/`, and add a line to
   CHANGELOG.md.
"""

from server.worker.routes import generate, health
from server.worker.routes.legacy import chatzoo, educhat
from server.worker.routes.openai import chat, models, text

ROUTERS = [module.router for module in (health, generate, models, chat, text, chatzoo, educhat)]
