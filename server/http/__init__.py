"""HTTP parts that worker and hub share: middleware, errors, addresses, ports, logs, version."""
