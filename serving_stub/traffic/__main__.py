"""`python -m serving_stub.traffic`: the load generator without the server's other commands."""

from __future__ import annotations

from serving_stub.traffic.command import traffic

if __name__ == "__main__":
    traffic(prog_name="python -m serving_stub.traffic")
