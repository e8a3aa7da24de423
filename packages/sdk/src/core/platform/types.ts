/** What the SDK needs from the platform it runs on. Node and the browser each implement it; package.json's `imports` picks one at build time. */
import type { Core } from "../core.ts";
import type { Line } from "../pool/messages.ts";

/** Holds a folder until released; see `lockFolder`. */
export interface FolderLock {
  /** Removes the lock. Safe to call twice. */
  release(): Promise<void>;
}

/** A file opened for positioned reads. */
export interface ReadableFile {
  /** Bytes when it was opened. */
  readonly size: number;
  /** Fills `into` from `offset` on; fewer bytes only at the end of the file. @returns how many. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Bytes now. */
  sizeNow(): Promise<number>;
  close(): Promise<void>;
}

/** A file that is being written beside the path it will have. */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the content durable, then gives the file its name. */
  commit(): Promise<void>;
  /** Removes it again. Safe to call after a failure and twice. */
  discard(): Promise<void>;
}

/** The platform. A function that a platform cannot offer throws E_BACKEND. */
export interface Platform {
  readonly name: "node" | "browser";
  /** Value of an environment variable. */
  env(name: string): string | undefined;
  /** One line for the user that is not output of the program. */
  notice(line: string): void;
  /** The native core. Throws when the addon is missing or does not fit this machine. */
  loadNative(): Core;
  /** Bytes of a packaged WASM module, or undefined when the module's own URL is to be fetched. */
  wasmBytes(build: "wasm" | "threads"): Promise<Uint8Array | undefined>;
  /** Whether workers can be started here. */
  hasWorkers(): boolean;
  /** Starts a worker that computes lanes for a leader (core/pool). */
  spawnFollower(): Line;
  /** Whether memory can be shared with workers, and this thread may wait for them. */
  canShareMemory(): boolean;
  /** Starts a worker that becomes a thread of the build with shared memory (core/threads). */
  spawnThread(): Line;
  readFile(path: string): Promise<Uint8Array>;
  writeFileAtomic(path: string, bytes: Uint8Array): Promise<void>;
  /** Opens a regular file; links are followed. */
  openFile(path: string): Promise<ReadableFile>;
  /** Begins a file that replaces `path` when it is committed. */
  createFile(path: string): Promise<NewFile>;
  /** Makes a folder and those above it; returns how to take back what was made, as far as it is empty. */
  makeFolder(path: string): Promise<() => Promise<void>>;
  /** Names in a folder, sorted; undefined when the path is no folder. */
  listFolder(path: string): Promise<string[] | undefined>;
  /** Path of a regular file of a folder after following links, undefined when there is none. E_FORMAT when a link leaves the folder. */
  findInFolder(folder: string, name: string): Promise<string | undefined>;
  /** Path of a `file:` URL. */
  pathOfUrl(url: string): string;
  lockFolder(folder: string): Promise<FolderLock>;
  lockFile(path: string, what: string): Promise<FolderLock>;
}
