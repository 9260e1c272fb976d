# One way to declare a library or a test binary of this project.
#
#   vpp_library(vpp_mesh CORE SOURCES a.cc HEADERS a.h LINKS vpp_config)
#     CORE marks a pure library: tests/house checks that its archive needs no clock, socket, file
#     or third-party symbol. Every header listed must compile alone.
function(vpp_library name)
  cmake_parse_arguments(ARG "CORE" "" "SOURCES;HEADERS;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PUBLIC vpp_flags ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
  if(ARG_HEADERS)
    target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
                   FILES ${ARG_HEADERS})
    set_target_properties(${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  endif()
  if(ARG_CORE)
    set_property(GLOBAL APPEND PROPERTY VPP_CORES ${name})
  endif()
endfunction()

#   vpp_tests(vpp_mesh_tests SOURCES a_test.cc LINKS vpp_mesh)
#     One Catch2 binary; every case becomes a ctest test.
function(vpp_tests name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} vpp_flags Catch2::Catch2WithMain)
  catch_discover_tests(${name} PROPERTIES LABELS unit)
endfunction()
