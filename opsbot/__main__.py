"""`python -m opsbot`, and the script `opsbot`."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    # To look for plug-ins, pydantic reads the metadata of every installed package; there is none that we want.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from opsbot.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
