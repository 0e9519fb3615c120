"""A documented subset of PromQL over samples in memory, for where there is no Prometheus.

The syntax tree comes from promql-parser; what is evaluated here is compared with a real Prometheus by a test.
"""
