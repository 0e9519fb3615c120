"""The HTTP side: OpenAI's API, the control API, metrics and health."""
