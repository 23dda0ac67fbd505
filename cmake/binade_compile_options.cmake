# Warnings and sanitizers for the project's own targets (never exported to users).
add_library(binade_development INTERFACE)
target_compile_options(binade_development INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wshadow>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${BINADE_WARNINGS_AS_ERRORS}>>:-Werror>)
if(BINADE_SANITIZE)
  target_compile_options(binade_development INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${BINADE_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(binade_development INTERFACE -fsanitize=${BINADE_SANITIZE})
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
