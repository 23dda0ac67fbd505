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


# --- docstrings -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Declaration:
    """A declaration at namespace scope: where it begins and ends in the text, what it is and its name."""

    begin: int
    end: int
    kind: str  # type, enum, function, constant
    name: str
    body: int = -1  # of an enum: where its list begins


def without_directives(code):
    """Code without comments, its preprocessor lines blanked too."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code, flags=re.MULTILINE)


def after_template(head):
    """A declaration's head without `template <...>` and `requires` in front, blanked so that columns stay."""
    while match := re.match(r"\s*template\s*<", head):
        depth, end = 1, match.end()
        while depth and end < len(head):
            if head[end] == "(":
                end = closing(head, end)
                continue
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            end += 1
        head = " " * end + head[end:]
    if match := re.match(r"\s*requires\s*\(", head):
        end = closing(head, match.end() - 1)
        head = " " * end + head[end:]
    elif match := re.match(r"\s*requires[^\n]*\n", head):  # clang-format gives the clause a line of its own
        head = " " * match.end() + head[match.end() :]
    return head


def described(head):
    """Kind and name of a declaration from its head, the text before its body or its end; (None, None) if it declares nothing new."""
    bare = after_template(re.sub(r"\[\[.*?\]\]", lambda m: " " * len(m.group(0)), head))
    if re.match(r"\s*(?:static_assert|using\s+namespace|friend|extern|BINADE_\w+\s*\()", bare) or re.match(r"\s*template\s*<\s*>", head):
        return None, None
    if match := re.match(r"\s*(struct|class|union|enum(?:\s+(?:class|struct))?)\s+(\w+)", bare):
        return "enum" if match.group(1).startswith("enum") else "type", match.group(2)
    if match := re.match(r"\s*(?:using|concept)\s+(\w+)\s*=", bare):
        return "type", match.group(1)
    operators = re.sub(r"operator\s*(?:\(\)|\"\"\s*\w+|[^\s\w(]+)", lambda m: "operator" + "_" * (len(m.group(0)) - 8), bare)
    start = re.search(r"[=({;\[]|$", operators).start()
    while operators[start : start + 1] == "(" and re.search(r"\b(?:decltype|alignas|explicit|__attribute__)\s*$", operators[:start]):
        start = closing(operators, start)
        start += re.search(r"[=({;\[]|$", operators[start:]).start()
    name = re.search(r"(\w+)\s*$", operators[:start])
    if not name:
        return None, None
    return "function" if operators[start : start + 1] == "(" else "constant", bare[name.start(1) : name.end(1)].strip()


def public_declarations(text):
    """Declarations at namespace scope, those in a namespace `detail` or outside the project's left out."""
    code = without_directives(without_comments(text, keep_strings=False))
    found, spaces, at = [], [], 0
    while at < len(code):
        if code[at].isspace() or code[at] == ";":
            at += 1
            continue
        if code[at] == "}":
            if spaces:
                spaces.pop()
            at += 1
            continue
        if match := re.match(r"[A-Z][A-Z0-9_]*\s*\(", code[at:]):  # a macro that declares
            at = closing(code, at + match.end() - 1)
            continue
        begin, depth, body = at, 0, -1
        while at < len(code):  # to the semicolon or the end of a function's body
            c = code[at]
            if c == "{" and depth == 0 and body < 0:
                head = code[begin:at]
                if match := re.match(r"\s*(?:inline\s+)?namespace\b\s*([\w:]*)", head):
                    spaces.append(match.group(1))
                    at += 1
                    break
                body = at
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(c, 0)
            at += 1
            if depth == 0 and c == ";":
                break
            if depth == 0 and c == "}" and described(code[begin:body])[0] == "function":
                break
        else:
            break
        if code[at - 1] == "{" and body < 0:
            continue
        kind, name = described(code[begin : body if body >= 0 else at - 1])
        public = spaces and spaces[0].split("::")[0] == "binade" and not any("detail" in s.split("::") for s in spaces)
        is_forward = kind in ("type", "enum") and body < 0 and re.match(r"\s*(?:struct|class|union|enum)\b", after_template(code[begin:at]))
        if kind and public and not is_forward:
            found.append(Declaration(begin, at, kind, name, body if kind == "enum" else -1))
    return found


def undocumented(path, text):
    """Public declarations without a docstring: /// directly above or ///< behind.  Overloads of a header share the first one's; an enumerator
    may be named by the docstring of its enumeration."""
    lines = text.splitlines()
    code = without_comments(text, keep_strings=False)

    def docstring(offset, end, looks_above=True):
        line = text.count("\n", 0, offset)
        last = text.count("\n", 0, end - 1)
        above = line - 1
        while above >= 0 and lines[above].strip().startswith(("// clang-format", "#")):
            above -= 1
        first = above
        while looks_above and first >= 0 and lines[first].strip().startswith("///"):
            first -= 1
        return "\n".join([*lines[first + 1 : above + 1], *(l.split("///<", 1)[1] for l in lines[line : last + 1] if "///<" in l)])

    findings, functions = [], set()
    for d in public_declarations(text):
        of_whole = docstring(d.begin, d.begin + 1 if d.kind in ("type", "enum") else d.end)
        if of_whole:
            functions.add(d.name if d.kind == "function" else None)
        elif d.kind != "function" or d.name not in functions:
            findings.append(Finding(path, text.count("\n", 0, d.begin) + 1, f"{d.kind} {d.name} has no docstring"))
        if d.body >= 0:
            for match in re.finditer(r"(\w+)\s*(?:=[^,}]*)?(?=[,}])", code[d.body : d.end]):
                begin = d.body + match.start()
                tail = text.find("\n", begin)
                one_line = text.find("\n", d.begin) > begin
                if not docstring(begin, tail, not one_line) and not re.search(rf"\b{match.group(1)}\b", of_whole):
                    findings.append(Finding(path, text.count("\n", 0, begin) + 1, f"enumerator {match.group(1)} of {d.name} has no docstring"))
    return findings
