"""The command line: `chatzoo COMMAND`, and `python -m server` for `chatzoo serve`.

Commands only read their flags; the work is elsewhere.
"""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bots.chatbot import Progress
from bots.commands.apply_delta import apply_delta
from bots.commands.convert import convert
from bots.commands.fetch import fetch_builtin
from bots.commands.model_files import is_recognised
from bots.commands.quantize import quantize
from bots.errors import BotError
from bots.registry.registry import choose_bot
from server.cli import listing, quantize_report
from server.cli.chat import chat
from server.cli.compare import compare
from server.cli.settings import parse_settings
from server.http import logs
from server.hub.console import HubConsole
from server.hub.run import up as run_hub
from server.hub.zoo import load_zoo
from server.worker.app import create_app
from server.worker.config import load_config
from server.worker.process import LoadProgress
from server.worker.process import serve as run_worker
from server.worker.schema import ProgressBody
from server.worker.worker import package_version

app = typer.Typer(
    name="chatzoo",
    help="Compare chat models side by side on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and leave, before a command is asked for."""
    if wanted:
        print(package_version())
        raise typer.Exit()


@app.callback()
def chatzoo(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and leave.", is_eager=True, callback=show_version
        ),
    ] = False,
) -> None:
    """Compare chat models side by side on your own machine."""


MODEL, NET, LIMITS, OTHER = "Model", "Address and access", "Limits", "Process"


def flag(text: str, panel: str) -> typer.models.OptionInfo:
    """A flag whose default is the config's, so that "not given" can be told from "given"."""
    info: typer.models.OptionInfo = typer.Option(help=text, rich_help_panel=panel)
    return info


