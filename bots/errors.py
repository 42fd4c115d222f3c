"""Exceptions of bots, with messages for the user.

    BotError
    ├── ConfigError               wrong type, path or option, found before loading
    ├── LoadError                 the files do not give a running model
    ├── InvalidRequest            values of one request cannot be used
    │   ├── ContextLengthExceeded
    │   └── Unsupported           another bot may support it
    ├── OutOfMemory               no memory for this request; the worker keeps running
    └── UpstreamError             a remote endpoint failed or broke its protocol

The server maps the classes to HTTP statuses in one table.
"""


class BotError(Exception):
    """Base of all errors that a bot raises on purpose.

    `message` is one sentence for the user, `code` a stable identifier for programs, and `param` the
    request field or option at fault, if there is one.
    """

    code = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class ConfigError(BotError):
    """Raised before loading for a wrong type, path or option."""

    code = "invalid_config"


class LoadError(BotError):
    """Raised while loading when the files do not give a running model."""

    code = "model_failed"


class InvalidRequest(BotError):
    """Raised for a request whose values cannot be used; `param` is the field."""

    code = "invalid_value"


class ContextLengthExceeded(InvalidRequest):
    """Raised when the prompt leaves no token of the context for the answer.

    `alone`: the context is for the prompt only, as in encoder-decoder models.
    """

    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_length: int, *, alone: bool = False) -> None:
        answer = "" if alone else ", and at least one is needed for the answer"
        super().__init__(
            f"The prompt has {prompt_tokens} tokens, but the model's context holds"
            f" {context_length} tokens{answer}. Shorten the conversation.",
            param="messages",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length


class Unsupported(InvalidRequest):
    """Raised for a request that needs what this bot does not support."""

    code = "unsupported_parameter"


class OutOfMemory(BotError):
    """Raised when the device has no memory left for this request."""

    code = "out_of_memory"


class UpstreamError(BotError):
    """Raised when a remote endpoint is unreachable, returns an error or breaks its protocol."""

    code = "upstream_error"
