"""Examples become shards and a manifest."""
