"""Forecasters and optimisers beside the root: killed in mid-task, always failing, hostile."""

import unittest

import zmq

from support import TOP, PlantCase, Process, json, wait_until

EXAMPLES = TOP / "docs" / "examples"


class Workers(PlantCase):
    FORECAST = {"forecast": {"model": "week", "worker": "external", "history_days": 10}}
    OPTIMISE = {"optimise": {"model": "dearest", "worker": "external"}}

    def plant_with_workers(self, sections, lease_s=2):
        plant = self.plant(leaves=2, aggregators=1)
        self.address = f"ipc://{plant.root.dir}/workers.sock"
        plant.sections["root"] = {**sections,
                                  "workers": {"listen": self.address, "lease_s": lease_s}}
        plant.start_market()
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        return plant

    def worker(self, plant, program, name, *options):
        process = Process(name, ["/usr/bin/python3", EXAMPLES / program, self.address, "--name", name,
                                 *options], plant.dir / f"{name}.log", plant.env).start()
        self.addCleanup(lambda: (process.kill(), process.wait()))
        return process

    def forecaster(self, plant, name, *options):
        return self.worker(plant, "forecaster.py", name, *options)

    def optimiser(self, plant, name, *options):
        return self.worker(plant, "optimiser.py", name, *options)

    @staticmethod
    def workers(plant):
        return plant.root.get("/v1/workers")

    @staticmethod
    def decided(plant, after=0):
        """Of the bids: what each was decided by, those for gates from `after` on."""
        replay = plant.root.get("/v1/bids/replay")
        return [d for d in replay["decisions"] if d["from_ms"] >= after]

    def await_task_of(self, plant, name):
        def there():
            return [w["task"] for w in self.workers(plant)["workers"]
                    if w["name"] == name and w["task"]]
        return wait_until(there, 60, f"a task of {name}", every=0.1)[0]

    def test_a_forecaster_killed_in_mid_task_is_replaced_and_bids_rest_on_the_other_ones(self):
        plant = self.plant_with_workers(self.FORECAST)
        slow = self.forecaster(plant, "slow", "--think", "3600")
        task = self.await_task_of(plant, "slow")
        slow.kill()
        slow.wait()
        self.forecaster(plant, "quick")
        forecast = wait_until(lambda: plant.root.get("/v1/forecast")["forecast"], 60,
                              "a forecast", every=0.1)
        self.assertEqual((forecast["worker"], forecast["model"]), ("quick", "week"))
        self.assertEqual(len(forecast["hours"]), 48)
        self.assertEqual(len(forecast["hours"][0]["quantiles"]), 19)
        done = {t["task"]: t for t in self.workers(plant)["tasks"]}
        if task in done:  # unless an hour passed, and a newer one took its place
            self.assertEqual((done[task]["state"], done[task]["leases"]), ("done", 2))
        wait_until(lambda: any(d["model"] == "week" for d in self.decided(plant)), 60,
                   "a bid by the forecast", every=0.2)
        decisions = self.decided(plant)
        self.assertTrue(all(d["again"] == "same" for d in decisions), decisions)
        # A restart forgets neither the forecast nor what was decided by it.
        plant.root.kill()
        plant.root.wait()
        plant.root.start()
        plant.await_whole()
        self.assertIsNotNone(plant.root.get("/v1/forecast")["forecast"])
        self.assertTrue(all(d["again"] == "same" for d in self.decided(plant)))

    def test_a_task_that_always_fails_is_set_aside_and_bids_rest_on_the_naive_forecast(self):
        plant = self.plant_with_workers(self.FORECAST)
        broken = self.forecaster(plant, "broken", "--broken")

        def poisoned():
            return [t for t in self.workers(plant)["tasks"] if t["state"] == "poisoned"]
        task = wait_until(poisoned, 60, "a poisoned task", every=0.1)[0]
        self.assertEqual(task["why"], "this worker is broken")
        self.assertTrue(self.events(plant, "VPP_TASK_POISONED"))
        self.assertIn("VPP_TASK_POISONED", self.codes(plant.root))
        wait_until(lambda: self.decided(plant), 60, "a bid all the same", every=0.2)
        self.assertEqual({d["model"] for d in self.decided(plant)}, {"naive"})
        self.assertTrue(self.events(plant, "VPP_FORECAST_NAIVE"))
        broken.kill()
        broken.wait()
        self.forecaster(plant, "good")
        wait_until(lambda: any(w["name"] == "good" for w in self.workers(plant)["workers"]), 60,
                   "the good forecaster", every=0.1)
        answer = plant.run(plant.bin / "vppctl", "--socket", plant.root.socket, "workers", "retry",
                           task["task"])
        self.assertIn("tried again", answer)
        wait_until(lambda: plant.root.get("/v1/forecast")["forecast"], 60, "a forecast", every=0.1)
        shown = plant.run(plant.bin / "vppctl", "--socket", plant.root.socket, "forecast")
        self.assertIn("model week by good", shown)

    def test_an_optimiser_killed_in_mid_task_is_replaced_and_an_award_names_the_advice(self):
        plant = self.plant_with_workers(self.OPTIMISE)
        slow = self.optimiser(plant, "slow", "--think", "3600")
        self.await_task_of(plant, "slow")
        slow.kill()
        slow.wait()
        self.optimiser(plant, "quick")
        advised = {d["key"]: d["advised_by"] for d in wait_until(
            lambda: [d for d in self.decided(plant) if d["advised_by"]], 90, "an advised bid",
            every=0.2)}
        self.assertTrue(self.events(plant, "VPP_ADVICE_USED"))

        def awarded():
            return [b["key"] for b in plant.root.get("/v1/bids")["bids"]
                    if b["key"] in advised and b["award"] and b["award"]["power_w"] > 0]
        key = wait_until(awarded, 60, "an award to an advised bid", every=0.2)[0]
        shown = plant.run(plant.bin / "vppctl", "--socket", plant.root.socket, "bids", "show", key,
                          "--trace")
        facts = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
        kinds = [fact["kind"] for fact in facts]
        self.assertEqual(kinds[:2], ["bid_advised", "bid_decided"])
        self.assertIn("award_known", kinds)
        self.assertEqual((facts[0]["worker"], facts[0]["model"]), ("quick", "dearest"))
        self.assertEqual((facts[0]["task"], facts[1]["advised_by"]), (advised[key], advised[key]))
        self.assertEqual(facts[0]["segments"][0]["price_micro_per_mwh"],
                         facts[1]["bid"]["segments"][0]["price_micro_per_mwh"])
        # A restart forgets neither, and all is decided again as it was.
        plant.root.kill()
        plant.root.wait()
        plant.root.start()
        plant.await_whole()
        decisions = self.decided(plant)
        self.assertTrue(all(d["again"] == "same" for d in decisions), decisions)
        self.assertIn(advised[key], [d["advised_by"] for d in decisions])

    def test_an_optimiser_that_asks_for_more_than_the_curve_is_refused_and_the_bid_is_our_own(self):
        plant = self.plant_with_workers(self.OPTIMISE)
        self.optimiser(plant, "greedy", "--power-pct", "300")

        def poisoned():
            return [t for t in self.workers(plant)["tasks"]
                    if t["state"] == "poisoned" and t["kind"] == "optimise"]
        task = wait_until(poisoned, 90, "a poisoned task", every=0.1)[0]
        self.assertIn("that are firm and free then", task["why"])
        decisions = wait_until(lambda: self.decided(plant), 60, "a bid all the same", every=0.2)
        self.assertEqual({(d["optimiser"], d["advised_by"]) for d in decisions}, {("dearest", None)})
        self.assertTrue(all(d["again"] == "same" for d in decisions), decisions)
        self.assertTrue(self.events(plant, "VPP_ADVICE_MISSING"))

    def test_our_own_model_forecasts_in_the_process_and_bids_rest_on_it(self):
        plant = self.plant(leaves=2, aggregators=1)
        plant.sections["root"] = {"forecast": {"model": "lear", "history_days": 60}}
        plant.start_market()
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        forecast = wait_until(lambda: plant.root.get("/v1/forecast")["forecast"], 100,
                              "a forecast", every=0.2)
        self.assertEqual((forecast["worker"], forecast["model"]), ("in-process", "lear"))
        wait_until(lambda: any(d["model"] == "lear" for d in self.decided(plant)), 60,
                   "a bid by the forecast", every=0.2)
        self.assertTrue(all(d["again"] == "same" for d in self.decided(plant)))

    def test_hostile_workers_are_answered_and_the_root_goes_on(self):
        plant = self.plant_with_workers(self.FORECAST)
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        self.addCleanup(socket.close)
        socket.connect(self.address)

        def answer_to(*frames):
            socket.send_multipart(frames)
            self.assertTrue(socket.poll(10_000), "no answer")
            return json.loads(socket.recv())
        for frames in ([b"\xff\xfe"], [b"", b"{}"], [b"[" * 100_000], [b" " * 300_000],
                       [b'{"type":"hello","version":7,"name":"x","kinds":["forecast"]}'],
                       [b'{"type":"result","task":"00000000000000ff","output":{}}']):
            self.assertEqual(answer_to(*frames)["type"], "error")
        self.assertEqual(self.workers(plant)["messages_refused"], 6)
        huge = zmq.Context.instance().socket(zmq.DEALER)
        huge.linger = 0
        huge.connect(self.address)
        self.addCleanup(huge.close)
        huge.send(b" " * 8_000_000)
        hello = b'{"type":"hello","version":1,"name":"x","kinds":["forecast"]}'
        self.assertEqual(answer_to(hello)["type"], "welcome")
        self.assertTrue(plant.root.get("/v1/status"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
