/** What an attack on an analysis is, and how its outcome is judged. */
import { TritlensError } from "tritlens";

/** A call that has to be refused. */
export interface Attack {
  readonly id: string;
  /** Codes it may be refused with; the first is the usual one. `ok` where an answer is fine, too. */
  readonly want: readonly string[];
  readonly call: () => unknown;
}

/** Makes rows: `row("E_RANGE", "a head that is not there", () => ...)`. */
export const row = (want: string, id: string, call: () => unknown): Attack => ({ id, want: want.split(" "), call });

/** Says nothing that could help: they are about the call, not about a value. */
const MUTE = new Set(["E_ABORTED", "E_CLOSED", "E_DETACHED", "E_NONFINITE", "E_IO"]);

/** How a call ends: `ok`, a code, or what is wrong with its error. */
export async function outcomeOf(call: () => unknown): Promise<string> {
  try {
    const result = call();
    if (typeof (result as AsyncIterable<unknown>)?.[Symbol.asyncIterator] === "function") for await (const _ of result as AsyncIterable<unknown>);
    else await result;
    return "ok";
  } catch (error) {
    if (!(error instanceof TritlensError)) return `untyped: ${error instanceof Error ? (error.stack ?? "").slice(0, 500) : String(error)}`;
    if (error.code === "E_PANIC") return error.message;
    if (MUTE.has(error.code)) return error.code;
    const helps = error.nearest !== undefined || (error.expected !== undefined && error.found !== undefined);
    return helps ? error.code : `${error.code} without expected and found, or nearest: ${error.message}`;
  }
}

/** A view of a buffer that was transferred away. */
export function detached<T extends Int32Array | Float32Array>(view: T): T {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}
