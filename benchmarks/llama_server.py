"""llama.cpp's own server on a network port, with the parameters of our bot.

`python -m benchmarks.llama_server PORT SLOTS`; ends at SIGTERM or SIGINT.
"""

import signal
import sys
from pathlib import Path

from bots.backends.llamacpp.gguf_header import read_header
from bots.backends.llamacpp.parameters import import_binding, server_parameters
from bots.checkpoints import builtin
from bots.settings import BotConfig


def main() -> None:
    """Load the built-in GGUF and serve it."""
    port, slots = int(sys.argv[1]), int(sys.argv[2])
    xllamacpp = import_binding()
    path = builtin.resolve("builtin:smollm2-gguf")
    params = server_parameters(
        xllamacpp, path, read_header(path), Path("unused"), slots, BotConfig()
    )
    params.hostnames, params.port = ["127.0.0.1"], port
    server = xllamacpp.Server(params)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    main()
