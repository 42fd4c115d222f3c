"""What can go wrong in a bot, as exceptions that say what to do.

    BotError
    ├── ConfigError               wrong type, path or option; found before anything is loaded
    ├── LoadError                 the model's files cannot become a running model
    ├── InvalidRequest            one request asks for something that cannot be
    │   ├── ContextLengthExceeded
    │   └── Unsupported           this bot cannot do it; another might
    ├── OutOfMemory               the device is full; the worker goes on
    └── UpstreamError             a remote endpoint failed or lied

This module knows no HTTP: the server maps the classes to statuses in one table.
"""


class BotError(Exception):
    """Base of all errors a bot raises on purpose.

    `message` is one sentence for a person, `code` a stable word for a program, `param` the name of
    the request field or option at fault, if there is one.
    """

    code = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class ConfigError(BotError):
    """Raised before loading when the way a bot is asked for makes no sense."""

    code = "invalid_config"


class LoadError(BotError):
    """Raised while loading when the files cannot become a running model."""

    code = "model_failed"


class InvalidRequest(BotError):
    """Raised for one request whose values cannot be used; `param` names the field."""

    code = "invalid_value"


class ContextLengthExceeded(InvalidRequest):
    """Raised when the prompt leaves no room in the model's context.

    `alone`: the context is for the prompt alone, and the answer needs none of it.
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
    """Raised when a request needs something that this bot cannot do."""

    code = "unsupported_parameter"


class OutOfMemory(BotError):
    """Raised when the device has no memory left for this request."""

    code = "out_of_memory"


class UpstreamError(BotError):
    """Raised when a remote endpoint cannot be reached, answers an error or breaks the protocol."""

    code = "upstream_error"
