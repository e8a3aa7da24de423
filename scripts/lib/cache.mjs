/**
 * The folder that keeps what several clones can share (tools built from source), and the stamps that say what a build was made from.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "./run.mjs";

/** `$TRITLENS_CACHE`, or the platform's cache folder. */
export function cacheDir(...parts) {
  const base = process.env.TRITLENS_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "tritlens");
  const folder = join(base, ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}

const skipped = new Set(["node_modules", "target", "pkg", "dist", "tests", "benches", "examples"]);

function* filesUnder(path) {
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path).sort())
    if (!skipped.has(name) && !name.startsWith("pkg-") && !name.endsWith(".node")) yield* filesUnder(join(path, name));
}

/** A digest of the files under `paths` (relative to the repository) and of `extra`. */
export function digest(paths, extra = "") {
  const hash = createHash("sha256").update(extra);
  for (const path of paths.map((part) => join(root, part)).filter(existsSync)) {
    for (const file of filesUnder(path)) hash.update(file.slice(root.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

/** True when `stampFile` holds `value` and every file of `outputs` exists. */
export function fresh(stampFile, value, outputs) {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === value && outputs.every(existsSync);
}

export function stamp(stampFile, value) {
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, value);
}
