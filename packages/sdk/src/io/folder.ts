/** The files of one model, wherever they lie: a folder, a URL, or a list of files that the user picked. */
import { platform } from "#platform";
import { TritlensError } from "../core/errors.ts";
import { fileSource } from "./source/local.ts";
import { isUrl, nameOf, type SourceInput, tryOpen } from "./source/open.ts";
import type { ByteSource, SourceOptions } from "./source/source.ts";

/** Files by their bare names. */
export interface FileSet {
  /** What the files were given as. */
  readonly kind: "folder" | "url" | "list";
  /** Path or URL of the folder, for messages. */
  readonly name: string;
  /** Names, sorted, where they can be known: not behind a URL. */
  readonly names: readonly string[] | undefined;
  /**
   * Opens a file; the caller closes it.
   *
   * @returns undefined when there is no such file.
   * @throws E_FORMAT for a name that is not a bare file name, or a link that leaves the folder; E_IO; E_ABORTED.
   */
  open(name: string): Promise<ByteSource | undefined>;
}

/**
 * The files of a list, of a folder by its path, or of a URL that ends with a slash.
 *
 * @returns undefined when the input is a single file.
 * @throws E_IO when there is nothing at a path; E_FORMAT when a list has a name twice.
 */
export async function openFolder(input: SourceInput | readonly SourceInput[], options: SourceOptions = {}): Promise<FileSet | undefined> {
  if (isList(input)) return listSet(input, options);
  if (typeof input !== "string" && !(input instanceof URL)) return undefined;
  const text = String(input);
  if (isUrl(text) && !text.startsWith("file:"))
    return /^https?:/i.test(text) && new URL(text).pathname.endsWith("/") ? urlSet(text, options) : undefined;
  const path = text.startsWith("file:") ? platform.pathOfUrl(text) : text;
  const names = await platform.listFolder(path);
  return names && folderSet(path, names, options);
}

function isList(input: SourceInput | readonly SourceInput[]): input is readonly SourceInput[] {
  return Array.isArray(input);
}

/** Whether a name can only mean a file of the same folder. */
export function isBareName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends names in C
  return /^[^/\\\u0000]+$/.test(name) && name !== "." && name !== "..";
}

function requireBare(name: string): void {
  if (!isBareName(name)) throw new TritlensError("E_FORMAT", "a file of a model", { expected: "a bare file name", found: JSON.stringify(name) });
}

/** The files beside one that was named by its path or URL. */
export function filesBeside(input: string | URL, options: SourceOptions = {}): FileSet {
  const text = String(input);
  if (isUrl(text) && !text.startsWith("file:")) return urlSet(new URL(".", text).href, options);
  const path = text.startsWith("file:") ? platform.pathOfUrl(text) : text;
  const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  return folderSet(folder === "" ? "." : folder, undefined, options);
}

function folderSet(path: string, names: readonly string[] | undefined, options: SourceOptions): FileSet {
  return {
    kind: "folder",
    name: path,
    names,
    async open(name) {
      requireBare(name);
      const found = await platform.findInFolder(path, name);
      // A blob of Hugging Face's cache is called by its hash; messages say what was asked for.
      return found === undefined ? undefined : fileSource(found, name, options);
    },
  };
}

function urlSet(url: string, options: SourceOptions): FileSet {
  const base = new URL(url);
  return {
    kind: "url",
    name: url,
    names: undefined,
    async open(name) {
      requireBare(name);
      const at = new URL(base);
      at.pathname += encodeURIComponent(name);
      return tryOpen(at, options);
    },
  };
}

function listSet(inputs: readonly SourceInput[], options: SourceOptions): FileSet {
  const byName = new Map<string, SourceInput>();
  for (const [i, input] of inputs.entries()) {
    const own = lastSegment(nameOf(input));
    // Bytes have no name of their own.
    const name = own === "memory" || own === "blob" ? `${own} ${i}` : own;
    if (byName.has(name)) throw new TritlensError("E_FORMAT", "a list of files", { expected: "different names", found: `"${name}" twice` });
    byName.set(name, input);
  }
  return {
    kind: "list",
    name: "the list of files",
    names: [...byName.keys()].sort(),
    async open(name) {
      requireBare(name);
      const input = byName.get(name);
      return input === undefined ? undefined : tryOpen(input, options);
    },
  };
}

/** File name at the end of a path or URL. */
function lastSegment(name: string): string {
  if (!isUrl(name)) return name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  const segment = new URL(name).pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
