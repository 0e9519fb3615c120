"""`python -m opsbot`."""

from opsbot.cli import main

if __name__ == "__main__":
    main()
