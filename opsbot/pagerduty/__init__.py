"""Incidents in PagerDuty: what is to stand there, told through the outbox, and what people answer from there."""
