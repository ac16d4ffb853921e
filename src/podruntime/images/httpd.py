"""httpd (Apache): "It works!", and files from /usr/local/apache2/htdocs.

Configuration files are not read. The access log goes to stdout in combined format.
"""

from __future__ import annotations

from typing import Final

from podruntime.images.busybox import APPLETS
from podruntime.images.http_server import HttpServer, serve_forever
from podruntime.images.image import Image
from podruntime.images.process import Process
from podruntime.images.static_site import Site

VERSION: Final = "2.4.62"
ROOT: Final = "/usr/local/apache2/htdocs"
_SIGNATURE: Final = f"Apache/{VERSION} (Unix)"


async def httpd(process: Process) -> int:
    """Serve until told to end."""
    process.exit_on_terminate(0)
    site = Site(process, ROOT, _SIGNATURE)
    server = HttpServer(site.answer, server_name=_SIGNATURE, on_answer=site.log)
    process.complain(f"AH00489: {_SIGNATURE} configured -- resuming normal operations")
    try:
        await serve_forever(server, 80)
    except OSError:
        process.complain(
            "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:80"
        )
    return 1


IMAGE: Final = Image(
    programs={**APPLETS, "httpd-foreground": httpd, "httpd": httpd},
    cmd=("httpd-foreground",),
    env={"HTTPD_VERSION": VERSION},
    files={f"{ROOT}/index.html": "<html><body><h1>It works!</h1></body></html>\n"},
    working_dir="/usr/local/apache2",
    size=56_000_000,
)
