"""A small, real inference server: OpenAI's API in front of an own engine, with vLLM's metrics and leased settings.

It stands in for a fleet that is not there, and meets the bot only over HTTP (docs/serving.md).
"""
