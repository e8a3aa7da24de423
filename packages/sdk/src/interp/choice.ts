/** Options that are one of a few words. */
import { TritlensError } from "tritlens";

/** @throws E_NAME for a word that is none of the choices. */
export function requireChoice(what: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return;
  throw new TritlensError("E_NAME", `unknown ${what}`, { expected: choices.join(", "), found: String(value) });
}
