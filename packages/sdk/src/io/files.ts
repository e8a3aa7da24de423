/** Files of the SDK (Node only; in a browser every function throws E_BACKEND). */
import { platform } from "#platform";
import type { FolderLock } from "../core/platform/types.ts";
import { parseSafetensors, type SafetensorsFile } from "./safetensors.ts";

export type { FolderLock };

/** Reads a whole file. @throws E_IO. */
export function readFileBytes(path: string): Promise<Uint8Array> {
  return platform.readFile(path);
}

/**
 * Writes a file atomically: after a crash at any moment the path holds the old content or the new (temporary file, fsync, rename, fsync of the folder).
 *
 * @throws E_IO with the system's reason; the old file is then intact.
 */
export function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  return platform.writeFileAtomic(path, bytes);
}

/**
 * Takes the lock of a folder, so that two runs cannot write into it. A lock left by a dead process is taken over.
 *
 * @throws E_LOCKED with the holder's pid.
 */
export function lockFolder(folder: string): Promise<FolderLock> {
  return platform.lockFolder(folder);
}

/** Takes the lock of one file (a lock beside it, named `PATH.lock`). @throws E_LOCKED with the holder's pid. */
export function lockFile(path: string): Promise<FolderLock> {
  return platform.lockFile(`${path}.lock`, path);
}

/** Reads and parses a safetensors file. @throws E_IO, E_FORMAT. */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return parseSafetensors(await readFileBytes(path));
}
