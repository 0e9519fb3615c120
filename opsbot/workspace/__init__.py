"""The local workspace: Slack's Web API and Socket Mode as far as the bot needs them, and a page to look at and click.

It stands alone: of opsbot it imports only `sqlite_file`, and the bot meets it only over Slack's protocol.
"""
