# Makes binade/version.hpp in the build tree: at configure time, and again before each build, so that the commit in it is the one
# that was built.  The file is touched only when its text changes.
set(BINADE_GENERATED_INCLUDE_DIR ${PROJECT_BINARY_DIR}/generated)
set(version_command ${CMAKE_COMMAND} -D source=${PROJECT_SOURCE_DIR} -D version=${PROJECT_VERSION}
    -D output=${BINADE_GENERATED_INCLUDE_DIR}/binade/version.hpp -P ${PROJECT_SOURCE_DIR}/cmake/write_version.cmake)
execute_process(COMMAND ${version_command} COMMAND_ERROR_IS_FATAL ANY)
add_custom_target(binade_version COMMAND ${version_command}
                  BYPRODUCTS ${BINADE_GENERATED_INCLUDE_DIR}/binade/version.hpp
                  COMMENT "" VERBATIM)
