/** Files in Node: whole reads without the 2 GiB limit of `readFile`, and writes that leave either the old file or the new one, never a mix. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TritlensError } from "../errors.ts";

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
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(out, at, Math.min(CHUNK, size - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return out.subarray(0, at);
}

/**
 * Writes a file so that after a crash at any moment the path holds the old content or the new: temporary file in the same folder (exclusive), fsync,
 * rename, fsync of the folder. A failed write removes its temporary file and leaves the old one.
 *
 * @throws E_IO with the system's reason (a full disk, say).
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.tmp-${process.pid}-${randomBytes(6).toString("hex")}`);
  await withErrors(`write ${path}`, async () => {
    try {
      await writeNew(temporary, bytes);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/** Removes temporary files that killed processes left in a folder. `isAlive` says whether a pid still runs. */
export async function sweepTemporaries(folder: string, isAlive: (pid: number) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(/^\.tmp-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(folder, name), { force: true });
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
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
