"""Who may call a worker: one API key, compared in constant time."""

import hmac

from server.http.errors import ApiError


def check_key(header: str | None, key: str | None) -> None:
    """Raise 401 unless `Authorization: Bearer …` carries the key. No key set: everybody may."""
    if key is None:
        return
    scheme, _, given = (header or "").partition(" ")
    # Compared as bytes: compare_digest refuses text beyond ASCII.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.encode()):
        raise ApiError(
            401,
            "invalid_api_key",
            "This worker wants an API key: Authorization: Bearer <key>.",
            headers={"WWW-Authenticate": "Bearer"},
        )
