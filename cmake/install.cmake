# What an outside project sees: the shared library, its headers, and how pkg-config and CMake find them. The static library is the
# programs' own and is not installed: it would bind its user to every library below it.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vfiomig)
install(TARGETS vfiomig_shared EXPORT vfiomigTargets)
set_target_properties(vfiomig_shared PROPERTIES EXPORT_NAME vfiomig)
target_include_directories(vfiomig_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(EXPORT vfiomigTargets NAMESPACE vfiomig:: DESTINATION ${package_dir})
configure_package_config_file(cmake/vfiomigConfig.cmake.in vfiomigConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(vfiomigConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/vfiomigConfig.cmake ${CMAKE_BINARY_DIR}/vfiomigConfigVersion.cmake DESTINATION ${package_dir})

# Written when it is installed, because only then the prefix is known (cmake --install --prefix).
foreach(kind INCLUDEDIR LIBDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
    set(PC_${kind} "${CMAKE_INSTALL_${kind}}")
  else()
    set(PC_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
  endif()
endforeach()
install(CODE "
  set(PROJECT_VERSION ${PROJECT_VERSION})
  set(PC_INCLUDEDIR [[${PC_INCLUDEDIR}]])
  set(PC_LIBDIR [[${PC_LIBDIR}]])
  configure_file([[${CMAKE_SOURCE_DIR}/cmake/libvfiomig.pc.in]] [[${CMAKE_BINARY_DIR}/libvfiomig.pc]] @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/libvfiomig.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/vfiomig DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
