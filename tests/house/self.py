"""The house's own checks can fail: each is given something that it must find."""
import pathlib
import tempfile
import unittest

import core_symbols
import function_size
import house
import include_graph
import words


class Symbols(unittest.TestCase):
    def test_what_touches_the_world_is_not_allowed(self):
        for name in ("clock_gettime", "socket", "open", "pthread_create", "getrandom", "rand",
                     "printf", "write", "nanosleep", "sodium_init", "zmq_socket", "getenv",
                     "std::chrono::_V2::system_clock::now()", "std::random_device::_M_getval()",
                     "std::basic_ifstream<char, std::char_traits<char> >::basic_ifstream()",
                     "std::cout", "std::thread::join()", "std::filesystem::status()"):
            self.assertIsNone(core_symbols.ALLOWED.match(name), name)

    def test_the_language_itself_is_allowed(self):
        for name in ("memcpy", "operator new(unsigned long)", "__cxa_throw", "std::terminate()",
                     "std::__throw_bad_alloc()", "__divti3"):
            self.assertIsNotNone(core_symbols.ALLOWED.match(name), name)


class FunctionSize(unittest.TestCase):
    def lines_of(self, source):
        return [lines for _, _, lines in function_size.functions(source)]

    def test_lines_are_counted_from_name_to_brace(self):
        body = "  x();\n" * 69
        self.assertEqual(self.lines_of("namespace a {\nvoid f() {\n" + body + "}\n}\n"), [71])

    def test_blocks_lambdas_and_braces_in_text_do_not_mislead(self):
        source = ('struct S {\n  int f() const { return g("}{"); }  // }\n'
                  "  int big = 1'000'000;\n};\n"
                  "int h(int a) {\n  if (a) {\n    run([] { return '{'; });\n  }\n  return 0;\n}\n")
        self.assertEqual(self.lines_of(source), [1, 6])


class IncludeGraph(unittest.TestCase):
    def problems_of(self, name, text, core_files=()):
        with tempfile.TemporaryDirectory() as folder:
            root, house.ROOT = house.ROOT, pathlib.Path(folder)
            try:
                for file in (name, "mesh/uplink.h", "config/units.h", "device/adapter.h"):
                    (house.ROOT / file).parent.mkdir(parents=True, exist_ok=True)
                    (house.ROOT / file).write_text("")
                (house.ROOT / name).write_text(text)
                return list(include_graph.check_file(name, set(core_files), set()))
            finally:
                house.ROOT = root

    def test_an_arrow_of_the_plan_is_fine(self):
        self.assertEqual(self.problems_of("device/a.cc", '#include "config/units.h"\n'), [])

    def test_an_arrow_that_is_not_in_the_plan_is_found(self):
        self.assertEqual(len(self.problems_of("device/a.cc", '#include "mesh/uplink.h"\n')), 1)

    def test_a_core_that_knows_an_adapter_a_library_or_the_world_is_found(self):
        for include in ('"device/adapter.h"', "<zmq.h>", "<thread>", "<unistd.h>"):
            found = self.problems_of("device/a.cc", f"#include {include}\n", ["device/a.cc"])
            self.assertTrue(found, include)

    def test_a_library_outside_its_adapter_is_found(self):
        self.assertTrue(self.problems_of("device/a.cc", "#include <boost/asio.hpp>\n"))
        self.assertTrue(self.problems_of("device/a.cc", "#include <unheard/of.hpp>\n"))


class Words(unittest.TestCase):
    def test_unfinished_business_and_paths_are_found(self):
        for line in ("// TO" "DO: later", "FIX" "ME", "open(\"/ro" "ot/x\")"):
            self.assertTrue(words.FORBIDDEN.search(line), line)
        self.assertIsNone(words.FORBIDDEN.search("to do nothing is fine; /roots/ too"))


if __name__ == "__main__":
    unittest.main()
