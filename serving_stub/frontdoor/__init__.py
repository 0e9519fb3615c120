"""What stands between the wire and the engine: today the leases of emergency settings."""
