"""Parameters of llama.cpp's server: threads, context, devices, read-ahead. No model."""

from pathlib import Path
from typing import Any

import pytest

from bots.backends.llamacpp.gguf_header import GgufHeader
from bots.backends.llamacpp.parameters import (
    context_per_slot,
    import_binding,
    read_ahead,
    server_parameters,
    thread_count,
)
from bots.errors import LoadError
from bots.settings import BotConfig

MIB = 1 << 20
GIB = 1 << 30


def header(trained: int | None, *, heads: int = 1, size: int = 100 * MIB) -> GgufHeader:
    """A model with 1 KiB of keys and values for a token and head."""
    about: dict[str, Any] = {
        "general.architecture": "x",
        "x.block_count": 1,
        "x.embedding_length": 256 * heads,
        "x.attention.head_count": heads,
    }
    if trained is not None:
        about["x.context_length"] = trained
    return GgufHeader(about, size)


def test_a_small_model_gets_the_context_it_was_trained_for() -> None:
    """Every slot has all of it."""
    assert context_per_slot(header(8192), 4, 16 * GIB) == 8192


def test_a_long_context_is_bounded_by_the_weights() -> None:
    """128k tokens of a small model would take more memory than the model."""
    assert context_per_slot(header(131072, heads=8), 4, 64 * GIB) == 768 * MIB // (8 * 1024) // 4
    assert context_per_slot(header(131072, heads=8, size=2 * GIB), 4, 64 * GIB) == 65536


def test_free_memory_bounds_the_context() -> None:
    """A quarter of it at most, but never less than a short conversation."""
    assert context_per_slot(header(8192), 4, 64 * MIB) == 64 * MIB // 4 // 1024 // 4
    assert context_per_slot(header(8192), 4, 1 * MIB) == 512
    assert context_per_slot(header(256), 4, 1 * MIB) == 256


def test_a_file_that_says_nothing_gets_a_usual_context() -> None:
    """Neither length nor heads may be known."""
    assert context_per_slot(header(None), 4, 16 * GIB) == 4096
    assert context_per_slot(GgufHeader({}, 1), 4, 16 * GIB) == 4096


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option first (which has read our variable), then OpenMP's, then the cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    monkeypatch.setenv("CHATZOO_THREADS", "5")
    assert thread_count() == 3
    assert thread_count(2) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    with pytest.raises(LoadError, match="OMP_NUM_THREADS='many'"):
        thread_count()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert thread_count() >= 1


def test_a_missing_binding_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    with pytest.raises(LoadError, match=r"pip install 'chatzoo\[llamacpp\]'"):
        import_binding()


def make(devices: str = "auto", slots: int = 4) -> Any:
    """Parameters for the small header."""
    xllamacpp = pytest.importorskip("xllamacpp")
    return server_parameters(
        xllamacpp,
        "m.gguf",
        header(1024),
        Path("/run/x/llama.sock"),
        slots,
        BotConfig(devices=devices, threads=3),
    )


def test_the_server_listens_on_the_socket_only_and_is_quiet() -> None:
    """No port, no page, no line for a request."""
    params = make()
    assert params.hostnames == ["/run/x/llama.sock"]
    assert params.verbosity == 1
    assert params.cpuparams.n_threads == 3
    assert params.ui is False
    assert (params.n_parallel, params.n_ctx, params.kv_unified) == (4, 4 * 1024, False)


def test_cpu_means_no_layer_elsewhere() -> None:
    """Even where there is a GPU."""
    assert make("cpu").n_gpu_layers == 0


def test_devices_that_are_not_there_are_refused() -> None:
    """The package of the index has no GPU code at all."""
    with pytest.raises(LoadError, match="there is no GPU 99"):
        make("99")


def test_a_file_is_read_once_before_loading(tmp_path: Path) -> None:
    """With progress up to 1; a file that does not fit into memory is left out."""
    file = tmp_path / "m.gguf"
    file.write_bytes(bytes(20 * MIB))
    seen: list[float | None] = []
    read_ahead(str(file), header(1024, size=20 * MIB), lambda _, done: seen.append(done))
    assert seen == [0.4, 0.8, 1.0]
    read_ahead(str(file), header(1024, size=1 << 60), lambda _, done: seen.append(done))
    assert len(seen) == 3


class FakeKinds:
    """The binding's device types."""

    GGML_BACKEND_DEVICE_TYPE_GPU = 1
    GGML_BACKEND_DEVICE_TYPE_IGPU = 2


class FakeBinding:
    """The binding on a machine with two GPUs."""

    ggml_backend_dev_type = FakeKinds

    @staticmethod
    def get_device_info() -> list[dict[str, int]]:
        """A processor and two GPUs."""
        return [{"type": 0}, {"type": 1}, {"type": 1}]

    @staticmethod
    def CommonParams() -> Any:
        """The real object."""
        return pytest.importorskip("xllamacpp").CommonParams()


def test_gpus_are_chosen_by_number() -> None:
    """The other ones get no share of the layers."""
    params = server_parameters(
        FakeBinding, "m.gguf", header(1024), Path("/x.sock"), 1, BotConfig(devices="1")
    )
    assert params.main_gpu == 1
    assert list(params.tensor_split[:3]) == [0.0, 1.0, 0.0]
    assert params.n_batch == 512
