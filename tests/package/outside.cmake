# cmake -D source= -D build= -D scratch= -D generator= -D compiler= -D launcher= -D way=installed|subdirectory|fetch_content
#       -D component=numbers|engine -P outside.cmake
# Gives the outside project a fresh folder, binade in the asked way, and runs what it built.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\nended with ${failed}:\n${output}")
  endif()
  message("${output}")
endfunction()

file(REMOVE_RECURSE ${scratch})
set(options -G ${generator} -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${compiler} -DCMAKE_CXX_COMPILER_LAUNCHER=${launcher}
            -Dway=${way} -Dcomponent=${component})
if(way STREQUAL "installed")
  list(APPEND options -DCMAKE_PREFIX_PATH=${scratch}/prefix)
  run(${CMAKE_COMMAND} --install ${build} --prefix ${scratch}/prefix --component numbers)
  if(component STREQUAL "engine")
    run(${CMAKE_COMMAND} --install ${build} --prefix ${scratch}/prefix --component engine)
  else()  # no package of the engine may be looked for
    list(APPEND options -DCMAKE_DISABLE_FIND_PACKAGE_SQLite3=ON -DCMAKE_DISABLE_FIND_PACKAGE_SQLiteCpp=ON
                        -DCMAKE_DISABLE_FIND_PACKAGE_tomlplusplus=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON)
  endif()
else()
  list(APPEND options -Dbinade_source=${source})
endif()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/outside -B ${scratch}/build ${options})
run(${CMAKE_COMMAND} --build ${scratch}/build)
run(${scratch}/build/outside)
