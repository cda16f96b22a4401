"""TCP segments → bytes in order, holes, and ends."""
