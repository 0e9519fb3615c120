"""serving stub."""
