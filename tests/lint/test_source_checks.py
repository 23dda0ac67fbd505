"""Each rule about source text finds the mistake that it is there for, and leaves alone what is allowed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import source_checks  # noqa: E402

NAMES = {"e4m3fn", "e5m2", "mxfp4"}


@pytest.mark.parametrize(
    "code",
    [
        "if (f == formats::e4m3fn) return 1;",
        'if (name == "e4m3fn") return 1;',
        'const bool narrow = text != "mxfp4";',
        'return "e5m2" == text;',
        "while (f.format == E5M2) step();",
        "if constexpr (is_same<F, e5m2>()) {}",
        "if (any_of(list,\n    formats::e5m2)) {}",
        "switch (kind_of(e4m3fn)) {}",
        "switch (kind) { case kind::e4m3fn: break; }",
        "int bias = same(f, e4m3fn) ? 7 : 15;",
        "for (int i = 0; i < count(e4m3fn); ++i) {}",
    ],
)
def test_a_format_name_in_a_branch_is_found(code):
    assert len(source_checks.format_names_in_branches("x.cpp", code, NAMES)) == 1


@pytest.mark.parametrize(
    "code",
    [
        'if (text == "bf16") return 2;',
        'if (text.starts_with("posit8:es=1")) return 1;',
        'return text == "int8/rna" ? 1 : 0;',
        "if (f == formats::e3m4) {}",
        'if (name == "binary8p3se") {}',
    ],
)
def test_an_alias_or_a_spelled_format_in_a_branch_is_found(code):
    assert len(source_checks.format_names_in_branches("x.cpp", code, NAMES, {"bf16"})) == 1


@pytest.mark.parametrize(
    "code",
    [
        "case stored_tensor::f32: return 4;",
        'if (name == "F32") {}',
        "if (size == sizeof(std::int8_t)) {}",
        'if (text == "integer8") {}',
        'if (text == "block") f = parse("int8");',
    ],
)
def test_words_of_other_vocabularies_are_allowed(code):
    assert source_checks.format_names_in_branches("x.cpp", code, NAMES, {"f32"}) == []


@pytest.mark.parametrize(
    "code",
    [
        'if name == "e4m3fn":\n    pass',
        "x = 1 if f is formats.e5m2 else 2",
        'same = text != "mxfp4"',
        'names = [n for n in all if n in ("bf16", "f")]',
        'match f:\n    case "posit8":\n        pass',
        "while f == e4m3fn:\n    step()",
    ],
)
def test_a_format_name_in_a_branch_of_python_is_found(code):
    assert len(source_checks.python_format_names_in_branches("x.py", code, NAMES, {"bf16"})) == 1


@pytest.mark.parametrize("code", ['TABLE = {"e4m3fn": 8}', 'if x:\n    f("e4m3fn")', '"""if e4m3fn"""', "if e == m3fn:\n    pass"])
def test_a_format_name_elsewhere_in_python_is_allowed(code):
    assert source_checks.python_format_names_in_branches("x.py", code, NAMES) == []


@pytest.mark.parametrize(
    "code",
    [
        "inline constexpr float_format e4m3fn = fn_format(4, 3);",
        'row(e4m3fn, "OCP OFP8 1.0", fn_format(4, 3))',
        "static_assert(decode(formats::e4m3fn, 0x7e) == 448);",
        "// if (f == e4m3fn) is what nobody may write",
        "/* f == e4m3fn ? */ int x;",
        "for (const auto& f : {formats::e4m3fn, formats::e5m2}) use(f);",
        "if (f == best_of4m3fn) return;",
        "while (c == '(') next(); f = e4m3fn;",
        'if (c == "(;?") next(); f = e4m3fn;',
        "const auto big = max(a, b) ? 1 : 0; use(e4m3fn);",
    ],
)
def test_a_format_name_outside_a_branch_is_allowed(code):
    assert source_checks.format_names_in_branches("x.cpp", code, NAMES) == []


def test_the_line_of_a_finding_is_that_of_the_name():
    (finding,) = source_checks.format_names_in_branches("x.cpp", "int a;\n\nif (a &&\n    f == e5m2) {}\n", NAMES)
    assert str(finding).startswith("x.cpp:4: ")


def test_names_come_from_every_catalogue():
    text = '#define BINADE_FORMAT_TABLE(row) \\\n  row(e5m2, "source", ieee_format(5, 2)) \\\n  row(e3m0, \\\n "source", f)\n'
    text += 'inline constexpr std::array catalogue{named_format{"e4m3fn", f, "source"},\n named_quantizer{ "mxfp4", q}};'
    text += 'inline constexpr code_book nf4{"nf4", nf4_values, "source"}; format_alias{"bf16", "e8m7", "source"}'
    assert source_checks.catalogue_names([text, "int x;"]) == {"e5m2", "e3m0", "e4m3fn", "mxfp4", "nf4"}
    assert source_checks.alias_names([text, "int x;"]) == {"bf16"}


def test_the_catalogue_of_this_project_is_found():
    headers = (Path(__file__).resolve().parents[2] / "include").rglob("*.hpp")
    texts = [h.read_text() for h in headers]
    assert {"e4m3fn", "e5m2", "e2m1fn", "e8m0fnu", "nf4", "mxfp4"} <= source_checks.catalogue_names(texts)
    assert {"bf16", "f32"} <= source_checks.alias_names(texts)


@pytest.mark.parametrize("code", ["y = std::exp(x);", "y = ::tanh(x);", "y = expf(x);", "y = std::powf(x, 2);", "y = std::log(\n x);"])
def test_a_call_of_the_c_librarys_elementary_functions_is_found(code):
    assert len(source_checks.libm_calls("x.cpp", code)) == 1


@pytest.mark.parametrize("code", ["y = math::exp(x);", "y = exp(x);", "y = v.exp(x);", "// std::exp(x)", "y = std::sqrt(x) + std::fma(a, b, c);", 's = "std::exp(x)";'])
def test_our_own_elementary_functions_and_exact_ones_are_allowed(code):
    assert source_checks.libm_calls("x.cpp", code) == []


@pytest.mark.parametrize("text", ["fetch https://example.invalid/file", "<script src='https://cdn.example.com/a.js'>", "index = files.example.org"])
def test_an_outside_host_is_found(text):
    assert len(source_checks.outside_hosts("x.md", text)) == 1


@pytest.mark.parametrize("text", ['<svg xmlns="http://www.w3.org/2000/svg">', "std::ostream", "arxiv.org/abs/2310.10537", "a.size()", "someone@example.org"])
def test_names_of_documents_are_allowed(text):
    assert source_checks.outside_hosts("x.md", text) == []


def test_comments_are_blanked_and_lines_keep_their_numbers():
    code = source_checks.without_comments('a; /* b\n c */ d; // e\n"//f" 1\'000 // g\n')
    assert code.splitlines()[1].strip() == "d;" and code.splitlines()[2].rstrip() == "\"//f\" 1'000"


def undocumented(code, opening="namespace binade {\n", closing="\n}\n"):
    return [f.message for f in source_checks.undocumented("x.hpp", opening + code + closing)]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("struct a {\n  int x;\n};", "type a has no docstring"),
        ("/// What it is.\n\nstruct a {};", "type a has no docstring"),
        ("// No docstring.\nstruct a {};", "type a has no docstring"),
        ("template <float_format F>\nusing a = number<F>;", "type a has no docstring"),
        ("template <class T>\nconcept a = std::integral<T>;", "type a has no docstring"),
        ("inline constexpr std::array a{1, 2};", "constant a has no docstring"),
        ("inline constexpr int a = f(1);", "constant a has no docstring"),
        ("BINADE_HD constexpr int a(int x = {}) {\n  if (x) { return 1; }\n  return x;\n}", "function a has no docstring"),
        ("template <auto F>\n  requires(!std::is_same_v<F, int>)\nconstexpr number<F> a(number<F> x);", "function a has no docstring"),
        ("inline std::string a(const b& x);", "function a has no docstring"),
        ("/// Doc.\nenum class a {\n  b,  ///< said\n  c,\n};", "enumerator c of a has no docstring"),
        ("/// Doc of b.\nenum class a { b, c };", "enumerator c of a has no docstring"),
        ("namespace formats {\ninline constexpr int a = 1;\n}", "constant a has no docstring"),
        ("namespace detail {\nint hidden();\n}\nint a();", "function a has no docstring"),
        ("/// Doc.\n[[noreturn]] inline void b() {\n  throw 1;\n}\nstruct a {};", "type a has no docstring"),
        ("/// Doc.\nint b();\nint a();", "function a has no docstring"),
    ],
)
def test_a_public_declaration_without_a_docstring_is_found(code, message):
    assert undocumented(code) == [message]


@pytest.mark.parametrize(
    "code",
    [
        "/// Doc.\nstruct a {\n  int x;\n  int f() const { return x; }\n};",
        "struct a;\nenum class b : int;",
        "/// Doc.\nint a(int x);\nint a(double x);",
        "inline constexpr int a = 1;  ///< doc",
        "/// Doc.\nenum class a {\n  b,  ///< said\n  /// said\n  c = 3,\n};",
        "/// b or c.\nenum class a { b, c };",
        "/// Doc.\ntemplate <>\nint a<int>();\nstatic_assert(f() == 1);",
        "namespace detail {\nstruct a {};\nint f() { return 1; }\n}",
        "/// Doc.\n// clang-format off\ninline constexpr int a[] = {\n  1,\n};",
        "/// Doc.\n#if X\ninline const\n#else\ninline constexpr\n#endif\n    std::array a{1};",
        "#define ROW(x) int x;\nROW(a)",
    ],
)
def test_documented_declarations_and_what_is_not_public_are_allowed(code):
    assert undocumented(code) == []


def test_what_is_declared_for_the_standard_library_is_not_the_projects():
    assert undocumented("template <auto F>\nstruct hash<binade::number<F>> {};", opening="namespace std {\n") == []


def test_the_public_declarations_of_this_project_are_seen():
    header = Path(__file__).resolve().parents[2] / "include" / "binade" / "number.hpp"
    names = {d.name for d in source_checks.public_declarations(header.read_text())}
    assert {"policies", "number", "minifloat", "is_nan", "add_to", "sqrt", "number_overflow"} <= names
    assert not {"refuse_nan", "accepted", "delivered", "requires"} & names
