"""Proof on real Kafka with real worker processes: workload, cluster, faults, and the oracle that judges the topics they leave behind."""
