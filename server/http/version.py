"""The version of the installed package, as `--version`, `/info` and OpenAPI documents show it."""

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """The version in `pyproject.toml`, or "unknown" if the package is not installed."""
    try:
        return version("chatzoo")
    except PackageNotFoundError:
        return "unknown"
