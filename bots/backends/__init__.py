"""Libraries and endpoints that run a model, each behind the contract."""
