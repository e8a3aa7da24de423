/** Gradient methods on low-bit models and on the dense models with their weights: the same answers. */
import type { Core, Model } from "tritlens";
import { atpStar, attributionPatch, eap, eapIg, exactEdgeScores, logitDiff } from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { difference } from "../golden/support.ts";
import { packedAndTwin, storedAndTwin, type Twins } from "../support/twins.ts";
import { coreUnderTest } from "./support.ts";

const clean = [[1, 2, 3, 4, 5, 6]];
const corrupted = [[1, 7, 3, 4, 8, 9]];
const metric = logitDiff(3, 5);

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

describe.each([
  ["quantised when used", (): Promise<Twins> => Promise.resolve(packedAndTwin(core, 1))],
  ["packed", (): Promise<Twins> => storedAndTwin(core, 1)],
  ["packed, with sub-norms", (): Promise<Twins> => storedAndTwin(core, 1, { subNorm: true })],
] as const)("%s", (_, make) => {
  it("agrees with its dense twin", async () => {
    const { packed, twin } = await make();
    const edges = ["a0.h1->a1.h2<q>", "input->a1.kv1<k>", "m0->a1.kv0<v>", "a1.h3->m1", "m1->logits"];
    const same = async (what: string, of: (model: Model) => Promise<Float32Array> | Float32Array): Promise<void> => {
      expect(difference(await of(packed), await of(twin)), what).toBeLessThan(1e-5);
    };
    await same("EAP", (m) => eap(m, clean, corrupted, metric).scores.data);
    await same("EAP-IG", async (m) => (await eapIg(m, clean, corrupted, metric)).scores.data);
    await same("AtP*", async (m) => (await atpStar(m, clean, corrupted, metric)).get("k").data);
    await same("nodes", (m) => attributionPatch(m, clean, corrupted, metric).summed("attn.hook_z", ["head", "pos"]).data);
    await same("exact", async (m) => {
      const scores = await exactEdgeScores(m, clean, corrupted, metric, { edges });
      return Float32Array.from(edges, (id) => scores.get(id));
    });
    packed.dispose();
    twin.dispose();
  });
});
