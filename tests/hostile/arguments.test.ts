/** Arguments that do not exist, of every analysis, cache verb and sweep; files of circuits and lenses that are malformed. */
import { afterAll, beforeEach, expect, it } from "vitest";
import { coreUnderTest } from "../conformance/support.ts";
import { analysisAttacks, cacheAttacks } from "./interp/arguments.ts";
import { type Attack, outcomeOf } from "./interp/attack.ts";
import { circuitAttacks, weightAttacks } from "./interp/circuits.ts";
import { CLEAN, modelOf } from "./interp/inputs.ts";

const core = await coreUnderTest();
const model = modelOf(core);
const other = modelOf(core, { nHeads: 4, dHead: 2 });
const before = model.forward(CLEAN).data.slice();
const tables: Record<string, Attack[]> = {
  caches: cacheAttacks(model),
  analyses: analysisAttacks(model),
  circuits: circuitAttacks(model, other),
  weights: weightAttacks(model),
};
beforeEach(() => expect(model.forward(CLEAN).data).toEqual(before));
afterAll(() => expect(model.forward(CLEAN).data).toEqual(before));

it.each(Object.entries(tables).flatMap(([table, rows]) => rows.map((row) => [table, row.id, row] as const)))("%s: %s", async (_table, _id, row) => {
  expect(row.want).toContain(await outcomeOf(row.call));
});
