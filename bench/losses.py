"""What happens when somebody above is lost: thousands of leaves without their parent, with a standby
and without; a tree without its root. Aims are the design's, for this machine."""

import signal
import time

from fleets import Fleets
from measuring import RAM, RunningPlant, Scratch, percentile, row
from plant.plant import PlantError, wait_until
from scale import fleet_of

LINKS_MAX = 3  # of one leaf at once: its parent, its standby, and one more while it looks around
STARTS = 500  # a second, so that each finds the parent that it wants most
CONTEXTS = 8
STANDBY_SIBLINGS_MAX = 2_000  # limits::kStandbySiblingsMax: of more than that none has a standby
HEALED_MOST_S = {1_000: 1.5, 3_000: 4}
WARM_MOST_S = {1_000: 0.25}
SILENT_MOST_S = {1_000: 5}
FAIL_OVER_MOST_S = 5.5


def aim_of(most, leaves):
    return {"aim": most[leaves]} if leaves in most else {}


# --- a parent --------------------------------------------------------------------------------------


def healing(build, sizes, say):
    rows = []
    for leaves in sizes["heal_leaves"]:
        cold = [lose(build, sizes, say, leaves, signal.SIGKILL, number)
                for number in range(sizes["heal_kills"])]
        rows.append(healed_row(f"healed after SIGKILL, all of {leaves}", cold,
                               aim_of(HEALED_MOST_S, leaves)))
        warm = [lose(build, sizes, say, leaves, signal.SIGKILL, number, warm=True)
                for number in range(sizes["heal_kills"])]
        rows.append(healed_row(f"the same with a warm standby, {leaves}", warm,
                               aim_of(WARM_MOST_S, leaves)))
        if leaves in sizes["silent_leaves"]:
            silent = [lose(build, sizes, say, leaves, signal.SIGSTOP)]
            rows.append(healed_row(f"silent parent (SIGSTOP), all of {leaves}", silent,
                                   aim_of(SILENT_MOST_S, leaves)))
    return rows


def healed_row(name, runs, aim):
    """The worst run: until the last leaf had a parent again. Its extras are of all runs."""
    moved = [each for run, _ in runs for each in run]
    return row(name, max(moved), "s", **aim, runs=[max(run) for run, _ in runs],
               p50=percentile(moved, 50), p99=percentile(moved, 99), samples=len(moved),
               counted_again_max=max(again for _, again in runs))


def lose(build, sizes, say, leaves, fault, number=0, warm=False):
    """All leaves lose their parents at once, of which there are as many as it takes for each leaf
    to have a standby, and one more parent that takes them. Anew each time: those that were orphans
    once know the root, and like it better."""
    victims = 1 + leaves // STANDBY_SIBLINGS_MAX if warm else 1
    say(f"{leaves} leaves {'with a standby ' if warm else ''}lose their parent: {fault.name}")
    with fleet_of(build, say, leaves, victims + 1, LINKS_MAX, kinds=victims, starts=STARTS,
                  contexts=CONTEXTS) as (plant, fleets):
        time.sleep(sizes["scale_settle_s"] + number * 0.137 % 1.0)
        if warm:
            wait_until(lambda: fleets.standbys() == leaves, 60, f"{leaves} standbys", every=0.5)
        elif fault == signal.SIGKILL:
            fleets.ask("forget-standbys")
        moved, again = lose_parents(plant, fleets, leaves, plant.aggregators[:victims], fault)
    say(f"  {len(moved)} moved, half after {percentile(moved, 50):.2f} s, "
        f"the last after {moved[-1]:.2f} s; all counted after {again:.2f} s")
    return moved, again


