"""Clusters without GPUs: the real scheduler on a runner whose steps last as long as the roofline says."""
