"""Core archives are pure: what they leave undefined is the C++ runtime, memory and string
functions of libc, arithmetic, and other cores. Whatever else appears here is a clock, a socket,
a file, a thread, randomness or a library that slipped into a core.

    core_symbols.py NM ARCHIVE...
"""
import re
import subprocess
import sys

import house

ALLOWED = re.compile("|".join(f"(?:{pattern})$" for pattern in (
    # The C++ runtime: memory, exceptions, type information, static guards.
    r"operator (new|delete)(\[\])?\(.*",
    r"__cxa_\w+", r"__gxx_personality_v0", r"_Unwind_Resume", r"__dso_handle",
    r"_GLOBAL_OFFSET_TABLE_", r"__stack_chk_fail",
    r"(vtable|typeinfo|typeinfo name) for __cxxabiv1::.*",
    r"(vtable|typeinfo|typeinfo name) for std::\w+",
    # Containers, strings, errors and number text of the standard library.
    r"std::__throw_\w+\(.*", r"std::terminate\(\)", r"std::nothrow",
    r"std::__glibcxx_assert_fail.*",
    r"std::(exception|logic_error|runtime_error|bad_\w+|length_error|out_of_range|invalid_argument)"
    r"::.*",
    r"std::__cxx11::basic_string<char, .*", r"std::basic_string_view<char, .*",
    r"std::_Rb_tree_\w+\(.*", r"std::__detail::_(Prime_rehash_policy|List_node_base)::.*",
    r"std::_Hash_bytes\(.*", r"std::(to|from)_chars\(.*",
    r"std::allocator<char>::.*", r"std::function_base.*",
    # libc: memory, strings, and the end.
    r"mem(cpy|move|set|cmp|chr)", r"bcmp", r"str(len|cmp|ncmp|chr)", r"abort",
    # Arithmetic: libm and what the compiler calls for 128 bits.
    r"__(u?div|u?mod|mul|udivmod)ti[34]", r"__(fix|float)\w+",
    r"l?l?l?round[fl]?", r"(floor|ceil|trunc)[fl]?",
    r"(sqrt|exp|log|pow|erfc|fabs|fmod|hypot|rint|nearbyint)[fl]?", r"ll?rint[fl]?",
)))


def symbols(nm, archive, *options):
    out = subprocess.run([nm, "-C", *options, archive], check=True, capture_output=True,
                         text=True).stdout
    for line in out.splitlines():
        match = re.match(r"(?:[0-9a-f]+| +) (\w) (.+)$", line)
        if match:
            yield match.group(1), match.group(2)


def main():
    nm, *archives = sys.argv[1:]
    defined = {name for archive in archives
               for kind, name in symbols(nm, archive, "--defined-only")}
    problems = []
    for archive in archives:
        undefined = {name for kind, name in symbols(nm, archive, "-u") if kind in "Uvw"}
        for name in sorted(undefined - defined):
            if not ALLOWED.match(name):
                problems.append(f"{archive.rsplit('/', 1)[-1]}: a core needs '{name}'")
        if not undefined:
            problems.append(f"{archive}: not even the C++ runtime is needed: this check is broken")
    house.finish(problems, f"symbols of {len(archives)} core archives")


if __name__ == "__main__":
    main()
