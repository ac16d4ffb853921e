"""A webhook for a pod: ordinary aiohttp code that knows nothing of Podwire."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile

from aiohttp import web


async def label(request: web.Request) -> web.Response:
    """Label what is written; refuse what is named `refused`."""
    review = await request.json()
    asked = review["request"]
    patch = [{"op": "add", "path": "/metadata/labels", "value": {"seen-by": "webhook"}}]
    response = {
        "uid": asked["uid"],
        "allowed": asked["name"] != "refused",
        "status": {"code": 403, "message": "not this one"},
    }
    if response["allowed"]:
        encoded = base64.b64encode(json.dumps(patch).encode()).decode()
        response |= {"patchType": "JSONPatch", "patch": encoded}
    return web.json_response({**review, "response": response})


async def webhook(_arguments: list[str], env: dict[str, str]) -> None:
    """Serve at port 8443 until told to stop; key and certificate come by $PEM."""
    application = web.Application()
    application.router.add_post("/label", label)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(env["PEM"])
        pem.flush()
        context.load_cert_chain(pem.name)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 8443, ssl_context=context).start()
    await asyncio.Event().wait()
