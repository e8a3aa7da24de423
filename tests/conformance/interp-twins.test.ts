/** The twins that the analyses are tested with really are twins. */
import { type Core, Model } from "tritlens";
import { beforeAll, expect, it } from "vitest";
import { packedAndTwin, storedAndTwin, type Twins } from "../support/twins.ts";
import { coreUnderTest } from "./support.ts";

const tokens = [
  [1, 2, 3, 4, 18],
  [7, 0, 3, 11, 5],
];
let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

function check({ packed, twin }: Twins, name: string): void {
  expect(new Set(packed.trits(name).data)).toEqual(new Set([-1, 0, 1]));
  expect(() => twin.trits(name)).toThrow(/E_/);
  const [x, y] = [packed.forward(tokens).data, twin.forward(tokens).data];
  const worst = Math.max(...x.map((v, i) => Math.abs(v - (y[i] as number))));
  expect(worst).toBeLessThan(1e-5 * Math.max(...y.map(Math.abs)));
}

it("latent ternary weights", () => check(packedAndTwin(core, 3), "blocks.0.attn.W_Q"));
it("packed ternary weights", async () => check(await storedAndTwin(core, 3), "blocks.1.mlp.W_out"));
it("other architectures", () => check(packedAndTwin(core, 1, { normalization: "LN", gatedMlp: false, positions: "standard" }), "blocks.0.attn.W_O"));
it("differ by seed", () => {
  const [a, b] = [packedAndTwin(core, 0), packedAndTwin(core, 1)];
  expect(a.packed).toBeInstanceOf(Model);
  expect(a.twin.forward(tokens).data).not.toEqual(b.twin.forward(tokens).data);
});
