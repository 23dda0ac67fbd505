# Writes OUTPUT, the C++ file that defines what report/assets.hpp declares: the parts of report.html.
# Run as: cmake -DFOLDER=src/report/assets -DCHART_JS=... -DOUTPUT=... -P embed_report_assets.cmake
# Bytes instead of string literals: compilers need not accept literals of this length.
set(page ${FOLDER}/report.html)
set(style ${FOLDER}/report.css)
set(script ${FOLDER}/report.js)
set(chart_library ${CHART_JS})
set(text "#include \"report/assets.hpp\"\n\nnamespace binade::report_assets {\n")
foreach(name page style script chart_library)
  file(READ ${${name}} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND text "static const char ${name}_bytes[] = {${bytes}};\n"
                     "const std::string_view ${name}(${name}_bytes, sizeof ${name}_bytes);\n")
endforeach()
string(APPEND text "}  // namespace binade::report_assets\n")
file(WRITE ${OUTPUT} "${text}")
