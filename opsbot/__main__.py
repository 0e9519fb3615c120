"""`python -m opsbot`, and the script `opsbot`."""

from __future__ import annotations

import gc
import os


def main() -> None:
    """Run the command line."""
    # Imports make many objects, all of which stay: to look for garbage among them takes time and finds none.
    gc.disable()
    # To look for plug-ins, pydantic reads the metadata of every installed package; there is none that we want.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from opsbot.cli import main as command_line

    try:
        command_line()
    finally:
        # The interpreter's last collection would look at everything that was imported, a tenth of a short command.
        gc.freeze()


if __name__ == "__main__":
    main()
