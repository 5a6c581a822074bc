"""Runners, which make the shards on this machine or on a cluster."""
