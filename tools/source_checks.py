"""The project's own rules about source text, each a function from texts to findings.  tests/lint/ shows that each one can fail."""

import ast
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


def without_comments(text, keep_strings=True):
    """C++ text with comments blanked (and string literals, if asked); every line keeps its number and every character its column."""
    pattern = re.compile(
        r'R"(?P<mark>[^ ()\\]{0,16})\(.*?\)(?P=mark)"'  # raw string
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"  # a character, not a digit separator
        r"|//[^\n]*|/\*.*?\*/",
        re.DOTALL,
    )

    def replace(match):
        token = match.group(0)
        if token.startswith("/") or not keep_strings:
            return re.sub(r"[^\n]", " ", token)
        return token

    return pattern.sub(replace, text)


def closing(text, start):
    """The position just after the parenthesis that closes the one at `start`."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    return len(text)


def catalogue_names(texts):
    """Every name that a catalogue gives to a format, a code book or a quantizer, from the texts of all headers."""
    names = set()
    for text in texts:
        names.update(re.findall(r'\bnamed_(?:format|quantizer)\s*\{\s*"([^"]+)"', text))
        names.update(re.findall(r'\brow\(\s*(\w+)\s*,[\s\\]*"', text))
        names.update(re.findall(r'\bcode_book\s+\w+\s*\{\s*"([^"]+)"', text))
    return names


def alias_names(texts):
    """Second names of formats.  Other vocabularies have the same words (a file's f32 is no format), so that these count as text alone."""
    return {name for text in texts for name in re.findall(r'\bformat_alias\s*\{\s*"([^"]+)"', text)}


# Formats that no catalogue lists, as the text form spells them: eXmY and binaryKpP are nothing else, the others count as text alone.
SPELLED = r"u?e\d+m\d+(?:b\d+)?(?:fnuz|fnu|fn)?|binary\d+p\d+[su][ef]"
SPELLED_AS_TEXT = r"u?int\d+|u?fixed\d+\.\d+|lns\d+|posit\d+|takum\d+"


def name_pattern(names, aliases):
    """A format's name, bare or at the start of a text, in group `name`."""
    listed = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    text = "|".join([SPELLED_AS_TEXT, *map(re.escape, sorted(aliases))])
    return re.compile(rf'(?i:(?<![\w.])(?:\w+::)*(?P<name>{listed}{"|" if listed else ""}{SPELLED})(?!\w))|"(?P<text>{text})(?=[":/@])')


def python_format_names_in_branches(path, text, names, aliases=frozenset()):
    """The same for Python: no name in a condition (if, while, ?:, comprehension, match) or comparison."""
    pattern = name_pattern(names, aliases)
    found = set()
    for node in ast.walk(ast.parse(text)):
        conditions = []
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            conditions = [node.test]
        elif isinstance(node, ast.comprehension):
            conditions = node.ifs
        elif isinstance(node, ast.Compare):
            conditions = [node]
        elif isinstance(node, ast.match_case):
            conditions = [node.pattern, *([node.guard] if node.guard else [])]
        for part in (part for condition in conditions for part in ast.walk(condition)):
            word = None
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                word = f'"{part.value}"'
            elif isinstance(part, (ast.Name, ast.Attribute)):
                word = part.id if isinstance(part, ast.Name) else part.attr
            match = word and pattern.search(word)
            if match:
                found.add((part.lineno, match.group("name") or match.group("text")))
    return [Finding(path, line, f"the format name {name} decides a branch; ask the format instead") for line, name in sorted(found)]


def format_names_in_branches(path, text, names, aliases=frozenset()):
    """A format is data: its name may stand in a catalogue, and in no condition (if, while, for, switch, case, ?:, ==, !=)."""
    code = without_comments(text)
    bare = without_comments(text, keep_strings=False)  # the same columns, and no parenthesis or semicolon inside a literal
    for match in re.finditer(r"\bstatic_assert\s*\(", code):  # a claim about a format is no branch
        end = closing(bare, match.end() - 1)
        code = code[: match.start()] + re.sub(r"[^\n]", " ", code[match.start() : end]) + code[end:]
    name = name_pattern(names, aliases)
    conditions = []
    for match in re.finditer(r"\b(?:if(?:\s+constexpr)?|while|for|switch)\s*\(", code):
        begin, end = match.end(), closing(bare, match.end() - 1)
        if match.group(0).startswith("for"):
            parts = bare[begin:end].split(";")
            if len(parts) != 3:  # a range-for has no condition
                continue
            begin += len(parts[0]) + 1
            end = begin + len(parts[1])
        conditions.append((begin, code[begin:end]))
    conditions += [(m.start(1), m.group(1)) for m in re.finditer(r"\bcase\s+([^:;{}]*(?:::[^:;{}]*)*):(?!:)", code)]
    # The statement up to a question mark, and both sides of a comparison, as far as the statement goes.
    conditions += [(m.start(1), code[m.start(1) : m.end(1)]) for m in re.finditer(r"([^;{}?]*)\?", bare)]
    conditions += [(m.start(1), m.group(1)) for m in re.finditer(r"([\w:./@\"]+\s*[=!]=)", code)]
    conditions += [(m.start(1), m.group(1)) for m in re.finditer(r"([=!]=\s*[\w:./@\"]+)", code)]
    found = {}
    for offset, condition in conditions:
        for match in name.finditer(condition):
            word = "name" if match.group("name") else "text"
            line = code.count("\n", 0, offset + match.start(word)) + 1
            found[line, match[word]] = Finding(path, line, f"the format name {match[word]} decides a branch; ask the descriptor instead")
    return [found[key] for key in sorted(found)]


LIBM = "exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sinh|cosh|tanh|asin|acos|atan|atan2|erf|erfc|tgamma|lgamma|cbrt|hypot"


def libm_calls(path, text):
    """Results must not depend on the C library: elementary functions are the project's own."""
    code = without_comments(text, keep_strings=False)
    pattern = re.compile(r"(?:\bstd::|(?<![\w:.>])::)(?:" + LIBM + r")[fl]?\s*\(|(?<![\w:.>])(?:" + LIBM + r")[fl]\s*\(")
    return [
        Finding(path, code.count("\n", 0, m.start()) + 1, f"{m.group(0).rstrip('( ')} is the C library's: use binade::math")
        for m in pattern.finditer(code)
    ]


# Names of documents, not places that anything is fetched from.
ALLOWED_HOSTS = {"www.apache.org", "www.w3.org", "arxiv.org", "doi.org"}


def outside_hosts(path, text):
    """Nothing in the project fetches from a host of its own choice, and a page it makes shows the same without a network."""
    findings = []
    pattern = re.compile(r"\b[a-z][a-z0-9+.-]*://(?P<url>[a-z0-9][a-z0-9.-]*)|(?<![\w@/.-])(?P<bare>(?:[a-z0-9-]+\.)+(?:org|com|net))\b", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            host = (match.group("url") or match.group("bare")).lower()
            if host not in ALLOWED_HOSTS:
                findings.append(Finding(path, number, f"names the host {host}"))
    return findings
