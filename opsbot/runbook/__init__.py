"""Runbooks: documents that say how to undo trouble, and their executions."""
