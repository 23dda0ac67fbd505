# cmake -D source=DIR -D version=X.Y.Z -D output=FILE -P write_version.cmake
# The commit is that of a checkout of binade itself; "unknown" in an unpacked archive, also one that lies inside another repository.
set(commit unknown)
find_program(git git)
if(git AND EXISTS ${source}/.git)
  execute_process(COMMAND ${git} -C ${source} describe --always --dirty --abbrev=12 --exclude=*
                  OUTPUT_VARIABLE described RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    set(commit ${described})
  endif()
endif()
string(REPLACE "." ";" numbers ${version})
list(GET numbers 0 major)
list(GET numbers 1 minor)
list(GET numbers 2 patch)
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.hpp.in ${output} @ONLY)
