/** What a matrix multiplies with, from the last activation before it that the program holds. */
import { Tensor } from "../../tensor/index.ts";
import { fakeInt8 } from "./norm.ts";
import type { ModelParts } from "./part.ts";
import { headsOf } from "./rows.ts";

/** The last activation before a matrix. */
export interface LastInput {
  /** Its index among the core sites. */
  readonly site: number;
  /** The matrix. */
  readonly weight: string;
  /** Gain between the activation and the matrix, where there is one. */
  readonly gain?: string | undefined;
}

/** The matrices into the residual stream. */
const OUT = {
  attn: { weight: "attn.W_O", at: "attn.o.", subNorm: "attn.sub_norm.", plain: "attn.hook_z" },
  mlp: { weight: "mlp.W_out", at: "mlp.out.", subNorm: "mlp.sub_norm.", plain: "mlp.hook_post" },
} as const;

/** The input of W_O or W_out of a block: the quantiser's where it is a site, else what a norm before the matrix gives, else hook_z or hook_post. */
export function lastInput(parts: ModelParts, block: string, half: keyof typeof OUT): LastInput | undefined {
  const { at, subNorm, plain, ...names } = OUT[half];
  const weight = block + names.weight;
  const norm = (on: boolean, where: string): [site: string, gain?: string][] =>
    on ? [[`${block}${where}hook_normalized`, `${block}${where}w`]] : [];
  const candidates: [site: string, gain?: string][] = [
    [`${block}${at}hook_in`],
    ...norm(parts.ownNorm(weight), `${at}norm.`),
    ...norm(parts.config.subNorm, subNorm),
    [block + plain],
  ];
  for (const [name, gain] of candidates) {
    const site = parts.site(name);
    if (site !== undefined) return { site, weight, gain };
  }
  return undefined;
}

/** The values that the matrix gets, in the shape of the activation: behind the gain, rounded as its quantiser does. */
export function matrixInput(parts: ModelParts, { weight, gain }: LastInput, value: Tensor): Tensor {
  const { heads, width } = headsOf(value);
  const w = gain === undefined ? undefined : parts.read(gain);
  const scaled = w ? value.data.map((x, i) => x * (w[i % w.length] as number)) : value.data;
  return Tensor.from(parts.int8(weight) ? fakeInt8(parts.core, scaled, heads * width) : scaled, value.shape, value.axes);
}
