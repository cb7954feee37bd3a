"""Whether a bundle may be started: it is code, and nothing of it runs before this has looked.

First its files must equal the hashes in its meta.json; then every file that Python could run must
equal an installed kit's, for whoever changes a runner can change its hash as well.
"""

from __future__ import annotations

from pathlib import Path

from edgecls.device import meta as metas
from edgecls.device.meta import Meta
from edgecls.errors import TrustError
from edgecls.kits import kit_files

# What Python, or a dynamic loader on its behalf, would run if it lay on the path.
CODE_SUFFIXES = (".py", ".pyc", ".pyo", ".pyd", ".pyw", ".pth", ".so", ".dll", ".dylib", ".zip")


def check(bundle: Path, trust_code: bool = False) -> Meta:
    """The bundle's meta once its files are proven. Raises TrustError or MetaError.

    trust_code: start a runner that is no installed kit's; the hashes are checked all the same.
    """
    meta = metas.read(str(bundle))
    problems = metas.check(str(bundle), meta)
    if problems:
        raise TrustError(
            f"{bundle} is not what its meta.json says: {'; '.join(problems[:5])}",
            "copy or export the bundle again",
        )
    if not trust_code:
        _check_code(bundle, meta)
    return meta


def _check_code(bundle: Path, meta: Meta) -> None:
    expected = {name: metas.sha256(str(path)) for name, path in kit_files(meta.kit).items()}
    wrong = [name for name, digest in expected.items() if meta.files.get(name) != digest]
    wrong += [
        name
        for name in meta.files
        if name not in expected and (name.endswith(CODE_SUFFIXES) or _is_native(bundle / name))
    ]
    if wrong:
        raise TrustError(
            f"{bundle} carries code that is not of the installed kit {meta.kit!r}: "
            f"{', '.join(sorted(wrong)[:5])}",
            "export it again with this edgecls, or add --trust-code if you know who wrote it",
        )


def _is_native(path: Path) -> bool:
    """Whether a file is an ELF, Mach-O or PE binary, whatever its name."""
    with path.open("rb") as stream:
        head = stream.read(4)
    return (
        head[:4] == b"\x7fELF"
        or head[:2] == b"MZ"
        or head
        in (
            b"\xcf\xfa\xed\xfe",
            b"\xfe\xed\xfa\xcf",
            b"\xca\xfe\xba\xbe",
        )
    )
