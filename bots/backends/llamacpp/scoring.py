"""Log-probabilities of a prompt's tokens.

llama.cpp's server does not score prompts. It is asked for one new token after each prefix, whose
keys and values it still has in its cache: exact, and one forward pass for each token.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bots.backends.llamacpp.chunks import GREEDY, token_logprob
from bots.backends.llamacpp.client import LlamaCppClient
from bots.errors import BotError
from bots.events import TokenLogprob


def score_prompt(
    client: LlamaCppClient, token_ids: Sequence[int], top: int, vocabulary: int
) -> Iterator[TokenLogprob]:
    """The log-probability of each token, with its `top` candidates, one request at a time.

    The first token has none. Raises BotError where llama.cpp gives no log-probability.
    """
    yield TokenLogprob(token_ids[0], client.detokenize(token_ids[:1]), None)
    whole_character: int | None = None
    for at, token_id in enumerate(token_ids[1:], 1):
        before = token_ids[:at]
        score = find_score(client.complete(scoring_request(before, token_id, top)), token_id, top)
        if score is None:
            # A choice that ends inside a character is not reported. If a whole character is
            # chosen, the list of all candidates is, and contains this token. It is asked for only
            # then, because a list of the whole vocabulary is long.
            if whole_character is None:
                whole_character = client.tokenize(".")[-1]
            request = scoring_request(before, whole_character, vocabulary)
            score = find_score(client.complete(request), token_id, top)
        if score is None:
            raise BotError(f"llama.cpp gave no log-probability of token {token_id} of the prompt.")
        yield score


def scoring_request(before: Sequence[int], choice: int, candidates: int) -> dict[str, Any]:
    """The request, in llama.cpp's own form, for the candidates after the tokens `before`.

    A bias makes `choice` the chosen token, which is reported even if it is no candidate. The
    log-probabilities are computed before the bias, so it does not change them.
    """
    return GREEDY | {
        "prompt": list(before),
        "n_predict": 1,
        "n_probs": max(candidates, 1),  # 0 would leave out the chosen token's own
        "logit_bias": [[choice, 1e9]],
        "temperature": 0,
        "cache_prompt": True,
    }


def find_score(answer: Mapping[str, Any], token_id: int, top: int) -> TokenLogprob | None:
    """A token's score, with `top` candidates, in the answer to a `scoring_request`.

    None if it is not there, as for a choice that ends inside a character.
    """
    for position in answer.get("completion_probabilities", ()):
        for entry in (position, *position["top_logprobs"]):
            if entry["id"] == token_id:
                return token_logprob(entry, position["top_logprobs"][:top])
    return None
