"""Tests beside runbooks: the real interpreter in virtual time, over given series, with mocked actions."""
