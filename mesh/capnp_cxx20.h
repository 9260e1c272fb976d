// Makes the headers of Cap'n Proto 0.9 compile as C++20 and later; include it before them.
//
// kj/string.h leaves these two to the compiler, which may not rewrite `==` backwards where `!=`
// is declared too (P2468): clang 16 and g++ 13 then refuse capnp/blob.h.
#pragma once

#include <kj/string.h>

#if __cpp_impl_three_way_comparison
namespace kj {

inline bool operator==(const char* a, const StringPtr& b) {
  return b.operator==(StringPtr{a});
}
inline bool operator!=(const char* a, const StringPtr& b) {
  return b.operator!=(StringPtr{a});
}

}  // namespace kj
#endif
