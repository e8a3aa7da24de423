/** Files in Node: whole reads without the 2 GiB limit of `readFile`, and writes that leave either the old file or the new one, never a mix. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TritlensError } from "../errors.ts";
import type { NewFile } from "./types.ts";

/** One read; `readFile` fails above 2 GiB on Node 20. */
const CHUNK = 1 << 26;

/** The whole file. @throws E_IO with the system's reason. */
export async function readFileBytes(path: string): Promise<Uint8Array> {
  return withErrors(`read ${path}`, async () => {
    const file = await open(path, constants.O_RDONLY);
    try {
      return await readAll(file, (await file.stat()).size);
    } finally {
      await file.close();
    }
  });
}

async function readAll(file: FileHandle, size: number): Promise<Uint8Array> {
  const out = new Uint8Array(size);
  return out.subarray(0, await readFully(file, out, 0));
}

/** Fills `into` from `offset` on; fewer bytes only at the end of the file. */
export async function readFully(file: FileHandle, into: Uint8Array, offset: number): Promise<number> {
  let at = 0;
  while (at < into.byteLength) {
    const { bytesRead } = await file.read(into, at, Math.min(CHUNK, into.byteLength - at), offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

/**
 * Writes a file so that after a crash at any moment the path holds the old content or the new. A failed write leaves the old one and nothing beside it.
 *
 * @throws E_IO with the system's reason (a full disk, say).
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const file = await createFile(path);
  try {
    await file.write(bytes);
    await file.commit();
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** Makes a folder and those above it; returns how to take back those that were made, as far as they are empty. @throws E_IO. */
export async function makeFolder(path: string): Promise<() => Promise<void>> {
  const first = await withErrors(`make ${path}`, () => mkdir(path, { recursive: true }));
  return async () => {
    for (let at = path; first !== undefined && at.length >= first.length; at = dirname(at)) {
      if (
        await rmdir(at).then(
          () => false,
          () => true,
        )
      )
        return;
    }
  };
}

/**
 * Begins a temporary file (exclusive) in the folder of `path`; committing is fsync, rename, fsync of the folder.
 *
 * @throws E_IO with the system's reason, as its functions do.
 */
export async function createFile(path: string): Promise<NewFile> {
  const temporary = join(dirname(path), `.tmp-${process.pid}-${randomBytes(6).toString("hex")}`);
  const what = `write ${path}`;
  const file = await withErrors(what, () => open(temporary, "wx"));
  let done = false;
  return {
    // `writeFile` on a handle goes on from where the last write ended, and writes all.
    write: (bytes) => withErrors(what, () => file.writeFile(bytes)),
    commit: () =>
      withErrors(what, async () => {
        await file.sync();
        await file.close();
        await rename(temporary, path);
        done = true;
        await syncFolder(dirname(path));
      }),
    discard: async () => {
      if (done) return;
      done = true;
      await file.close().catch(() => undefined);
      await rm(temporary, { force: true });
    },
  };
}

/** Removes temporary files that killed processes left in a folder. `isAlive` says whether a pid still runs. */
export async function sweepTemporaries(folder: string, isAlive: (pid: number) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(/^\.tmp-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(folder, name), { force: true });
  }
}

/** Makes a rename durable. Windows cannot open folders; there the rename itself is all one gets. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Turns a system error into E_IO. */
export async function withErrors<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TritlensError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TritlensError("E_IO", `could not ${what}`, { found: reason, cause: error });
  }
}
