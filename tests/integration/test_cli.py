"""What people meet: config errors, exit codes, documents."""

import math
import os
import pathlib
import pty
import select
import signal
import subprocess
import tempfile
import time
import unittest

from support import BIN, PlantCase, json, wait_until


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          **options)


class ConfigErrors(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "vppd.toml"
            file.write_text(text)
            return run(BIN / "vppd", "--check", file), file

    def test_every_error_is_told_at_once_with_its_place(self):
        done, file = self.check('role = "leaf"\nnmae = "x"\n[site]\nreserve_pct = "much"\n')
        self.assertEqual(done.returncode, 2)
        lines = (done.stderr or done.stdout).splitlines()
        self.assertTrue(any(line.startswith(f"{file}:2:") and "name" in line for line in lines))
        self.assertTrue(any(line.startswith(f"{file}:4:") for line in lines))

    def test_a_missing_file_is_an_error_of_one_line(self):
        done = run(BIN / "vppd", "--check", "/nonexistent/vppd.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/vppd.toml", done.stderr + done.stdout)

    def test_a_broken_file_names_the_line(self):
        done, file = self.check('role = "leaf\n')
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{file}:1:", done.stderr + done.stdout)

    def test_unknown_arguments_are_usage_errors(self):
        self.assertEqual(run(BIN / "vppd", "--nonsense").returncode, 2)
        self.assertEqual(run(BIN / "vppctl", "nonsense").returncode, 2)
        self.assertEqual(run(BIN / "vppctl").returncode, 2)


class Ctl(PlantCase):
    def ctl(self, plant, *arguments, **options):
        return run(BIN / "vppctl", "--socket", plant.root.socket, *arguments, **options)

    def test_every_verb_answers_and_every_document_is_json(self):
        plant = self.running_plant(leaves=3, aggregators=1)
        number = self.send(plant, 1_000, 600, "it-verbs")
        verbs = [("tree",), ("nodes", "list"), ("nodes", "show", "agg-1"), ("capacity",),
                 ("orders", "list"), ("orders", "show", str(number)),
                 ("dispatch", "show", str(number)), ("bids", "list"), ("market", "prices"),
                 ("config", "show"), ("version",)]
        for verb in verbs:
            with self.subTest(verb=verb):
                table = self.ctl(plant, *verb)
                self.assertEqual(table.returncode, 0, table.stderr)
                self.assertTrue(table.stdout.strip())
                document = json.loads(self.ctl(plant, "-o", "json", *verb).stdout)
                self.assertEqual(document["schema"], "vppctl/v1")
        events = self.ctl(plant, "-o", "json", "events").stdout.splitlines()
        self.assertTrue(all(json.loads(line)["schema"] == "vppctl/v1" for line in events))

    def test_why_tells_what_a_site_does_by_itself_and_by_its_parent(self):
        plant = self.running_plant(leaves=3, aggregators=1)
        parent = plant.aggregators[0]

        def why(name, *nodes):
            sockets = [part for node in nodes for part in ("--socket", node.socket)]
            return run(BIN / "vppctl", *sockets, "-o", "json", "why", name)

        def cause(name, *nodes):
            done = why(name, *nodes)
            return json.loads(done.stdout)["cause"] if done.returncode == 0 else done.stderr

        leaf = plant.leaves[0]
        self.assertEqual(cause(leaf.name, leaf), "no_order")
        number = self.send(plant, 6_000, 3_600, "it-why")
        wait_until(lambda: cause(leaf.name, parent) == "serving" and
                   cause(leaf.name, leaf) in ("following", "clamped"), 30, "a leaf that serves")
        told = json.loads(why(leaf.name, parent, leaf).stdout)
        self.assertEqual(told["told_by"], leaf.name)  # who knows best is asked
        self.assertEqual(told["told"]["order"], number)
        self.assertGreater(told["reserve_permille"], 0)
        self.assertEqual(cause(parent.name, parent), "dispatching")
        self.assertEqual(cause(parent.name, plant.root), "serving")
        text = run(BIN / "vppctl", "--socket", leaf.socket, "why", leaf.name).stdout
        self.assertIn(f"for order {number}", text)
        nobody = why("nobody", parent, leaf)
        self.assertEqual(nobody.returncode, 2)
        self.assertIn("nobody", nobody.stderr)

    def test_status_tells_by_its_exit_code_whether_all_is_well(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        self.assertEqual(self.ctl(plant, "status").returncode, 0)
        plant.aggregators[0].kill()
        wait_until(lambda: self.ctl(plant, "status").returncode == 4, 20, "exit code 4")

    def test_a_dangerous_verb_without_a_terminal_needs_yes(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        send = ("dispatch", "send", "--power", "1kW", "--duration", "10m")
        unconfirmed = self.ctl(plant, *send, stdin=subprocess.DEVNULL)
        self.assertEqual(unconfirmed.returncode, 5)
        self.assertIn("2 sites", unconfirmed.stderr)
        dry = self.ctl(plant, *send, "--dry-run")
        self.assertEqual(dry.returncode, 0)
        self.assertEqual(plant.root.get("/v1/orders")["orders"], [])
        self.assertEqual(self.ctl(plant, *send, "--yes").returncode, 0)
        self.assertEqual(len(plant.root.get("/v1/orders")["orders"]), 1)

    def test_an_unreachable_daemon_is_exit_code_3(self):
        done = run(BIN / "vppctl", "--socket", "/nonexistent.sock", "status")
        self.assertEqual(done.returncode, 3)
        self.assertIn("hint", done.stderr)

    def test_plan_answers_what_a_fleet_can_do(self):
        with tempfile.TemporaryDirectory() as directory:
            fleet = pathlib.Path(directory) / "fleet.csv"
            request = pathlib.Path(directory) / "request.csv"
            fleet.write_text("id,power_w,energy_wh\na,1000,500\nb,1000,2000\n")
            request.write_text("power_w\n" + "1500\n" * 12)
            done = run(BIN / "vppctl", "plan", "--fleet", fleet, "--request", request, "--step",
                       "5m", "-o", "json")
            self.assertEqual(done.returncode, 0, done.stderr)
            plan = json.loads(done.stdout)
            self.assertTrue(plan["feasible"])
            self.assertAlmostEqual(plan["scale_max"], 1.0, places=9)
            self.assertEqual(plan["unserved_wh"], 0)
            for step in plan["steps"]:
                self.assertEqual(sum(step["set_points"].values()), 1500)

    def test_score_tells_how_a_response_followed_a_signal(self):
        with tempfile.TemporaryDirectory() as directory:
            signal = pathlib.Path(directory) / "signal.csv"
            response = pathlib.Path(directory) / "response.csv"
            values = [math.sin(2 * math.pi * i / 60) for i in range(391)]

            def rows(series):
                return "seconds,value\n" + "".join(f"{10 * i},{v}\n" for i, v in enumerate(series))
            signal.write_text(rows(values))
            response.write_text(rows([values[0], *values[:-1]]))
            score = ("score", "--signal", signal, "--response", response)
            done = run(BIN / "vppctl", *score, "-o", "json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertAlmostEqual(json.loads(done.stdout)["score"], 0.954103, places=6)
            self.assertIn("0.954103", run(BIN / "vppctl", *score).stdout)
            allowed = json.loads(run(BIN / "vppctl", *score, "--latency", "10s", "-o",
                                     "json").stdout)
            self.assertEqual(allowed["delay"], 1)
            response.write_text("seconds,value\n0,much\n")
            done = run(BIN / "vppctl", *score)
            self.assertEqual(done.returncode, 2)
            self.assertIn("response.csv:2:3: value 'much'", done.stderr)
            self.assertEqual(run(BIN / "vppctl", *score, "--latency", "10").returncode, 2)


    def test_baseline_tells_what_was_delivered_in_an_event(self):
        with tempfile.TemporaryDirectory() as directory:
            meter = pathlib.Path(directory) / "meter.csv"
            holidays = pathlib.Path(directory) / "holidays.csv"
            meter.write_text("time_local,load_wh\n" + "".join(
                f"2017-07-{day:02} {hour:02}:00,{100 if (day, hour) == (19, 18) else 1000}\n"
                for day in range(1, 20) for hour in range(24)))
            holidays.write_text("day\n2017-07-04\n")
            baseline = ("baseline", "--meter", meter, "--holidays", holidays, "--event",
                        "2017-07-19 18:00", "--event-hours", "1")
            done = run(BIN / "vppctl", *baseline, "-o", "json")
            self.assertEqual(done.returncode, 0, done.stderr)
            document = json.loads(done.stdout)
            self.assertEqual((document["delivered_wh"], document["days_used"]), (900, 10))
            self.assertIn("DELIVERED  900.0 Wh", run(BIN / "vppctl", *baseline).stdout)
            few = run(BIN / "vppctl", *baseline[:-3], "2017-07-05 18:00", "--event-hours", "1")
            self.assertEqual(few.returncode, 1, few.stderr)
            self.assertIn("too few days count", few.stdout)
            self.assertEqual(run(BIN / "vppctl", *baseline[:-1], "25").returncode, 2)


class Watch(PlantCase):
    """vppctl tree --watch, while an aggregator dies."""

    def command(self, plant, *arguments):
        sockets = [part for node in (plant.root, *plant.aggregators)
                   for part in ("--socket", str(node.socket))]
        return [str(BIN / "vppctl"), *sockets, *arguments, "tree", "--watch"]

    def begin(self, plant, *arguments, **options):
        watch = subprocess.Popen(self.command(plant, *arguments), **options)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        return watch

    def read_until(self, file, done, what, timeout=60):
        """Everything read from a descriptor until `done` of it; says what came if it never is."""
        seen = b""
        end = time.monotonic() + timeout
        while not done(seen):
            ready, _, _ = select.select([file], [], [], max(0.0, end - time.monotonic()))
            more = os.read(file, 65536) if ready else b""
            if not more:
                self.fail(f"no {what} {'before the end' if ready else f'in {timeout} s'}; "
                          f"seen: {seen.decode(errors='replace')}")
            seen += more
        return seen

    @staticmethod
    def documents(seen):
        """The whole lines among what was read."""
        return [json.loads(line) for line in seen.split(b"\n")[:-1]]

    def test_every_move_is_told_with_where_from_where_to_and_why(self):
        plant = self.running_plant(leaves=4, aggregators=2)
        victim = plant.aggregators[0]
        homes = plant.leaves[::2]
        # Who found its parent late may live elsewhere still, and is not counted while it moves.
        wait_until(lambda: all(self.parent(leaf) == plant.parents_of(leaf)[0].id
                               for leaf in plant.leaves), 90, "leaf below its first parent")
        self.await_count(plant, 4)
        watch = self.begin(plant, "-o", "json", stdout=subprocess.PIPE)
        self.addCleanup(watch.stdout.close)
        out = watch.stdout.fileno()
        seen = self.read_until(out, lambda text: b"\n" in text, "first line")
        first = self.documents(seen)[0]
        self.assertEqual(first["kind"], "tree_watch")
        self.assertEqual(first["coverage"]["online"], 4)
        victim.kill()
        names = {home.name for home in homes}

        def moves(text):
            return {move["name"]: move for line in self.documents(seen + text)
                    for move in line["moves"] if move["from"] == victim.name}
        seen += self.read_until(out, lambda text: names <= set(moves(text)),
                                f"move of each of {sorted(names)}")
        for move in moves(b"").values():
            self.assertIn(move["to"], ("agg-2", "root"))
            self.assertTrue(move["reason"])
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(20), 0)

    def test_a_terminal_is_given_back_as_it_was(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        watch = self.begin(plant, stdout=theirs, stdin=theirs)
        shown = self.read_until(ours, lambda text: b"home-002" in text, "leaf in the picture")
        self.assertTrue(shown.startswith(b"\x1b[?1049h"))
        watch.send_signal(signal.SIGINT)
        self.read_until(ours, lambda text: text.endswith(b"\x1b[?1049l"), "end of the picture")
        self.assertEqual(watch.wait(20), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
