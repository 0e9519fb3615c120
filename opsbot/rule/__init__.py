"""Alert rules: Prometheus's rule files, plus a lower level that ends an alert and a stated answer to missing data."""

from opsbot.rule.model import NoData, Rule

__all__ = ["NoData", "Rule"]
