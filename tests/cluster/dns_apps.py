"""A program for pods that looks names up and asks the API server, when asked to by HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import socket

from aiohttp import web

from kubeapi.client import RestClient, in_cluster_config
from kubeapi.resources import ALL
from kubeapi.status import StatusError


def serve() -> web.Application:
    application = web.Application()
    application.router.add_get("/resolve/{name}", _resolve)
    application.router.add_get("/whoami", _whoami)
    application.router.add_get("/list/{plural}", _list)
    return application


async def _resolve(request: web.Request) -> web.Response:
    loop = asyncio.get_running_loop()
    try:
        name = request.match_info["name"]
        found = await loop.getaddrinfo(name, 1, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return web.json_response(error.strerror)
    return web.json_response([each[4][0] for each in found])


async def _whoami(_request: web.Request) -> web.Response:
    client = RestClient(in_cluster_config(os.environ), user_agent="test")
    try:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        answer = await client.raw("POST", path, body={}, accept="application/json")
    finally:
        await client.close()
    return web.json_response(json.loads(answer)["status"]["userInfo"]["username"])


async def _list(request: web.Request) -> web.Response:
    client = RestClient(in_cluster_config(os.environ), user_agent="test")
    plural = request.match_info["plural"]
    try:
        await client.list(next(each for each in ALL if each.plural == plural))
    except StatusError as error:
        return web.json_response(error.code)
    finally:
        await client.close()
    return web.json_response(200)
