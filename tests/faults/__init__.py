"""Deterministic fault simulation: the real turns, commit order and restore over an in-memory broker that fails as real ones do."""
