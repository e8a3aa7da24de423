/**
 * How much of the machine others used while we measured (Linux): processor time that was spent and was not ours, and time that the hypervisor gave to somebody else. A
 * measurement with two threads on two cores is worth what this is small.
 */
import { existsSync, readFileSync } from "node:fs";

const linux = existsSync("/proc/stat");

/** Ticks of the whole machine: all, idle, stolen. */
function machineTicks() {
  const [user, nice, system, idle, wait, irq, soft, steal] = readFileSync("/proc/stat", "utf8")
    .split("\n")[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { all: user + nice + system + idle + wait + irq + soft + steal, idle: idle + wait, steal };
}

/** Ticks of one process, threads and waited-for children included; 0 when it has gone. */
function ticksOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  } catch {
    return 0;
  }
}

/** Processes of ours that live, with what they had used when they were last looked at. */
const ours = new Map([["self", 0]]);
let gone = 0;

export function watch(child) {
  if (!linux || !child.pid) return;
  ours.set(child.pid, 0);
}

/** Adds up what our processes used; those that have ended keep their last value. */
function ourTicks() {
  for (const [pid, before] of ours) {
    const now = ticksOf(pid);
    if (now >= before) ours.set(pid, now);
    else {
      gone += before;
      ours.delete(pid);
    }
  }
  return gone + [...ours.values()].reduce((sum, ticks) => sum + ticks, 0);
}

/** Looks at our processes, so that one which ends later is counted up to here. */
export const glance = () => void (linux && ourTicks());

/** Starts looking; the returned function says which share of the machine's time went elsewhere since, or nothing where that cannot be known. */
export function contention() {
  if (!linux) return () => undefined;
  const [before, mine] = [machineTicks(), ourTicks()];
  return () => {
    const [after, used] = [machineTicks(), ourTicks() - mine];
    const all = Math.max(1, after.all - before.all);
    const others = after.all - before.all - (after.idle - before.idle) - (after.steal - before.steal) - used;
    return { others: share(others / all), stolen: share((after.steal - before.steal) / all) };
  };
}

const share = (x) => Number(Math.max(0, x).toFixed(3));
