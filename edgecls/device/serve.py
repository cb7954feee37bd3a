"""``--serve``: one JSON request a line on stdin, one JSON answer a line on stdout.

An unknown request or one that fails is answered with ``{"ok": false, "error": …}``; the process
stays. A key that is null is as one that is not there; keys that are not known are not looked at.

``hello``: what really runs, ``load_ms``, ``first_inference_ms``, and ``baseline_rss_bytes``: the
    resident set just before the runtime was imported and the model loaded; absent, here and in
    ``memory``, where the system does not tell it.
``memory``: ``rss_bytes``, the peak, and ``baseline_rss_bytes``.
``round``: queries of one ``phase`` (`measure`) in one ``scenario`` (`scenarios`), until both
    ``seconds`` and ``queries`` are reached; before them ``warmup`` queries, and with ``settle``
    windows of them until two medians are alike. Answers ``samples_ms``, ``seconds`` (wall time of
    what is measured), ``warmup_queries`` (windows included), ``settled`` (false only where it was
    asked for and did not come about), ``samples_per_query`` (images in a query; a model of a fixed
    batch takes as many in single stream and server), ``pace_ms`` (`pace`) and, where the device
    tells them, ``load`` (`load`) and ``energy`` (`energy`) of what is measured.
``profile``: ``operators`` of ``queries`` queries (1 to 1000, default 50; 10 more before them),
    each with ``name``, ``type`` (empty where the runtime tells none) and mean ``ms`` a query, in
    the order of execution, by ``profiler``: the first word of ``about``'s ``runtime``. It is asked
    for in a session of its own, whose memory is in the peak from then on.
``infer``, ``verify``, ``predict``, ``evaluate``, ``conditions``, ``quit``: see their functions.
"""

import json
import os
import sys
from typing import IO, Any, Callable, Dict, Optional

import numpy as np

from . import classify, conditions, golden, measure, memory, operators, rounds
from .batches import at_once
from .errors import EdgeclsError
from .meta import Meta
from .scenarios import Round

Request = Dict[str, Any]
Answer = Dict[str, Any]

# Samples that are written at once.
PART = 1000


class Server:
    """A loaded runner and what its requests need; each ``do_<name>`` answers one of them."""

    def __init__(
        self,
        folder: str,
        meta: Meta,
        runner: Any,
        load_ms: float,
        baseline_bytes: Optional[int] = None,
    ) -> None:
        """baseline_bytes: what was resident before the runner's runtime was imported."""
        self.folder, self.meta, self.runner, self.load_ms = folder, meta, runner, load_ms
        self.baseline_bytes = baseline_bytes
        self.tensors = golden.inputs(folder, meta)
        self.files = [_read(path) for path in golden.image_paths(folder, meta)]
        _, self.first_inference_ms = measure.timed(lambda: runner.run(self.tensors[:1]))

    def do_hello(self, request: Request) -> Answer:
        return {
            "about": self.runner.about(),
            "pid": os.getpid(),
            "load_ms": self.load_ms,
            "first_inference_ms": self.first_inference_ms,
            **_told(baseline_rss_bytes=self.baseline_bytes),
        }

    def do_round(self, request: Request) -> Answer:
        return self.round(Round.from_json(request))

    def round(self, asked: Round) -> Answer:
        size = 1 if asked.phase != "inference" else asked.samples or at_once(self.runner)
        ask = measure.query(
            asked.phase, self.runner, self.meta, self.tensors, self.files, asked.samples
        )
        return rounds.measured(ask, asked, size)

    def do_profile(self, request: Request) -> Answer:
        return operators.answer(self.runner, self.tensors, request.get("queries"))

    def do_infer(self, request: Request) -> Answer:
        images = golden.load_array(_text(request, "input"))
        output = _text(request, "output")
        logits = run_all(self.runner, images)
        beside = output + ".part"
        with open(beside, "wb") as stream:
            np.save(stream, logits, allow_pickle=False)
        os.replace(beside, output)
        return {"num_images": len(images)}

    def do_verify(self, request: Request) -> Answer:
        return golden.verify(self.folder, self.meta, self.runner)

    def do_predict(self, request: Request) -> Answer:
        images = request.get("images")
        if not isinstance(images, list) or not all(isinstance(each, str) for each in images):
            raise EdgeclsError("predict has no 'images'", 'a list of paths, ["a.jpg"]')
        return classify.predict(images, self.meta, self.runner)

    def do_evaluate(self, request: Request) -> Answer:
        return classify.evaluate(_text(request, "directory"), self.meta, self.runner)

    def do_memory(self, request: Request) -> Answer:
        return _told(rss_bytes=memory.peak_bytes(), baseline_rss_bytes=self.baseline_bytes)

    def do_conditions(self, request: Request) -> Answer:
        return conditions.read()

    def do_quit(self, request: Request) -> Answer:
        return {"quit": True}

    def answer(self, line: bytes) -> Answer:
        """The answer to one line, whatever is in it."""
        try:
            request = _parse(line)
            answer = self._handler(request["do"])(request)
            answer.setdefault("ok", True)
            return answer
        except EdgeclsError as error:
            return {"ok": False, "error": error.cause, "fix": error.fix}
        except Exception as error:  # noqa: BLE001 - a runtime raises what it likes
            return {"ok": False, "error": "{}: {}".format(type(error).__name__, error)}

    def _handler(self, name: Any) -> Callable[[Request], Answer]:
        known = sorted(each[3:] for each in dir(self) if each.startswith("do_"))
        if name not in known:
            raise EdgeclsError("unknown request: {!r}".format(name), "valid: " + ", ".join(known))
        return getattr(self, "do_" + name)  # type: ignore[no-any-return]


def serve(server: Server, stdout: IO[str]) -> int:
    """Answer every line of stdin until ``quit`` or its end."""
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        answer = server.answer(line)
        _write(answer, stdout)
        if answer.get("quit"):
            break
    return 0


def _write(answer: Answer, stdout: IO[str]) -> None:
    """One line. Samples go in parts: the text of all would be taken for the model's memory."""
    text = json.dumps({key: answer[key] for key in answer if key != "samples_ms"})
    if "samples_ms" not in answer:
        stdout.write(text + "\n")
    else:
        samples = answer["samples_ms"]
        stdout.write(text[:-1] + ', "samples_ms": [')
        for begin in range(0, len(samples), PART):
            part = json.dumps(list(samples[begin : begin + PART]))
            stdout.write((", " if begin else "") + part[1:-1])
        stdout.write("]}\n")
    stdout.flush()


def _text(request: Request, name: str) -> str:
    """A path that a request must name. Raises EdgeclsError."""
    found = request.get(name)
    if not isinstance(found, str) or not found:
        raise EdgeclsError("{} has no {!r}".format(request["do"], name), "a path, as text")
    return found


def _parse(line: bytes) -> Request:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise EdgeclsError("not a line of JSON: {!r}".format(line[:200])) from error
    if not isinstance(request, dict) or "do" not in request:
        raise EdgeclsError(
            "not a request: {!r} has no 'do'".format(line[:200]), 'such as {"do": "hello"}'
        )
    return request


def run_all(runner: Any, images: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Logits float32[N, K] of any number of images, one query after the other."""
    step = at_once(runner)
    parts = [runner.run(images[i : i + step]) for i in range(0, len(images), step)]
    return np.concatenate(parts).astype(np.float32)


def _told(**values: Optional[int]) -> Answer:
    """Those that the system tells."""
    return {name: value for name, value in values.items() if value is not None}


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
