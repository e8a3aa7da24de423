/** What the numbers were measured on. */
import { existsSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { capture } from "../scripts/lib/run.mjs";

/** Bytes of the cache of this level, as the kernel lists it; a common size where it lists none. */
function cacheBytes(level, otherwise) {
  for (let index = 0; index < 8; index++) {
    const folder = `/sys/devices/system/cpu/cpu0/cache/index${index}`;
    if (!existsSync(`${folder}/level`)) break;
    const read = (name) => readFileSync(`${folder}/${name}`, "utf8").trim();
    if (Number(read("level")) === level && read("type") !== "Instruction") return Number.parseInt(read("size"), 10) * 1024;
  }
  return otherwise;
}

export const CACHES = { l1: cacheBytes(1, 32 << 10), l2: cacheBytes(2, 1 << 20), l3: cacheBytes(3, 32 << 20) };

export const load = () => loadavg().map((x) => Number(x.toFixed(1)));

export const machine = () => ({
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  mhz: cpus()[0]?.speed,
  caches: CACHES,
  node: process.version,
  rustc: capture("rustc", ["--version"]),
  date: new Date().toISOString().slice(0, 10),
  load: load(),
});
