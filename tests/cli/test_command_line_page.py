"""Every example of docs/command_line.md prints what the page says."""

import re
import shlex

from conftest import ROOT

PAGE = (ROOT / "docs" / "command_line.md").read_text()


def test_examples_print_what_the_page_says(binade, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    count = 0
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(block, {})
        elif block.startswith("$ binade "):
            command, _, output = block.partition("\n")
            command, _, head = command.partition(" | head -")
            lines = binade(*shlex.split(command)[2:]).stdout.splitlines(keepends=True)
            assert "".join(lines[: int(head)] if head else lines) == output, command
            count += 1
    assert count >= 4
