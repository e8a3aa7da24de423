/** Section `limits`: what this machine can do at most, measured in the same run as everything that is compared with it. */
import { measureInTurns, summary } from "./contest.mjs";
import { CACHES } from "./machine.mjs";
import { rounded } from "./rows.mjs";
import { opened } from "./sides.mjs";

/**
 * Where a read comes from, and how many bytes a thread reads: comfortably inside of one cache and outside of the one before. From memory the loop that prefetches reads
 * more, from the caches the one that does not.
 */
const LEVELS = [
  ["L1", CACHES.l1 / 2],
  ["L2", CACHES.l2 / 2],
  ["L3", Math.min(CACHES.l2 * 4, CACHES.l3 / 4)],
  ["memory", Math.max(256 << 20, CACHES.l3 * 8)],
];

/** Measures every loop on a side. Returns rows. */
export async function measureLimits(side, { threads, rounds, ms }) {
  const { limits } = await side.ask({ ask: "info" });
  const rows = [];
  for (const count of threads) {
    const loops = limits.filter((name) => !name.startsWith("read")).map((loop) => ({ name: loop, unit: "GMAC/s", request: { loop } }));
    const reads = LEVELS.map(([level, bytes]) => ({
      name: `read ${level}`,
      unit: "GB/s",
      request: { loop: level === "memory" && limits.includes("read ahead") ? "read ahead" : "read", bytes: Math.floor(bytes) },
    }));
    const all = [...loops, ...reads];
    const entries = [];
    for (const { name, request } of all) entries.push(await opened(name, side, { name: "limit", threads: count, ...request }, { ms }));
    const found = await measureInTurns(entries, rounds);
    await side.ask({ ask: "close" });
    for (const { name, unit } of all)
      rows.push({ name, threads: count, unit, ...roundedSummary(found.get(name)), best: rounded(Math.max(...found.get(name))) });
  }
  return rows;
}

export function roundedSummary(numbers) {
  const { median, p10, p90 } = summary(numbers);
  return { median: rounded(median), p10: rounded(p10), p90: rounded(p90) };
}

/** Answers questions about measured limits. */
export class Limits {
  constructor(rows) {
    this.rows = rows;
  }

  /** `{ name, value }` of a loop at a number of threads, or nothing when it was not measured. A limit is the best that was seen, not the usual. */
  at(name, threads) {
    const row = this.rows.find((one) => one.name === name && one.threads === threads);
    return row && { name: row.name, value: row.best };
  }

  /** The lowest of several limits; unknown ones do not count. */
  lowest(...limits) {
    return limits.filter(Boolean).sort((a, b) => a.value - b.value)[0];
  }

  /** Weights (or elements) a second that reading allows when a set of `bytes` is used again and again. */
  reading(bytes, bytesEach, threads) {
    // A cache that is nearly full of weights has no room for anything else.
    const level = bytes < CACHES.l1 * 0.75 ? "L1" : bytes < CACHES.l2 * 0.75 * threads ? "L2" : bytes < CACHES.l3 * 0.75 ? "L3" : "memory";
    const read = this.at(`read ${level}`, threads);
    return read && { name: `${read.name} (${rounded(read.value)} GB/s)`, value: read.value / bytesEach };
  }
}
