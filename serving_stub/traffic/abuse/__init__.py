"""Labelled abuse and its look-alikes: each shape is a plan of requests from a seed, at a chosen strength.

A shape says what its entity does over hours; it becomes real requests, or request events without a server.
"""
