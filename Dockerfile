# ChatZoo in one image: the hub, its page, and the workers that it starts.
#
# Not run by us, for want of a Docker engine. Linted with hadolint. By hand, outside a container, the
# wheel was built from the copied files on a machine without Node, installed into an empty
# environment, and its hub was started on all addresses with an echo worker.
#
#   docker build -t chatzoo .
#   docker run --init -p 127.0.0.1:8080-8082:8080-8082 -v chatzoo-models:/models chatzoo
#
# The page is then at http://localhost:8080. For a CUDA build of torch:
#
#   docker build -t chatzoo --build-arg TORCH='torch==2.13.0 --index-url <its index>' .
#   docker run --gpus all …
#
# Inside the container everything listens on all addresses, so the published ports decide who can
# connect: 127.0.0.1 above admits this machine only. Before publishing the ports to others, give each
# worker an `api-key`, add the page's public address to its `allow-origin` and that address's host name
# to its `allow-host`, and put the hub, which has no password, behind a proxy that has one. Publish
# each port under its own number: the page calls the workers at the ports that the hub lists.

FROM python:3.11-slim AS build
WORKDIR /source
# The package builds the page; Node comes as its build requirement.
COPY pyproject.toml hatch_build.py README.md ./
COPY webui webui
COPY bots bots
COPY server server
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ARG TORCH="torch==2.13.0"
# llama.cpp's binding needs OpenMP, which the slim image lacks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
# Unquoted, because TORCH holds several words: a version and options of pip.
# hadolint ignore=DL3013,SC2086
RUN pip install --no-cache-dir ${TORCH}
# By file, so that no index can supply another `chatzoo`. pyproject.toml bounds its dependencies.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    wheel=$(echo /wheels/*.whl) \
    && pip install --no-cache-dir "${wheel}[transformers,llamacpp]" \
    && useradd --create-home --uid 10001 chatzoo \
    && install --directory --owner=chatzoo --group=chatzoo /models
WORKDIR /app
COPY configs configs
USER 10001
ENV CHATZOO_CACHE=/models/chatzoo \
    HF_HOME=/models/huggingface \
    HEALTH_URL=http://127.0.0.1:8080/healthz
VOLUME /models
EXPOSE 8080 8081 8082
# For a single worker (`chatzoo serve`), set HEALTH_URL to its port.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["chatzoo"]
CMD ["up", "configs/demo.yaml", "--host", "0.0.0.0"]
