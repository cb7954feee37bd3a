"""The page: whole, offline, and safe whatever a file is called."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from edgecls.core import read_results, write_results
from edgecls.errors import EdgeclsError
from edgecls.report import recommend, write_report

MAX_BYTES = 6_000_000
VOID = {"meta", "link", "input", "br", "col"}


class Reader(HTMLParser):
    """The page's elements, its text, and whether every element is closed in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data)


def read(made):
    path = write_report(made.path)
    page = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return page, reader


def words(reader):
    return " ".join("".join(reader.text).replace("\u2060", "").split())


def test_the_reports_are_written_and_nothing_is_left_beside_them(make_run):
    made = make_run()
    assert write_report(made.path) == made.path / "report.html"
    names = {path.name for path in made.path.iterdir()}
    reports = {"report.html", "report.md", "report.svg"}
    assert names == {"run.json", "results.jsonl", "files", *reports}


def test_the_page_loads_nothing(make_run):
    page, reader = read(make_run())
    assert not re.search(r"(?:https?:)?//[a-z0-9.]+\.[a-z]+", page)
    for _, attributes in reader.elements:
        assert attributes.get("src") is None
        assert attributes.get("href", "#").startswith(("#", "data:,"))
    policy = next(a["content"] for _, a in reader.elements if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_every_row_is_in_the_table_with_its_reason_and_fix(make_run):
    made = make_run()
    _, reader = read(made)
    bodies = [a for tag, a in reader.elements if tag == "tbody" and "data-row" in a]
    assert sorted(int(a["data-row"]) for a in bodies) == list(range(len(made.rows)))
    text = words(reader)
    assert "Not measured: this machine has no NVIDIA GPU. Fix: pip install" in text
    assert "Failed to convert: parity: logits differ by 0.61 σ, 0.25 allowed." in text
    assert "no difference seen" in text


def test_the_flagged_row_is_highlighted_and_has_the_confusion_matrix(make_run):
    made = make_run()
    rows = [row.with_(recommended=i == 7) for i, row in enumerate(made.rows)]
    write_results(made.path / "results.jsonl", rows)
    _, reader = read(made)
    marked = [a["id"] for tag, a in reader.elements if a.get("class") == "recommended"]
    assert marked == ["row-7"]
    assert f"{rows[7].name} on the 360 test images: 351 right, 9 wrong." in words(reader)


def test_the_recommendation_of_the_page_is_that_of_the_rule(make_run):
    made = make_run()
    found = recommend(made.rows, made.info)
    write_results(made.path / "results.jsonl", found.marked())
    assert sum(row.recommended for row in read_results(made.path / "results.jsonl")) == 1
    text = words(read(made)[1])
    for part in (found.headline, found.evidence, found.reason):
        assert part in text


def test_hostile_names_stay_text(make_run):
    evil = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    labels = (evil, '"><svg onload=alert(3)>', "a'b\"c&amp;", "\x00\x1b[31m", "NO UTF-8")
    made = make_run(labels=labels, hostile=True, command=f"edgecls run --data '{evil}'")
    # A file name that is not UTF-8 is in JSON as an escape.
    about = (made.path / "run.json").read_text(encoding="utf-8")
    (made.path / "run.json").write_text(about.replace("NO UTF-8", "\\udcff"), encoding="utf-8")
    rows = [row.with_(model=evil if row.model == "student" else row.model) for row in made.rows]
    rows += [rows[-1].with_(reason=evil, fix=evil)]
    write_results(made.path / "results.jsonl", rows)
    page, reader = read(made)
    scripts = [a for tag, a in reader.elements if tag == "script"]
    assert [a.get("type") for a in scripts] == ["application/json", None]
    assert not any(tag == "img" or "onload" in a or "onerror" in a for tag, a in reader.elements)
    assert "\x00" not in page
    assert '<script>alert("x")</script>' in "".join(reader.text)


def test_the_data_for_the_script_is_json_and_cannot_end_it(make_run):
    made = make_run()
    rows = [row.with_(model="</script><!--", rss_bytes=None) for row in made.rows]
    write_results(made.path / "results.jsonl", rows)
    page, _ = read(made)
    text = re.search(r'<script type="application/json" id="hints">(.*?)</script>', page, re.S)[1]
    assert not set("<>&") & set(text)
    hints = json.loads(text)["rows"]
    assert len(hints) == len(rows)
    assert hints[0]["title"].startswith("</script><!--")


def test_every_skipped_file_is_named_and_every_duplicate(make_run):
    text = words(read(make_run())[1])
    for name in ("3/IMG_0412.jpg", "7/notes.txt", "9/empty.png", "1/a (copy).png", "1/a.png"):
        assert name in text


def test_missing_side_files_are_said_and_not_fatal(make_run):
    made = make_run()
    for path in (made.path / "files").iterdir():
        path.unlink()
    text = words(read(made)[1])
    assert "Parts of the run folder could not be read" in text
    assert "training curves of student: the run's side file files/" in text
    assert "No row's predictions are in the run folder." in text
    assert str(made.path) not in text


def test_a_damaged_side_file_is_said(make_run):
    made = make_run()
    for path in (made.path / "files").glob("*.npz"):
        path.write_bytes(b"no archive")
    assert "has changed" in words(read(made)[1])


def test_a_run_without_measured_rows_has_a_report(make_run):
    text = words(read(make_run(specs=()))[1])
    assert "Nothing can be recommended yet." in text
    assert "there is nothing to plot" in text


def test_a_run_without_results_has_a_report(make_run):
    made = make_run()
    (made.path / "results.jsonl").unlink()
    text = words(read(made)[1])
    assert "results.jsonl is missing" in text
    assert "The run has no rows." in text


def test_calibration_is_a_part_of_train_and_counts_once(make_run):
    text = words(read(make_run())[1])
    assert "calibration (of train)" in text
    counts = [[count + i % 5 for i in range(10)] for count in (97, 10, 36, 36)]
    train, part, validation, test = (f"{sum(each):,}" for each in counts)
    total = f"{sum(map(sum, counts)) - sum(counts[1]):,}"
    line = f"All classes {train} {part} {validation} {test} {total}"
    assert line.replace(" ", "") in text.replace(" ", "")


def test_a_run_about_which_little_is_known_has_a_report(make_run):
    made = make_run(data={}, plan={}, models=(), stages=(), environment={})
    text = words(read(made)[1])
    assert "does not say how the images were split" in text
    assert "The plan gives no reasons." in text


def test_a_thousand_classes_fit(make_run):
    labels = [f"n{i:08d} a rather long label" for i in range(1000)]
    specs = [
        ("teacher", "torch", "fp32", None, 90.0, 4_000_000, 500, 500),
        ("student", "openvino", "int8", "u8s8-pc", 6.0, 900_000, 505, 510),
    ]
    made = make_run(labels=labels, specs=specs, images=2000)
    made.info.data["skipped"].extend(
        {"file": f"n/{i:06d} {'x' * 80}.jpg", "reason": "empty file"} for i in range(20_000)
    )
    made.info.write(made.path)
    page, reader = read(made)
    assert len(page.encode()) < MAX_BYTES
    text = words(reader)
    assert "The classes that are confused most often, of 1,000" in text
    assert "Confusion matrix" not in text
    assert "Skipped files: 20,003, of which the first 5,000 are listed" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(EdgeclsError, match=r"run\.json"):
        write_report(tmp_path)


def test_importing_the_report_brings_no_runtime():
    code = (
        "import sys, edgecls.report; "
        "print(*{'torch', 'onnxruntime', 'openvino', 'rich', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_rows_that_are_none_are_no_report_and_the_good_one_stays(make_run):
    from edgecls.rundir import RESULTS

    made = make_run()
    before = write_report(made.path).read_bytes()
    (made.path / RESULTS).write_text("")
    with pytest.raises(EdgeclsError, match="has no rows"):
        write_report(made.path)
    assert (made.path / "report.html").read_bytes() == before
    assert not list(made.path.glob("*.part"))
