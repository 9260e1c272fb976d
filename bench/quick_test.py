"""That bench/run works and its document is complete. Never a time."""

import json
import pathlib
import subprocess
import sys
import unittest

BUILD = sys.argv.pop(1)
RUN = pathlib.Path(__file__).resolve().parent / "run"
ROWS = {"aggregation": 4, "dispatch": 4, "ready": 1, "healing": 3, "scale": 8, "losses": 7,
        "peers": 6}


class Quick(unittest.TestCase):
    def test_the_document_of_a_quick_run_is_complete(self):
        done = subprocess.run([sys.executable, RUN, "--quick", "--build", BUILD, "-o", "json"],
                              stdout=subprocess.PIPE, text=True, check=False)
        document = json.loads(done.stdout)
        self.assertEqual(document["schema"], "vppbench/v1")
        self.assertEqual(document["failed"], [])
        self.assertEqual(done.returncode, 0)
        for fact in ("cpu", "cores", "kernel", "date"):
            self.assertTrue(document["machine"][fact], fact)
        for section, least in ROWS.items():
            rows = [row for row in document["rows"] if row["section"] == section]
            self.assertGreaterEqual(len(rows), least, section)
        for row in document["rows"]:
            self.assertIsInstance(row["measured"], (int, float), row["name"])
            self.assertGreater(row.get("samples", 1), 0, row["name"])
            self.assertIn(row["verdict"], ("held", "missed", "-"), row["name"])
            if row["verdict"] != "-":
                self.assertIsNotNone(row["ratio"], row["name"])

    def test_a_build_without_binaries_is_a_failure_that_is_told(self):
        done = subprocess.run([sys.executable, RUN, "--quick", "--build", "/nowhere", "-o", "json"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        failed = {each["section"] for each in json.loads(done.stdout)["failed"]}
        self.assertEqual(failed, set(ROWS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
