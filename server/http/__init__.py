"""What worker and hub share: middleware, errors, addresses, logs."""
