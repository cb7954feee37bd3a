"""Which packages are installed, by their metadata: nothing is imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version(name: str) -> str:
    """An installed package's version, or the empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those `packages` that are installed."""
    return {name: found for name in packages if (found := package_version(name))}
