# What the project's own targets are compiled with; nothing here is exported to users.
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12) OR
   (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16))
  message(FATAL_ERROR "binade needs g++ 12 or clang++ 16 or newer; this is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} "
                      "(${CMAKE_CXX_COMPILER}). Choose another with -DCMAKE_CXX_COMPILER=g++-12.")
endif()

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)  # for clang-tidy and editors
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(binade_development INTERFACE)
target_compile_options(binade_development INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wshadow>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${BINADE_WARNINGS_AS_ERRORS}>>:-Werror>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${BINADE_WARNINGS_AS_ERRORS}>>:-Werror=all-warnings>)
# g++ 12 sees overlapping copies in std::string's own operator+ where there are none (GCC bug 105651); g++ 13 ends this.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(binade_development INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(BINADE_SANITIZE)
  # Of the checks of `undefined`, these instrument every access, take as long to compile as all others together, and what they find
  # the address sanitizer sees too.
  target_compile_options(binade_development INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${BINADE_SANITIZE};-fno-sanitize=null,alignment,object-size,vptr;-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(binade_development INTERFACE -fsanitize=${BINADE_SANITIZE})
  target_compile_definitions(binade_development INTERFACE BINADE_SANITIZED)  # for tests that would take too long
endif()
