# Language level, warnings and sanitizers, as one INTERFACE target that everything links.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_program(VPP_CCACHE ccache)
if(VPP_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${VPP_CCACHE})
endif()

add_library(vpp_flags INTERFACE)
target_include_directories(vpp_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(vpp_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Wundef -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  # libstdc++ 12's own stable_sort uses what it declares deprecated, and clang sees it there.
  target_compile_options(vpp_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(VPP_SANITIZE)
  target_compile_options(vpp_flags INTERFACE
    -fsanitize=${VPP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # Checks of every access that cost a quarter of the build and find here what ASan finds as well.
  target_compile_options(vpp_flags INTERFACE -fno-sanitize=alignment,object-size,vptr)
  # g++ 12 takes the inside of an empty std::optional for uninitialized once it is instrumented.
  target_compile_options(vpp_flags INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(vpp_flags INTERFACE -fsanitize=${VPP_SANITIZE})
  target_compile_definitions(vpp_flags INTERFACE VPP_SANITIZED)
endif()
if(VPP_FUZZ)
  # So that the fuzzer sees what it reaches; in tests it does nothing.
  target_compile_options(vpp_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
