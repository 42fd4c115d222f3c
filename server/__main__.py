"""`python -m server` is one worker."""

import sys

from server.cli.main import main

main(["serve", *sys.argv[1:]])
