"""Load for a server that speaks OpenAI's API: who asks for what and when, from a seed."""
