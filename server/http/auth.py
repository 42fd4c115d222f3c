"""Check of a worker's API key."""

import hmac

from server.http.errors import ApiError


def check_key(header: str | None, key: str | None) -> None:
    """Raise ApiError 401 unless `header` is `Bearer KEY`. A `key` of None allows all."""
    if key is None:
        return
    scheme, _, given = (header or "").partition(" ")
    # In constant time, so that answer times do not reveal how much of a key is right. As bytes,
    # because compare_digest refuses text beyond ASCII.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.encode()):
        raise ApiError(
            401,
            "invalid_api_key",
            "This worker needs an API key: Authorization: Bearer <key>.",
            headers={"WWW-Authenticate": "Bearer"},
        )
