"""`python -m server` runs one worker: it is `chatzoo serve`."""

import sys

from server.cli.main import main

main(["serve", *sys.argv[1:]])