def lose_parents(plant, fleets, leaves, victims, fault):
    """Seconds since the loss until each orphan had another parent, sorted; until the root counted
    all again."""
    parents = fleets.parents()
    orphans = sum(parents.get(victim.id, 0) for victim in victims)
    fleets.ask("mark")
    began_ns = time.monotonic_ns()
    for victim in victims:
        victim.kill(fault)

    def all_elsewhere():
        now = fleets.parents()
        lost = sum(now.get(victim.id, 0) for victim in victims)
        return sum(now.values()) == leaves and lost == 0
    wait_until(all_elsewhere, 120, f"{leaves} leaves elsewhere", every=0.02)
    moved = fleets.moved_s(began_ns)
    if orphans == 0 or len(moved) < orphans:
        raise PlantError(f"{len(moved)} of {orphans} leaves told of a move")

    def counted_again():
        # For a while the root goes on with the last sum of a parent whose death it has not noticed.
        held = {child["id"] for child in plant.root.get("/v1/tree")["children"] if child["attached"]}
        return plant.online() == leaves and not any(victim.id in held for victim in victims)
    wait_until(counted_again, 120, "every leaf counted again", every=0.02)
    again_s = (time.monotonic_ns() - began_ns) / 1e9
    for victim in victims:
        victim.kill(signal.SIGCONT)
    return moved, again_s


# --- the root --------------------------------------------------------------------------------------


def root_of(node):
    status = node.try_get("/v1/status")
    return status["root"] if status else None


def await_standby(plant):
    def copied():
        root = root_of(plant.root)
        return root and root["serves"] and root["journal"]["standbys"] == 1
    wait_until(copied, 60, "standby root that follows", every=0.1)


def fail_over(build, sizes, say):
    """Two roots and etcd; the one that leads is killed, or stopped, and comes back as standby."""
    leaves = sizes["fail_over_leaves"]
    faults = [signal.SIGKILL] * sizes["fail_overs"] + [signal.SIGSTOP] * sizes["fail_overs"]
    times = {fault: [] for fault in faults}
    with Scratch(say, RAM if RAM.is_dir() else None) as directory, \
            RunningPlant(directory, build, leaves=1, aggregators=2, roots=2, etcd=1,
                         batteries=False) as plant:
        plant.start_etcd()
        plant.start([*plant.roots, *plant.aggregators])
        plant.await_leader()
        for node in plant.aggregators:
            wait_until(node.attached, 30, f"{node.name} attached")
        with Fleets(plant, build, leaves, LINKS_MAX, STARTS, CONTEXTS) as fleets:
            fleets.await_attached(120)
            for number, fault in enumerate(faults):
                wait_until(lambda: plant.online() == leaves, 60, f"{leaves} leaves counted")
                await_standby(plant)
                time.sleep(sizes["scale_settle_s"] + number * 0.137 % 1.0)
                times[fault].append(lose_root(plant, leaves, fault))
                say(f"the root of {leaves} leaves is lost ({fault.name}): another serves after "
                    "{:.2f} s, counts all after {:.2f} s".format(*times[fault][-1]))
    return [row for fault, words in ((signal.SIGKILL, "root killed"),
                                     (signal.SIGSTOP, "root stopped"))
            for row in fail_over_rows(words, leaves, times[fault])]


def lose_root(plant, leaves, fault):
    """Seconds until the standby serves, and until it counts all leaves; then the lost root stands
    by."""
    lost = plant.root
    began = time.monotonic()
    lost.kill(fault)
    plant.await_leader(other_than=lost)
    serves_s = time.monotonic() - began
    wait_until(lambda: plant.online() == leaves, 120, f"{leaves} leaves counted again")
    counted_s = time.monotonic() - began
    if fault == signal.SIGKILL:
        lost.wait()
        lost.start()
    lost.kill(signal.SIGCONT)
    wait_until(lambda: (root_of(lost) or {}).get("state") == "candidate", 30, "old root stands by")
    return serves_s, counted_s


def fail_over_rows(words, leaves, times):
    serves, counted = zip(*times)
    return [row(f"{words}, the standby serves", max(serves), "s", aim=FAIL_OVER_MOST_S,
                runs=serves, samples=len(serves)),
            row(f"{words}, all of {leaves} counted again", max(counted), "s", runs=counted,
                samples=len(counted))]


def losses(build, sizes, say):
    return [*healing(build, sizes, say), *fail_over(build, sizes, say)]
