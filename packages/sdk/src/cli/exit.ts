/** Exit codes and how errors are printed. */
import { TritlensError } from "../core/index.ts";

/** 0 done, 1 error, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM. */
export const EXIT = { ok: 0, error: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** Codes that mean the command line was wrong rather than that something went wrong. */
const USAGE = new Set(["E_RANGE", "E_MODE", "E_NAME"]);

/** One line for people: `E_CODE: message (expected ..., found ...; did you mean ...?)`. */
export function describeError(error: unknown): string {
  if (!(error instanceof TritlensError)) return printable(`E_PANIC: ${error instanceof Error ? error.message : String(error)}`);
  const facts = [error.expected === undefined ? "" : `expected ${error.expected}`, error.found === undefined ? "" : `found ${error.found}`]
    .filter((s) => s !== "")
    .join(", ");
  const hint = error.nearest === undefined ? "" : `did you mean ${error.nearest}?`;
  const tail = [facts, hint].filter((s) => s !== "").join("; ");
  return printable(`${error.code}: ${bare(error)}${tail === "" ? "" : ` (${tail})`}`);
}

/** The message without what TritlensError put around it. */
function bare(error: TritlensError): string {
  let text = error.message.replace(/^E_[A-Z]+: /, "");
  for (const part of [
    error.nearest && `; did you mean ${error.nearest}?`,
    error.found !== undefined && `; found ${error.found}`,
    error.expected !== undefined && `; expected ${error.expected}`,
  ]) {
    if (part && text.endsWith(part)) text = text.slice(0, -part.length);
  }
  return text;
}

/** Control characters (from file names, or from files) must not reach a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are exactly what is escaped here
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** The exit code of an error. `beforeWork`: nothing had begun yet, so a wrong value came from the command line. */
export function exitCode(error: unknown, beforeWork: boolean): number {
  if (!(error instanceof TritlensError)) return EXIT.error;
  if (error.code === "E_ABORTED") return EXIT.interrupted;
  return beforeWork && USAGE.has(error.code) ? EXIT.usage : EXIT.error;
}
