/** One writer a folder or file: a lock file with the holder's pid and start time, taken over when the holder is dead. */
import { readFileSync } from "node:fs";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TritlensError } from "../errors.ts";
import { sweepTemporaries, withErrors } from "./files.ts";
import type { FolderLock } from "./types.ts";

/** Name of the lock file. */
export const LOCK_NAME = ".tritlens.lock";

interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's ticks; tells a reused pid from the holder. Empty where the system does not say. */
  readonly started: string;
}

/** Takes the lock of a folder (made if missing). @throws as {@link lockFile}. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await withErrors(`make ${folder}`, () => mkdir(folder, { recursive: true }));
  return lockFile(join(folder, LOCK_NAME), folder);
}

/**
 * Takes a lock that lies at `path`; `what` is the thing it guards.
 *
 * @throws E_LOCKED with the holder's pid when a living process (this one included) has it.
 */
export async function lockFile(path: string, what: string): Promise<FolderLock> {
  return withErrors(`lock ${what}`, async () => {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await tryTake(path)) {
        await sweepTemporaries(dirname(path), (pid) => isAlive({ pid, started: "" }));
        return holdLock(path);
      }
      const holder = await readHolder(path);
      if (holder && isAlive(holder)) {
        throw new TritlensError("E_LOCKED", `another run writes to ${what}`, {
          expected: "a place of its own for each run",
          found: `process ${holder.pid}`,
        });
      }
      await rm(path, { force: true });
    }
    throw new TritlensError("E_LOCKED", `several runs fight for ${what}`, {
      expected: "a place of its own for each run",
      found: "a lock that changes hands",
    });
  });
}

/** The content is written first and then linked to its name, so that nobody ever reads half a lock. */
async function tryTake(path: string): Promise<boolean> {
  const mine: Holder = { pid: process.pid, started: startTime(process.pid) };
  const temporary = `${path}.${process.pid}.${Date.now()}`;
  await writeFile(temporary, JSON.stringify(mine), { flag: "wx" });
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

function holdLock(path: string): FolderLock {
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      const holder = await readHolder(path);
      if (holder?.pid === process.pid) await rm(path, { force: true });
    },
  };
}

/** A lock that cannot be read as one belongs to nobody. */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const { pid, started } = JSON.parse(await readFile(path, "utf8")) as Holder;
    return Number.isInteger(pid) && pid > 0 ? { pid, started: String(started ?? "") } : undefined;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, but belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startTime(pid);
  return !isZombie(pid) && (started === "" || now === "" || now === started);
}

/** Killed, but its parent has not asked for its exit code yet: it will never write again. */
function isZombie(pid: number): boolean {
  return "ZX".includes(statFields(pid)[0] ?? "-");
}

/** When a process started: field 22 of /proc/<pid>/stat. */
function startTime(pid: number): string {
  return statFields(pid)[19] ?? "";
}

/** Fields of /proc/<pid>/stat from the third on; the command in field 2 may hold spaces and brackets, so they are counted from its end. */
function statFields(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}
