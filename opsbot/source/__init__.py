"""What comes in: samples from targets or Prometheus, alerts from webhooks."""