@app.command()
def serve(
    pretrained_path: Annotated[
        str | None,
        flag(
            "The model: a folder, a GGUF file, a hub id, builtin:smollm2, builtin:smollm2-gguf,"
            " or the URL of an OpenAI-compatible endpoint.",
            MODEL,
        ),
    ] = None,
    type: Annotated[
        str | None, flag("Model family; `chatzoo list` shows them. `echo` needs no model.", MODEL)
    ] = None,
    bot: Annotated[
        str | None, flag("A class of your own: path/to/file.py:Class or module:Class.", MODEL)
    ] = None,
    tokenizer_path: Annotated[
        str | None, flag("Tokenizer folder or id, when it is not beside the model.", MODEL)
    ] = None,
    base_model: Annotated[
        str | None,
        flag("The base of the LoRA adapter at --pretrained-path: a folder or a hub id.", MODEL),
    ] = None,
    merge_adapter: Annotated[
        bool | None,
        flag("Add the adapter to the base's weights once, not at each step. [default: no]", MODEL),
    ] = None,
    devices: Annotated[
        str | None,
        flag("auto, cpu, or the GPUs to use, such as 0 or 0,1. [default: auto]", MODEL),
    ] = None,
    dtype: Annotated[
        str | None, flag("auto, float32, bfloat16 or float16. [default: auto]", MODEL)
    ] = None,
    quantization: Annotated[
        str | None,
        flag(
            "auto: as the checkpoint is, or gptq; none: full size; made on load: int8, bnb-8bit,"
            " bnb-4bit, torchao-int8.",
            MODEL,
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        flag("What the model may fill, such as 0=20GiB,cpu=64GiB. [default: all]", MODEL),
    ] = None,
    offload_folder: Annotated[
        str | None, flag("Where weights go that fit nowhere else. [default: the cache]", MODEL)
    ] = None,
    kv_memory: Annotated[
        str | None,
        flag("For keys and values of requests, such as 4GiB. [default: a quarter free]", MODEL),
    ] = None,
    revision: Annotated[str | None, flag("Branch, tag or commit on the hub.", MODEL)] = None,
    trust_remote_code: Annotated[
        bool | None,
        flag("Run Python code that comes with the model. [default: no]", MODEL),
    ] = None,
    threads: Annotated[
        int | None, flag("CPU threads to compute with. [default: the library's choice]", MODEL)
    ] = None,
    name: Annotated[str | None, flag("The name people see.", NET)] = None,
    host: Annotated[
        str | None, flag("Address to listen on. [default: 127.0.0.1, this machine only]", NET)
    ] = None,
    port: Annotated[int | None, flag("Port; 0 takes a free one. [default: 8081]", NET)] = None,
    api_key: Annotated[
        str | None,
        flag("Key that callers must give. Better in CHATZOO_API_KEY: flags are visible.", NET),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        flag("Web origin whose pages may call; repeat it. [default: the hub's page]", NET),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        flag("Name of this machine that callers may use, besides addresses; repeat it.", NET),
    ] = None,
    max_running: Annotated[
        int | None, flag("Requests answered at once. [default: what the model can]", LIMITS)
    ] = None,
    max_queue: Annotated[
        int | None, flag("Requests that may wait; more get 429. [default: 64]", LIMITS)
    ] = None,
    max_new_tokens: Annotated[
        int | None, flag("Longest answer a request may ask for. [default: 4096]", LIMITS)
    ] = None,
    max_messages: Annotated[
        int | None, flag("Most messages in a request. [default: 512]", LIMITS)
    ] = None,
    max_body_bytes: Annotated[
        int | None, flag("Largest body; more gets 413. [default: 4194304]", LIMITS)
    ] = None,
    max_conversations: Annotated[
        int | None, flag("Conversations remembered for `uid` callers. [default: 1000]", LIMITS)
    ] = None,
    conversation_ttl: Annotated[
        float | None, flag("Seconds such a conversation is kept. [default: 3600]", LIMITS)
    ] = None,
    request_timeout: Annotated[
        float | None, flag("Seconds until an answer is cut off. [default: 600]", LIMITS)
    ] = None,
    drain_timeout: Annotated[
        float | None, flag("Seconds that answers may finish after SIGTERM. [default: 30]", LIMITS)
    ] = None,
    config: Annotated[
        Path | None, flag("YAML file with these options; flags and environment win.", OTHER)
    ] = None,
    log_level: Annotated[
        str | None, flag("debug, info, warning or error. [default: info]", OTHER)
    ] = None,
    log_format: Annotated[str | None, flag("auto, console or json. [default: auto]", OTHER)] = None,
    exit_on_stdin_eof: Annotated[bool | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve one model over HTTP.

    Every flag can be given as an environment variable (CHATZOO_MAX_QUEUE for --max-queue) or in
    the --config file; a flag wins over the environment, the environment over the file.
    """
    flags = {key: value for key, value in locals().items() if key != "config"}
    run_worker(load_config(flags, config))


@app.command()
def up(
    zoo: Annotated[
        Path, typer.Argument(help="Zoo file: which workers to start, and how.", show_default=False)
    ],
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: the file's, 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page. [default: the file's, 8080]")
    ] = None,
) -> None:
    """Start the workers of a zoo file and the page that compares them.

    Workers that end are started again. Ctrl-C ends all of it, once running answers are finished; a
    second Ctrl-C at once.
    """
    found = load_zoo(zoo, host=host, port=port)
    logs.configure("info", "auto")
    run_hub(found, HubConsole(found.workers))


Key = Annotated[
    str | None, typer.Option(envvar="CHATZOO_API_KEY", help="Key that the worker wants.")
]
System = Annotated[str | None, typer.Option(help="System text in front of the conversation.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the requests; repeat it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("chat")
def chat_command(
    url: Annotated[str, typer.Argument(help="The worker, such as http://127.0.0.1:8081.")],
    system: System = None,
    settings: Set = None,
    api_key: Key = None,
) -> None:
    """Talk to one worker. `clear` begins anew, `stop` ends, Ctrl-C stops an answer."""
    wanted = parse_settings(settings or [])
    raise typer.Exit(chat(url, api_key=api_key, system=system, settings=wanted))


@app.command("compare")
def compare_command(
    prompt: Annotated[str, typer.Argument(help="What to ask all of them.")],
    worker: Annotated[
        list[str], typer.Option(help="A worker's URL; repeat it.", show_default=False)
    ],
    system: System = None,
    settings: Set = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Ask several workers the same and show their answers side by side.

    The exit code is 1 if any of them failed.
    """
    wanted = parse_settings(settings or [])
    code = compare(worker, prompt, api_key=api_key, system=system, settings=wanted, as_json=as_json)
    raise typer.Exit(code)


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Show the model families and the model ids that need no --type."""
    listing.show(as_json=as_json)


@app.command("fetch")
def fetch_command() -> None:
    """Get the built-in model, so that workers start without a download."""
    with _progress("loading") as progress:
        fetch_builtin(progress)
    print("The built-in model is in place.")


Out = Annotated[Path, typer.Option(help="Folder to write, which is not there yet.")]


@app.command("convert")
def convert_command(
    model: Annotated[str, typer.Argument(help="A folder or a hub id.", show_default=False)],
    out: Out,
    type: Annotated[
        str | None, typer.Option(help="Model family, where the files do not tell it.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="float32, bfloat16 or float16. [default: as in the files]"),
    ] = None,
) -> None:
    """Write original files (MOSS, ChatGLM, InternLM2, pickles) as native safetensors.

    GPTQ weights, MOSS's int4 and int8 too, stay packed; ChatGLM's int4 and int8 are made full-size,
    float16 unless --dtype says otherwise. A tokenizer.json with the same ids is added where other
    tools have no such tokenizer. Needs memory for a gigabyte of weights and one tensor.
    """
    with _progress("converting") as progress:
        size = convert(model, out, progress, family=type, dtype=dtype)
    _written(out, size)


@app.command("apply-delta")
def apply_delta_command(
    base: Annotated[str, typer.Option(help="The base model: a folder or a hub id.")],
    delta: Annotated[str, typer.Option(help="What was published: a folder or a hub id.")],
    out: Out,
    type: Annotated[
        str | None,
        typer.Option(help="Model family, where the name of delta or base does not tell it."),
    ] = None,
) -> None:
    """Add weights that were published as a difference (EduChat, Vicuna v1.1) to their base.

    Needs memory for a gigabyte of weights and two tensors.
    """
    with _progress("adding") as progress:
        size = apply_delta(base, delta, out, progress, family=type)
    _written(out, size)


@app.command("quantize")
def quantize_command(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder or a hub id with native files, or builtin:smollm2.", show_default=False
        ),
    ],
    calibration: Annotated[
        Path, typer.Option(help="A text like those the model will see, some 60,000 tokens.")
    ],
    out: Out,
    method: Annotated[str, typer.Option(help="gptq, bnb or torchao.")] = "gptq",
    bits: Annotated[
        int | None,
        typer.Option(help="gptq: 2, 3, 4 or 8 [default: 4]; bnb: 4 or 8 [4]; torchao: 8."),
    ] = None,
    group_size: Annotated[
        int | None,
        typer.Option(help="Inputs that share a scale, of gptq: 32, 64, 128. [default: 128]"),
    ] = None,
) -> None:
    """Quantise a model, and compare the result with what it was made of.

    GPTQ takes minutes to hours and needs GPTQModel: pip install 'chatzoo[gptq]'. What was
    interrupted goes on where it was when the same command is given again, for LLaMA and Qwen3-MoE
    in a folder of their own; GPTQModel keeps no unfinished work of other models, nor of files in
    the hub's cache. bnb (LLM.int8(), NF4: pip install 'chatzoo[bnb]') and torchao (pip install
    'chatzoo[torchao]') take seconds, and need their library to load the result too.
    """
    with _progress("quantising") as progress:
        made = quantize(
            model,
            out,
            progress,
            calibration=calibration,
            method=method,
            bits=bits,
            group_size=group_size,
        )
    quantize_report.show(made)
    _written(out, made.after.size)


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    show = LoadProgress(what)
    try:
        yield lambda stage, done: show(ProgressBody(stage=stage, fraction=done))
    except KeyboardInterrupt as stopped:
        show(None)
        print(str(stopped) or "Stopped.", file=sys.stderr)
        raise typer.Exit(130) from stopped
    finally:
        show(None)


def _written(out: Path, size: int) -> None:
    family = "" if is_recognised(out) else " --type FAMILY"
    print(f"Wrote {size / 1e6:,.1f} MB of weights. To serve it:")
    print(f"  chatzoo serve --pretrained-path {shlex.quote(str(out))}{family}")


@app.command(hidden=True)
def openapi() -> None:
    """Print the worker's OpenAPI document; the page's types are made from it."""
    document = create_app(choose_bot(family="echo")(), load_config({"type": "echo"}, env={}))
    print(json.dumps(document.openapi(), indent=2, ensure_ascii=False))


def dashed(arguments: list[str]) -> list[str]:
    """Flags written with underscores, as ChatZoo's were in 2023, in today's form."""

    def fix(argument: str) -> str:
        if not argument.startswith("--"):
            return argument
        name, equals, value = argument.partition("=")
        return name.replace("_", "-") + equals + value

    return [fix(argument) for argument in arguments]


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `chatzoo`: an error is one sentence and exit code 2."""
    given = dashed(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, standalone_mode=True)
    except BotError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"Error: {error.message}", style="red", markup=False
        )
        sys.exit(2)
