# One image for every part of a cluster that runs in containers; compose.yaml says which part.
FROM python:3.13-slim

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1

# What changes rarely comes first. pip compiles what it installs: the root is read-only later on.
# What a base image brought along stays as it is, so that ours are exactly the locked versions.
COPY requirements.lock /build/
RUN pip install --ignore-installed --require-hashes --no-deps -r /build/requirements.lock

COPY pyproject.toml README.md LICENSE /build/
COPY src /build/src
RUN pip install --no-deps --no-build-isolation /build

RUN useradd --uid 10001 --no-create-home --home-dir /tmp podwire
USER 10001:10001
WORKDIR /tmp
CMD ["podwire", "--help"]
