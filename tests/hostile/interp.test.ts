/** Bad input for every analysis: each call is refused with a typed error that helps, and the model stays usable. */
import type { Core, Model } from "tritlens";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { coreUnderTest } from "../conformance/support.ts";
import { outcomeOf } from "./interp/attack.ts";
import { CLEAN, CORRUPT, METRIC, METRICS, MODELS, modelOf, OTHERS, TOKENS } from "./interp/inputs.ts";
import { type Inputs, VERBS } from "./interp/verbs.ts";

let core: Core;
let model: Model;
let before: Float32Array;
let good: Inputs;
beforeAll(async () => {
  core = await coreUnderTest();
  model = modelOf(core);
  before = model.forward(CLEAN).data.slice();
  good = { model, tokens: CLEAN, corrupt: CORRUPT, metric: METRIC };
});
afterEach(() => expect(model.forward(CLEAN).data, "the model afterwards").toEqual(before));

/** The outcomes of a verb that are not the wanted ones. */
async function faults(verb: string, table: readonly (readonly [what: string, codes: string, inputs: Partial<Inputs>])[]): Promise<string[]> {
  const out: string[] = [];
  for (const [what, codes, inputs] of table) {
    const found = await outcomeOf(() => VERBS[verb]?.call({ ...good, ...inputs }));
    const fits = codes === "thrown" ? found.includes("metric") && found.startsWith("untyped") : codes.split(" ").includes(found);
    const taken = found === "ok" && VERBS[verb]?.takes?.includes(what);
    if (!fits && !taken) out.push(`${what}: wanted ${codes}, got ${found}`);
  }
  return out;
}

const names = (test: (verb: string) => unknown): string[] => Object.keys(VERBS).filter(test);

describe("each analysis", () => {
  it.each(names(() => true))("works on good input: %s", async (verb) => {
    expect(await faults(verb, [["good input", verb === "matrixAttribution" ? "E_MODE ok" : "ok", {}]])).toEqual([]);
  });
  it.each(names(() => true))("refuses tokens that are none: %s", async (verb) => {
    expect(
      await faults(
        verb,
        Object.entries(TOKENS).map(([what, [codes, tokens]]) => [what, codes, { tokens: tokens() }]),
      ),
    ).toEqual([]);
  });
  it.each(names((v) => VERBS[v]?.pair))("refuses other prompts that are none: %s", async (verb) => {
    const wrong = Object.entries(TOKENS).map(([what, [codes, tokens]]) => [what, codes, { corrupt: tokens() }] as const);
    // Too long a prompt is of another length first.
    const other = Object.entries(OTHERS).map(([what, corrupt]) => [what, "E_SHAPE", { corrupt }] as const);
    expect(await faults(verb, [...wrong.map(([w, c, i]) => [w, `${c} E_SHAPE`, i] as const), ...other])).toEqual([]);
  });
  it.each(names((v) => VERBS[v]?.metric))("refuses metrics: %s", async (verb) => {
    expect(
      await faults(
        verb,
        Object.entries(METRICS).map(([what, [codes, metric]]) => [what, codes, { metric }]),
      ),
    ).toEqual([]);
  });
  it.each(names((v) => VERBS[v]?.long))("ends when it is told to: %s", async (verb) => {
    const during = new AbortController();
    const throws = () => {
      throw new Error("metric of progress");
    };
    expect(
      await faults(verb, [
        ["before", "E_ABORTED", { options: { signal: AbortSignal.abort() } }],
        ["in onProgress", "E_ABORTED ok", { options: { signal: during.signal, onProgress: () => during.abort() } }],
        ["onProgress throws", "thrown", { options: { onProgress: throws } }],
      ]),
    ).toEqual([]);
  });
  it.each(names((v) => VERBS[v]?.partial))("returns what is done: %s", async (verb) => {
    const result = await VERBS[verb]?.call({ ...good, options: { signal: AbortSignal.abort(), stopOnAbort: true } });
    expect(result).toMatchObject({ complete: false });
    expect(await outcomeOf(() => String(result))).toBe("ok");
    expect(await outcomeOf(() => (result as { svg?: () => string }).svg?.())).toBe("ok");
  });
  it.each(names(() => true))("refuses a disposed model: %s", async (verb) => {
    const gone = modelOf(core);
    gone.dispose();
    expect(await faults(verb, [["disposed", "E_CLOSED", { model: gone }]])).toEqual([]);
  });
});

describe.each(Object.entries(MODELS))("a model: %s", (_, make) => {
  it("gets an answer or a typed error from each analysis", async () => {
    using other = make(core);
    const logits = other.forward(CLEAN).data.slice();
    const out: string[] = [];
    for (const verb of names(() => true)) {
      out.push(...(await faults(verb, [[verb, "ok E_MODE E_NAME E_SPEC", { model: other }]])));
      expect(other.forward(CLEAN).data, verb).toEqual(logits);
    }
    expect(out).toEqual([]);
  });
});
