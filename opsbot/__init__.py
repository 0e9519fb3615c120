"""opsbot: an on-call bot for teams that serve large language models.

It watches metrics, opens incidents, pages people in Slack and runs reversible YAML runbooks.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
