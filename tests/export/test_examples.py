"""The Kotlin and Swift examples: their syntax, and that they read what meta.json has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecls.device import meta
from edgecls.kits import kits_folder

KOTLIN = sorted((kits_folder() / "kotlin").rglob("*.kt*"))
SWIFT = sorted((kits_folder() / "swift").rglob("*.swift"))
SCHEMA = json.loads((kits_folder() / "meta.schema.json").read_text(encoding="utf-8"))


def fields(value: Any = SCHEMA) -> set[str]:
    """The names of all fields of meta.json, at every depth."""
    properties = value.get("properties", {})
    return set(properties).union(*(fields(inner) for inner in properties.values()))


def of(path: Path, *names: str) -> str:
    return path.joinpath(*names).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*KOTLIN, *SWIFT], ids=lambda path: path.name)
def test_its_syntax_is_right(path: Path) -> None:
    language = "kotlin" if path in KOTLIN else "swift"
    reason = f"tree-sitter or its grammar of {language} is not installed"
    tree_sitter = pytest.importorskip("tree_sitter", reason=reason)
    grammar = pytest.importorskip(f"tree_sitter_{language}", reason=reason)
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    wrong = []

    def look(node: Any) -> None:
        if node.is_error or node.is_missing:
            line = node.start_point[0]
            wrong.append(f"line {line + 1}: {path.read_text().splitlines()[line]}")
        for child in node.children if node.has_error else ():
            look(child)

    look(parser.parse(path.read_bytes()).root_node)
    assert wrong == []


def test_a_broken_example_would_be_seen() -> None:
    tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")
    for language, text in (("kotlin", b"fun f(x: Int { }"), ("swift", b"func f(x: Int { }")):
        grammar = pytest.importorskip(f"tree_sitter_{language}", reason="no grammar")
        parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
        assert parser.parse(text).root_node.has_error


def test_kotlin_reads_fields_that_the_schema_has() -> None:
    text = of(kits_folder(), "kotlin", "src", "main", "kotlin", "edgecls", "Bundle.kt")
    read = set(re.findall(r'\.get\w*\("(\w+)"\)', text))
    assert read <= fields()
    assert {"labels", "model_files", "files", "temperature", "reject_threshold", "size"} <= read
    assert f"FORMAT = {meta.FORMAT}\n" in text


def test_swift_reads_fields_that_the_schema_has() -> None:
    text = of(kits_folder(), "swift", "Sources", "Edgecls", "Bundle.swift")
    read = set()
    for body in re.findall(r"struct \w+: Decodable {\n(.*?)^}", text, re.M | re.S):
        read |= set(re.findall(r"^    public let (\w+):", body, re.M))
    assert read <= fields()
    assert {"labels", "model_files", "files", "temperature", "reject_threshold", "size"} <= read
    assert f"knownFormat = {meta.FORMAT}\n" in text


@pytest.mark.parametrize("name", ["resize", "interpolation", "mode"])
def test_both_know_every_setting_of_preprocess(name: str) -> None:
    values = re.findall(
        r"\w+", SCHEMA["properties"]["preprocess"]["properties"][name]["description"]
    )
    known = {"stretch", "shortest", "pad", "nearest", "bilinear", "lanczos", "BGR", "L"}
    for folder, paths in (("kotlin", KOTLIN), ("swift", SWIFT)):
        text = "".join(path.read_text(encoding="utf-8") for path in paths)
        for value in known.intersection(values) - ({"BGR"} if folder == "swift" else set()):
            assert f'"{value}"' in text, (folder, value)


def test_every_flavour_has_its_model_and_its_library() -> None:
    gradle = of(kits_folder(), "kotlin", "build.gradle.kts")
    flavours = set(re.findall(r'create\("(\w+)"\) { dimension = "runtime" }', gradle))
    sources = kits_folder() / "kotlin" / "src"
    assert flavours == {path.name for path in sources.iterdir()} - {"main"}
    for flavour in flavours:
        assert re.search(rf'"{flavour}Implementation"\("[\w.-]+:[\w-]+:[\d.]+"\)', gradle)
        (model,) = (sources / flavour / "kotlin" / "edgecls").iterdir()
        assert "internal fun openModel(bundle: Bundle, threads: Int): Model" in of(model)


MAIN = """
package edgecls
import java.io.File
class BundleException(message: String) : Exception(message)
fun main(args: Array<String>) {
    val (width, height, channels) = args.slice(1..3).map { it.toInt() }
    val source = Pixels(width, height, channels, File(args[0]).readBytes())
    for (how in listOf("nearest", "bilinear", "bicubic", "lanczos")) {
        val resized = Resample.resize(source, args[4].toInt(), args[5].toInt(), how)
        File(args[0] + "." + how).writeBytes(resized.values)
    }
}
"""


def test_kotlins_resizing_is_pillows(tmp_path: Path) -> None:
    for tool in ("kotlinc", "java"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    source = kits_folder() / "kotlin" / "src" / "main" / "kotlin" / "edgecls" / "Resample.kt"
    (tmp_path / "Main.kt").write_text(MAIN)
    jar = tmp_path / "resample.jar"
    command = ["kotlinc", source, tmp_path / "Main.kt", "-include-runtime", "-d", jar]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for shape, size in (((475, 311, 3), (128, 96)), ((40, 50, 1), (224, 200))):
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        (tmp_path / "image").write_bytes(pixels.tobytes())
        numbers = [str(each) for each in (shape[1], shape[0], shape[2], *size)]
        subprocess.run(["java", "-jar", jar, tmp_path / "image", *numbers], check=True)
        image = Image.fromarray(pixels.squeeze())
        for how in ("nearest", "bilinear", "bicubic", "lanczos"):
            filter_ = Image.Resampling[how.upper()]
            wide = image.resize((size[0], shape[0]), filter_)  # the horizontal pass comes first
            expected = np.asarray(wide.resize(size, filter_))
            assert (tmp_path / f"image.{how}").read_bytes() == expected.tobytes(), how
