"""Serves fastapi_app on a free port, which it writes to the file that is named."""

import socket
import sys
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    Path(sys.argv[1]).write_text(str(listener.getsockname()[1]))
    config = uvicorn.Config("fastapi_app:app", log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])
