"""Kairos: behaviour-triggered messages on your own Kafka."""

__version__ = "0.1.0"
