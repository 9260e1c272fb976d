# One way to declare a library or a test binary of this project.
#
#   vpp_library(vpp_mesh CORE SOURCES a.cc HEADERS a.h LINKS vpp_config)
#     CORE marks a pure library: tests/house checks that its archive needs no clock, socket, file
#     or third-party symbol.
function(vpp_library name)
  cmake_parse_arguments(ARG "CORE" "" "SOURCES;HEADERS;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PUBLIC vpp_flags ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
  if(ARG_HEADERS)
    target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
                   FILES ${ARG_HEADERS})
  endif()
  if(VPP_BUNDLE GREATER 1)
    vpp_bundle(${name} ${VPP_BUNDLE})
  endif()
  if(ARG_CORE)
    set_property(GLOBAL APPEND PROPERTY VPP_CORES ${name})
  endif()
  vpp_record_target(${name} "${ARG_CORE}" "${ARG_HEADERS}" "${ARG_SOURCES}")
endfunction()

# Compiles the sources of `target` so many at a time: what they include is read once. For tests, and
# for builds from nothing. So no two sources of a target may give two things of their own one name.
function(vpp_bundle target sources)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${sources})
  # g++ 12 takes an empty std::optional for uninitialized once it inlines more of its users, and a
  # source that is included for a header.
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-subobject-linkage>)
endfunction()

# The source files "a.cc;b.cc" of the current folder as a JSON list of paths from the root.
function(vpp_json_paths output files)
  set(list)
  foreach(file IN LISTS files)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
    list(APPEND list "\"${file}\"")
  endforeach()
  list(JOIN list ", " list)
  set(${output} "[${list}]" PARENT_SCOPE)
endfunction()

# Remembers what vpp_write_targets() writes: one JSON object per library.
function(vpp_record_target name core headers sources)
  vpp_json_paths(header_list "${headers}")
  vpp_json_paths(file_list "${headers};${sources}")
  set(is_core false)
  if(core)
    set(is_core true)
  endif()
  set_property(GLOBAL APPEND_STRING PROPERTY VPP_TARGETS
    "{\"name\": \"${name}\", \"core\": ${is_core}, \"headers\": ${header_list}, \"files\": ${file_list}},\n")
endfunction()

# For tests/house: which files belong to which library, and which libraries are cores.
function(vpp_write_targets file)
  get_property(targets GLOBAL PROPERTY VPP_TARGETS)
  string(REGEX REPLACE ",\n$" "" targets "${targets}")
  file(CONFIGURE OUTPUT ${file} CONTENT "[${targets}]\n" @ONLY)
endfunction()

#   vpp_tests(vpp_mesh_tests SOURCES a_test.cc LINKS vpp_mesh)
#     One Catch2 binary; every case becomes a ctest test. `unit_tests` builds them all.
#     BUSY a_test.cc: of the sources, those that compute for long.
#     PLAIN: some of its cases cannot run under sanitizers.
add_custom_target(unit_tests)
function(vpp_tests name)
  cmake_parse_arguments(ARG "PLAIN" "" "SOURCES;LINKS;BUSY" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} vpp_flags Catch2::Catch2WithMain)
  set(at_a_time 4)
  if(VPP_SANITIZE)
    set(at_a_time 8)
    # Most tests take longer to compile than to run: half the time without optimisation. What has
    # options of its own is compiled by itself.
    target_compile_options(${name} PRIVATE -O0)
    set_source_files_properties(${ARG_BUSY} PROPERTIES COMPILE_OPTIONS -O1)
  endif()
  vpp_bundle(${name} ${at_a_time})
  add_dependencies(unit_tests ${name})
  if(VPP_UNIT_TESTS OR ARG_PLAIN)
    catch_discover_tests(${name} PROPERTIES LABELS unit TIMEOUT 300)
  else()
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)  # clang-tidy wants to know its flags
  endif()
endfunction()
