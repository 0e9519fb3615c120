"""Core's web surface: the alert door, the API of the command line, health and metrics."""
