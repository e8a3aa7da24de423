// The induction study: its data, its model, and four ways to find the heads. Used by examples/11-induction.mjs and by its test over seeds.
import { Model } from "tritlens";
import { attributionPatch, detectHead, getActPatchAttnHeadOutByPos, logitDiff, normalized } from "tritlens/interp";
import { dataOf, dice, fit, shuffled } from "./study.mjs";

const [WORDS, CONTEXT, LAYERS, HEADS] = [24, 32, 2, 4];
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
export function trainInduction(mode, seed, data, steps = 1000) {
  const quantizer = mode === "ternary" ? "ternary" : "none";
  const sizes = { nLayers: LAYERS, dModel: 64, nHeads: HEADS, dHead: 16, nCtx: CONTEXT, dVocab: WORDS };
  const model = Model.fromConfig({ ...sizes, attnOnly: true, positions: "shortformer", quantizer }, { seed });
  return fit(model, data, { name: `${mode}, seed ${seed}`, steps, batchSize: 32, lr: 0.01, weightDecay: 0.03 });
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
  return { clean: made.map((m) => m.clean), corrupt: made.map((m) => m.corrupt), repeats: made.map((m) => m.repeats), metric: logitDiff(answers, foils) };
}

/** Where a head of each kind does its work: the word after the earlier occurrence, and the last word. */
const ROLES = /** @type {const} */ ({
  previous: { kind: "previous_token_head", pos: AGAIN, ideal: 1 },
  induction: { kind: "induction_head", pos: PERIOD + AGAIN - 1, ideal: 2 / 3 },
});
/** From which share of an ideal head's attention, and of the whole effect, a head counts as one. */
const [SCORE, EFFECT] = [0.42, 0.07];

/**
 * The heads of a role, found four ways: what they look at; what is lost when their output is taken from the corrupted run (ablation); what is restored when the corrupted run gets their
 * clean output (patching); and what attribution patching estimates for that. All [layer * heads + head], effects as shares of the whole difference between the two runs.
 *
 * @param {Model} model @param {ReturnType<typeof inductionPrompts>} prompts @param {keyof typeof ROLES} role
 */
export async function headsOf(model, { clean, corrupt, repeats, metric }, role) {
  const { kind, pos, ideal } = ROLES[role];
  const [cleanRun, corruptRun] = [model.runWithCache(clean), model.runWithCache(corrupt)];
  const ends = { clean: metric.value(lastLogits(cleanRun.logits, metric)), corrupt: metric.value(lastLogits(corruptRun.logits, metric)) };
  const effect = normalized(metric, ends);
  const at = (/** @type {import("tritlens").Tensor} */ t) => Array.from(t.slice("pos", pos).data);
  const detector = Array.from(detectHead(model, repeats, kind).scores.data, (x) => x / ideal);
  const patching = at((await getActPatchAttnHeadOutByPos(model, corrupt, cleanRun.cache, effect)).values);
  const ablation = at((await getActPatchAttnHeadOutByPos(model, clean, corruptRun.cache, effect)).values).map((x) => 1 - x);
  const attribution = at(attributionPatch(model, clean, corrupt, effect).summed("attn.hook_z", ["pos", "head"]));
  return { detector, ablation, patching, attribution };
}

/** @param {import("tritlens").Tensor} logits @param {import("tritlens/interp").Metric} metric */
const lastLogits = (logits, metric) => readLogits(metric, logits);

/** Names of the heads whose number reaches the threshold. @param {readonly number[]} numbers @param {number} least */
const reaching = (numbers, least) => numbers.flatMap((x, i) => (x >= least ? [`L${Math.floor(i / HEADS)}H${i % HEADS}`] : []));

/** @param {Awaited<ReturnType<typeof headsOf>>} found */
export function namedHeads({ detector, ablation, patching, attribution }) {
  return { detector: reaching(detector, SCORE), ablation: reaching(ablation, ABLATION), patching: reaching(patching, EFFECT), attribution: reaching(attribution, EFFECT) };
}
