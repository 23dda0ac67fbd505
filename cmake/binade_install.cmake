# install + find_package(binade): binade::numbers always, binade::engine when it was built.  `cmake --install DIR --component numbers`
# installs the headers alone and needs nothing compiled.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/binade)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/binade ${BINADE_GENERATED_INCLUDE_DIR}/binade
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT numbers FILES_MATCHING REGEX "[.](hpp|inc)$")
install(TARGETS binade_numbers EXPORT binade_numbers)
install(EXPORT binade_numbers NAMESPACE binade:: FILE binade_numbers_targets.cmake DESTINATION ${package_dir} COMPONENT numbers)

if(BINADE_BUILD_ENGINE)
  # Of what is not built no header is installed.
  set(not_built PATTERN cli EXCLUDE)
  if(NOT BINADE_BUILD_STUDIES)
    list(APPEND not_built PATTERN vectors EXCLUDE PATTERN report EXCLUDE REGEX "/study/(runner|store|store_writer)[.]hpp$" EXCLUDE)
    install(FILES ${PROJECT_SOURCE_DIR}/src/report/number_text.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/binade/engine/report COMPONENT engine)
  endif()
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/binade/engine COMPONENT engine
          FILES_MATCHING PATTERN "*.hpp" ${not_built})
  install(TARGETS binade_compiled binade_engine EXPORT binade_engine ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT engine)
  install(EXPORT binade_engine NAMESPACE binade:: FILE binade_engine_targets.cmake DESTINATION ${package_dir} COMPONENT engine)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/binade_engine_dependencies.cmake DESTINATION ${package_dir} COMPONENT engine)
  if(TARGET binade)
    install(TARGETS binade RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT engine)
  endif()
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/binadeConfig.cmake.in ${PROJECT_BINARY_DIR}/binadeConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/binadeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/binadeConfig.cmake ${PROJECT_BINARY_DIR}/binadeConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT numbers)
