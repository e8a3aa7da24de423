/**
 * The one error class of tritlens and the helper that finds near names. The Rust core throws `E_CODE {json}`; {@link fromWire} turns that string
 * into a {@link TritlensError}, so that callers see the same object whether the check ran in Rust or in TypeScript.
 */

/** Stable codes. Programs switch on these; messages may be reworded. */
export type ErrorCode =
  | "E_SHAPE"
  | "E_NAME"
  | "E_SPEC"
  | "E_RANGE"
  | "E_BUSY"
  | "E_DETACHED"
  | "E_CLOSED"
  | "E_NONFINITE"
  | "E_MEMORY"
  | "E_FORMAT"
  | "E_CHECKPOINT"
  | "E_IO"
  | "E_LOCKED"
  | "E_ABORTED"
  | "E_PANIC"
  | "E_DEAD"
  | "E_MODE"
  | "E_BACKEND";

/** What an error can say beside its message. */
export interface ErrorDetails {
  /** What would have been right. */
  expected?: string;
  /** What came instead. */
  found?: string;
  /** The valid names nearest to a wrong one, comma separated. */
  nearest?: string;
  /** The error underneath, when there is one (a system error of the file system, say). */
  cause?: unknown;
}

/**
 * Every error that tritlens throws on purpose.
 *
 * @example
 * ```ts
 * try { model.runWithCache(tokens, { names: "blocks.0.hook_residpre" }); }
 * catch (e) { if (e instanceof TritlensError && e.code === "E_NAME") console.log(e.nearest); }
 * ```
 */
export class TritlensError extends Error {
  /** Always `TritlensError`. */
  override readonly name: string = "TritlensError";
  /** Stable code. */
  readonly code: ErrorCode;
  /** What would have been right, where that can be said. */
  readonly expected?: string;
  /** What came instead. */
  readonly found?: string;
  /** Nearest valid names. */
  readonly nearest?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(compose(code, message, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.found !== undefined) this.found = details.found;
    if (details.nearest !== undefined) this.nearest = details.nearest;
  }
}

/** Builds the text people read; the parts stay available as properties. */
function compose(code: ErrorCode, message: string, { expected, found, nearest }: ErrorDetails): string {
  const parts = [`${code}: ${printable(message)}`];
  if (expected !== undefined) parts.push(`expected ${printable(expected)}`);
  if (found !== undefined) parts.push(`found ${printable(found)}`);
  if (nearest) parts.push(`did you mean ${printable(nearest)}?`);
  return parts.join("; ");
}

/** Names come from files; control characters in them must not reach a terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are exactly what is escaped here
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

const WIRE = /^(E_[A-Z]+) (\{.*\})$/s;

/** Turns what a binding threw into a {@link TritlensError}; anything that is not the core's wire format becomes E_PANIC with its text. */
export function fromWire(error: unknown): TritlensError {
  if (error instanceof TritlensError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const match = WIRE.exec(text);
  if (!match) return new TritlensError("E_PANIC", `the core failed without a typed error: ${text}`, { cause: error });
  const wire = parseWire(match[2] as string);
  return new TritlensError(match[1] as ErrorCode, wire.message, { ...wire, cause: undefined });
}

/** Parses the JSON part; a null field means "not said". */
function parseWire(json: string): { message: string; expected?: string; found?: string; nearest?: string } {
  const raw = JSON.parse(json) as Record<string, unknown>;
  const out: { message: string; expected?: string; found?: string; nearest?: string } = { message: String(raw.message ?? "") };
  for (const key of ["expected", "found", "nearest"] as const) {
    if (typeof raw[key] === "string") out[key] = raw[key];
  }
  return out;
}

/** Edit distance (insert, delete, replace; each costs 1) between two strings. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The `count` names nearest to `name`, nearest first; ties keep the order of `names`. */
export function nearestNames(name: string, names: Iterable<string>, count = 3): string[] {
  // The end of a long name (`resid_post`) is nearer to it than a short name that happens to share letters.
  const isEnd = (candidate: string): number => (name !== "" && candidate.endsWith(name) ? 0 : 1);
  const scored = [...names].map((candidate) => ({ candidate, end: isEnd(candidate), distance: editDistance(name, candidate) }));
  scored.sort((x, y) => x.end - y.end || x.distance - y.distance);
  return scored.slice(0, count).map((s) => s.candidate);
}

/** The E_NAME error for a wrong name, with the nearest valid ones. `what` is the kind of thing named, for example `hook`. */
export function unknownName(what: string, name: string, names: Iterable<string>): TritlensError {
  const nearest = nearestNames(name, names).join(", ");
  return new TritlensError("E_NAME", `unknown ${what} "${name}"`, { found: name, ...(nearest ? { nearest } : { expected: "one of no names" }) });
}

/** True when the buffer under a view was transferred or detached: its length then reads 0 and nothing else tells. */
export function isDetached(view: ArrayBufferView): boolean {
  if (view.buffer.byteLength !== 0) return false;
  try {
    // ArrayBuffer.prototype.detached needs Node 21; constructing a view over a detached buffer throws everywhere.
    new Uint8Array(view.buffer as ArrayBuffer);
    return false;
  } catch {
    return true;
  }
}

/** Throws E_DETACHED when a view's buffer is gone. */
export function requireAttached(what: string, view: ArrayBufferView): void {
  if (isDetached(view)) {
    throw new TritlensError("E_DETACHED", `the buffer of ${what} was transferred or detached`, {
      expected: "an attached buffer",
      found: "a detached one",
    });
  }
}
