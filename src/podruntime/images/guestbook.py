"""gb-frontend of the Kubernetes documentation's guestbook: a page, and guestbook.php's two calls.

`guestbook.php?cmd=set&key=K&value=V` writes to redis-leader, `cmd=get&key=K` reads from
redis-follower. Their addresses come from DNS, or from the environment with GET_HOSTS_FROM=env.
"""

from __future__ import annotations

import json
from typing import Final

from podruntime.images import redis, resp
from podruntime.images.busybox import APPLETS
from podruntime.images.http_server import HttpServer, Request, Response, serve_forever
from podruntime.images.image import Image
from podruntime.images.process import Process

_PAGE: Final = """<!DOCTYPE html>
<html>
<head><title>Guestbook</title></head>
<body>
<h2>Guestbook</h2>
<form id="form"><input id="message" placeholder="Messages"><button>Submit</button></form>
<ul id="list"></ul>
<script>
const url = "guestbook.php?key=messages&cmd=";
let messages = [];
const draw = () => list.replaceChildren(...messages.map(text => {
  const item = document.createElement("li"); item.textContent = text; return item;
}));
fetch(url + "get").then(answer => answer.json()).then(answer => {
  messages = answer.data ? answer.data.split(",").filter(text => text) : []; draw();
});
form.onsubmit = event => {
  event.preventDefault(); messages.push(message.value); message.value = ""; draw();
  fetch(url + "set&value=" + encodeURIComponent("," + messages.join(",")));
};
</script>
</body>
</html>
"""


class _Frontend:
    def __init__(self, process: Process) -> None:
        self._process = process

    async def answer(self, request: Request) -> Response:
        """Answer the page or one of the calls."""
        if request.path in ("/", "/index.html"):
            return Response(body=_PAGE.encode(), content_type="text/html")
        if request.path != "/guestbook.php":
            return Response(404, b"Not Found\n")
        key, value = request.value("key").encode(), request.value("value").encode()
        try:
            if request.value("cmd") == "set":
                return _json({"message": await self._ask("leader", b"SET", key, value, told=True)})
            return _json({"data": await self._ask("follower", b"GET", key)})
        except (OSError, resp.MalformedCommand) as error:
            self._process.complain(f"redis: {error}")
            return Response(500, f"redis: {error}\n".encode())

    async def _ask(self, role: str, *words: bytes, told: bool = False) -> str:
        kind, octets = await redis.ask(self._host(role), redis.PORT, *words)
        text = (octets or b"").decode(errors="replace")
        if kind == b"-":
            raise OSError(text)
        return "Updated" if told else text

    def _host(self, role: str) -> str:
        env = self._process.env
        name = f"redis-{role}"
        if env.get("GET_HOSTS_FROM") == "env":
            return env.get(f"REDIS_{role.upper()}_SERVICE_HOST", name)
        return name

    def log(self, request: Request, response: Response) -> None:
        """Write one line per answer."""
        line = f"{request.method} {request.target} {request.version}"
        self._process.print(f'{request.peer[0]} - - "{line}" {response.status}')


def _json(value: dict[str, str]) -> Response:
    return Response(body=json.dumps(value).encode(), content_type="application/json")


async def _apache(process: Process) -> int:
    process.exit_on_terminate(0)
    frontend = _Frontend(process)
    server = HttpServer(frontend.answer, server_name="Apache", on_answer=frontend.log)
    try:
        await serve_forever(server, 80)
    except OSError:
        process.complain("(98)Address already in use: AH00072: could not bind to 0.0.0.0:80")
    return 1


FRONTEND: Final = Image(
    programs={**APPLETS, "apache2-foreground": _apache},
    cmd=("apache2-foreground",),
    size=160_000_000,
)
