/** Positioned reads and folders in Node. Files are never mapped: one that shrinks while it is mapped kills the process. */
import { constants } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { TritlensError } from "../errors.ts";
import { readFully, withErrors } from "./files.ts";
import type { ReadableFile } from "./types.ts";

/** Opens a regular file. @throws E_IO with the system's reason, or what the path is instead of a file. */
export async function openFile(path: string): Promise<ReadableFile> {
  return withErrors(`read ${path}`, async () => {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const found = await file.stat();
    if (!found.isFile()) {
      await file.close();
      throw new TritlensError("E_IO", `could not read ${path}`, { expected: "a regular file", found: found.isDirectory() ? "a folder" : "a device" });
    }
    return {
      size: found.size,
      read: (into, offset) => withErrors(`read ${path}`, () => readFully(file, into, offset)),
      sizeNow: () => withErrors(`read ${path}`, async () => (await file.stat()).size),
      close: () => file.close(),
    };
  });
}

/** Names in a folder, sorted; undefined when the path is no folder. @throws E_IO when there is nothing at the path. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  return withErrors(`read ${path}`, async () => ((await stat(path)).isDirectory() ? (await readdir(path)).sort() : undefined));
}

/**
 * Real path of a regular file in a folder. A link may lead to a file of the same folder or, from a snapshot in Hugging Face's cache
 * (`models--X/snapshots/REVISION`), to the blobs beside it (`models--X/blobs`), which is how that cache stores every file.
 *
 * @returns undefined when the folder has no such name.
 * @throws E_FORMAT when the name is a link that leads elsewhere, or no regular file.
 */
export async function findInFolder(folder: string, name: string): Promise<string | undefined> {
  return withErrors(`read ${join(folder, name)}`, async () => {
    const root = await realpath(folder);
    const target = await realpath(join(root, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (target === undefined) return undefined;
    const roots = [root, ...blobsOf(root)];
    if (!roots.some((allowed) => target.startsWith(allowed.endsWith(sep) ? allowed : allowed + sep)))
      throw new TritlensError("E_FORMAT", `"${name}" is a link that leaves its folder`, { expected: `a file in ${root}`, found: target });
    if (!(await stat(target)).isFile())
      throw new TritlensError("E_FORMAT", `"${name}" in ${root}`, { expected: "a regular file", found: "something else" });
    return target;
  });
}

/** Where Hugging Face's cache keeps the content of a snapshot's files. */
function blobsOf(folder: string): string[] {
  const parts = folder.split(sep);
  const at = parts.lastIndexOf("snapshots");
  return at > 0 && at < parts.length - 1 ? [[...parts.slice(0, at), "blobs"].join(sep)] : [];
}
