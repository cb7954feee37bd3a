"""report.md and the terminal's table."""

import io

from rich.console import Console

from edgecls.report import recommend, terminal_table, write_report
from edgecls.report.markdown import text


def document(made):
    write_report(made.path)
    return (made.path / "report.md").read_text(encoding="utf-8")


def test_it_has_the_sentence_all_rows_the_skipped_files_and_the_command(make_run):
    made = make_run()
    found = document(made)
    assert "Ship student · openvino · int8." in found
    assert found.count("\n| ") >= len(made.rows) + 2
    assert "- 9/empty.png: empty file" in found
    assert f"```sh\n{made.info.command}\n```" in found
    assert "- features: avx2, fma" in found


def test_a_name_cannot_become_markup_or_another_cell(make_run):
    made = make_run(hostile=True)
    found = document(made)
    assert "<script>" not in found
    rows = [line for line in found.splitlines() if line.startswith("| ") and "fp32" in line]
    assert rows
    for line in rows:
        assert line.replace("\\|", "").count("|") == 10
    assert text("a|b\n# c `d` <e>") == "a\\|b # c \\`d\\` &lt;e&gt;"


def test_a_command_with_backticks_stays_in_its_block(make_run):
    found = document(make_run(command="echo ```` x"))
    assert "`````sh\necho ```` x\n`````" in found


def test_the_terminal_shows_every_row_the_recommended_one_marked(make_run):
    made = make_run()
    rows = recommend(made.rows, made.info).marked()
    stream = io.StringIO()
    Console(file=stream, width=160, color_system=None).print(terminal_table(rows))
    lines = stream.getvalue().splitlines()
    starred = [line.split()[1:4] for line in lines if line.startswith("★")]
    assert starred == [["student", "openvino", "int8"]]
    assert sum("this machine has no NVIDIA GPU" in line for line in lines) == 4
    assert sum("edgecls bench" in line for line in lines) == 1


def test_names_are_no_markup_in_the_terminal(make_row):
    stream = io.StringIO()
    table = terminal_table([make_row(model="[red]x[/red]")])
    Console(file=stream, width=160).print(table)
    assert "[red]x[/red]" in stream.getvalue()
