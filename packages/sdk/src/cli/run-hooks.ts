/** Hooks as the command line writes them: `NAME[@AXIS=PLACE,...][:ACTION]`. */
import { TritlensError, unknownName } from "../core/index.ts";
import type { GenerateHook, GenerateHookFn } from "../generate/index.ts";
import type { Edit } from "../hooks/index.ts";
import { shortNumber } from "./text.ts";

const ACTIONS = ["print", "zero", "mean", "scale", "add", "set"] as const;

/**
 * `blocks.3.attn.hook_z@head=5:zero`, `blocks.*.hook_resid_post@pos=4..8:scale=2`, `hook_embed` (prints what passes).
 *
 * @param say - Prints a line.
 * @throws E_NAME for an unknown action, E_RANGE for a place or number that is none.
 */
export function parseHook(text: string, say: (line: string) => void): GenerateHook {
  const [where = "", action = "print", ...rest] = text.split(":");
  const [name = "", places] = where.split("@");
  const [kind = "", number] = action.split("=");
  if (rest.length > 0 || !(ACTIONS as readonly string[]).includes(kind)) throw unknownName("action of a hook", [action, ...rest].join(":"), ACTIONS);
  const at = places === undefined ? {} : { at: Object.fromEntries(places.split(",").map(parsePlace)) };
  if (kind === "print") return [name, printing(say)];
  if (kind === "zero" || kind === "mean") return [name, { kind, ...at }];
  const value = Number(number ?? "");
  if (number === undefined || number.trim() === "" || !Number.isFinite(value)) {
    throw new TritlensError("E_RANGE", `the hook "${text}" needs a number`, { expected: `${kind}=NUMBER`, found: action });
  }
  return [name, (kind === "scale" ? { kind, factor: value, ...at } : { kind, value, ...at }) as Edit];
}

/** `head=5`, or `pos=4..8` for 4 to 7. */
function parsePlace(text: string): [string, number | [number, number]] {
  const match = /^(\w+)=(\d+)(?:\.\.(\d+))?$/.exec(text.trim());
  if (!match) throw new TritlensError("E_RANGE", "a hook's place is malformed", { expected: "AXIS=INDEX or AXIS=FROM..TO", found: text });
  const [, axis = "", lo, hi] = match;
  return [axis, hi === undefined ? Number(lo) : [Number(lo), Number(hi)]];
}

function printing(say: (line: string) => void): GenerateHookFn {
  return ({ data, shape }, { name, from, to }) => {
    let [sum, squares, largest] = [0, 0, 0];
    for (const x of data) {
      sum += x;
      squares += x * x;
      largest = Math.max(largest, Math.abs(x));
    }
    const facts = `mean ${shortNumber(sum / data.length)}, rms ${shortNumber(Math.sqrt(squares / data.length))}, largest ${shortNumber(largest)}`;
    say(`${name} ${from}..${to} [${shape.join(", ")}] ${facts}`);
  };
}
