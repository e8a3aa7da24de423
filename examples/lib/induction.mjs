// The induction study: its data, its model, and four ways to find the heads. Used by examples/11-induction.mjs and by its test over seeds.
import { Model } from "tritlens";
import {
  attributionPatch,
  detectHead,
  getActPatchAttnHeadOutByPos,
  logitDiff,
  measureVariants,
  metricValue,
  normalized,
  readLogits,
} from "tritlens/interp";
import { dataOf, dice, learn, shuffled } from "./study.mjs";

const [WORDS, CONTEXT, LAYERS, HEADS] = [24, 32, 2, 4];
/** Names of all heads, in the order of every list below. */
export const HEAD_NAMES = Array.from({ length: LAYERS * HEADS }, (_, i) => `L${Math.floor(i / HEADS)}H${i % HEADS}`);
/** Prompts for the analyses: ten different words, then the first six of them again; the seventh is asked for. */
const [PERIOD, AGAIN] = [10, 6];

/** Random words that repeat with a period of 5 to 14: no fixed distance leads back to the earlier occurrence. Asked from the first repetition on. */
export function inductionData() {
  const roll = dice(1);
  const row = () => {
    const period = 5 + roll(10);
    const line = Array.from({ length: period }, () => roll(WORDS));
    while (line.length <= CONTEXT) line.push(line[line.length - period]);
    return { tokens: line.slice(0, CONTEXT), targets: line.slice(1).map((word, i) => (i < period ? -1 : word)) };
  };
  return dataOf(Array.from({ length: 20_000 }, row));
}

/** @param {"fp32" | "ternary"} mode @param {number} seed @param {ReturnType<typeof inductionData>} data */
export function trainInduction(mode, seed, data) {
  const quantizer = mode === "ternary" ? "ternary" : "none";
  const sizes = { nLayers: LAYERS, dModel: 64, nHeads: HEADS, dHead: 16, nCtx: CONTEXT, dVocab: WORDS };
  const model = Model.fromConfig({ ...sizes, attnOnly: true, positions: "shortformer", quantizer }, { seed });
  return learn(model, data, { name: `${mode}, seed ${seed}`, steps: mode === "ternary" ? 1500 : 1000, batchSize: 32, lr: 0.01, weightDecay: 0.03 });
}

/** Clean prompts; the same with the earlier occurrence of the last word replaced, so that there is nothing to go by; and the answer beside another word of the prompt. */
export function inductionPrompts(rows = 64) {
  const roll = dice(7);
  const made = Array.from({ length: rows }, () => {
    const order = shuffled(roll, WORDS);
    const list = order.slice(0, PERIOD);
    const clean = [...list, ...list.slice(0, AGAIN)];
    return { clean, corrupt: clean.with(AGAIN - 1, order[PERIOD]), answer: list[AGAIN], foil: list[AGAIN + 2], repeats: [...list, ...list, ...list] };
  });
  const [answers, foils] = [made.map((m) => m.answer), made.map((m) => m.foil)];
  return {
    clean: made.map((m) => m.clean),
    corrupt: made.map((m) => m.corrupt),
    repeats: made.map((m) => m.repeats),
    metric: logitDiff(answers, foils),
  };
}

/** Where a head of each kind does its work: the word after the earlier occurrence, and the last word. */
const ROLES = /** @type {const} */ ({
  previous: { kind: "previous_token_head", pos: AGAIN, ideal: 1 },
  induction: { kind: "induction_head", pos: PERIOD + AGAIN - 1, ideal: 2 / 3 },
});
/**
 * From which share of an ideal head's attention, and of the difference between the two runs, a head counts as one. Ablations of single heads show little where heads of a kind share the
 * work, because the norm makes up for what is missing.
 */
const LEAST = { detector: 0.55, ablation: 0.015, patching: 0.08, attribution: 0.08 };

/**
 * The heads of a role, found four ways: what they look at; what is lost when the clean run gets their output from the corrupted one (ablation by resampling); what is restored when the
 * corrupted run gets their clean output (patching); and what attribution patching estimates for that. Numbers are [layer * heads + head].
 *
 * @param {Model} model @param {ReturnType<typeof inductionPrompts>} prompts @param {"previous" | "induction"} role
 */
export async function headsOf(model, { clean, corrupt, repeats, metric }, role) {
  const { kind, pos, ideal } = ROLES[role];
  const { share, cleanCache, corruptCache } = bothRuns(model, clean, corrupt, metric);
  const at = (/** @type {import("tritlens").Tensor} */ t) => Array.from(t.slice("pos", pos).data);
  const numbers = {
    detector: Array.from(detectHead(model, repeats, kind).scores.data, (x) => x / ideal),
    ablation: at((await getActPatchAttnHeadOutByPos(model, clean, corruptCache, share)).values).map((x) => 1 - x),
    patching: at((await getActPatchAttnHeadOutByPos(model, corrupt, cleanCache, share)).values),
    attribution: at(attributionPatch(model, clean, corrupt, share).summed("attn.hook_z", ["pos", "head"])),
  };
  const named = (/** @type {keyof typeof LEAST} */ way) => HEAD_NAMES.filter((_, i) => numbers[way][i] >= LEAST[way]);
  return {
    numbers,
    names: { detector: named("detector"), ablation: named("ablation"), patching: named("patching"), attribution: named("attribution") },
  };
}

/**
 * How much of the behaviour is left (1 all, 0 none) when these heads get their output of the corrupted run, everywhere.
 *
 * @param {Model} model @param {ReturnType<typeof inductionPrompts>} prompts @param {readonly string[]} heads
 */
export async function leftWithout(model, { clean, corrupt, metric }, heads) {
  const { share, corruptCache } = bothRuns(model, clean, corrupt, metric);
  const edits = heads.map((name) => {
    const [layer, head] = [Number(name[1]), Number(name[3])];
    const z = `blocks.${layer}.attn.hook_z`;
    return /** @type {const} */ ([z, { kind: "patch", value: corruptCache.get(z), at: { head } }]);
  });
  return (await measureVariants(model, clean, [{ edits }], share)).values[0];
}

/** Both runs, and the metric as a share of the difference between them. @param {Model} model @param {number[][]} clean @param {number[][]} corrupt @param {import("tritlens/interp").Metric} metric */
function bothRuns(model, clean, corrupt, metric) {
  const [a, b] = [model.runWithCache(clean), model.runWithCache(corrupt)];
  const value = (/** @type {import("tritlens").Tensor} */ logits) => metricValue(metric, readLogits(metric, logits));
  return { share: normalized(metric, { clean: value(a.logits), corrupt: value(b.logits) }), cleanCache: a.cache, corruptCache: b.cache };
}
