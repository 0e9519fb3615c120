"""Slack: what people see and press. Imports the domain, never another adapter; speaks only Slack's public protocol."""
