"""A bot outside of ChatZoo."""

from pathlib import Path

import pytest

OWN_BOT = '''
from bots.backends.echo import EchoBot

class Parrot(EchoBot):
    """A bot outside of ChatZoo."""

number = 3
'''


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A file with a bot and something else."""
    path = tmp_path / "my_bot.py"
    path.write_text(OWN_BOT)
    return path
