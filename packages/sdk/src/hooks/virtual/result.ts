/** attn.hook_result: what each head adds to the residual stream. The heads of one position sum to hook_attn_out less the bias. */
import type { SiteDim } from "../../spec/index.ts";
import { Tensor } from "../../tensor/index.ts";
import { type LastInput, matrixInput } from "./last-input.ts";
import type { ModelParts } from "./part.ts";
import { addHeadRows, blockOf, headRows, headsOf, transposed } from "./rows.ts";
import type { Change, VirtualSite } from "./site.ts";

/** The outputs of the heads of a block. */
export class HeadResult implements VirtualSite {
  readonly name: string;
  readonly after: number;
  readonly targets: readonly number[];
  readonly excludes: readonly string[] = [];
  readonly shape: readonly SiteDim[];
  readonly #parts: ModelParts;
  readonly #input: LastInput;

  /** @param input - Where W_O's input is. @param target - hook_attn_out. */
  constructor(parts: ModelParts, name: string, input: LastInput, target: number) {
    this.name = name;
    this.after = input.site;
    this.targets = [target];
    this.shape = ["batch", "seq", parts.config.nHeads, parts.config.dModel];
    this.#parts = parts;
    this.#input = input;
  }

  read(base: Tensor): Tensor {
    const { heads, width, rows } = headsOf(base);
    const d = this.#parts.config.dModel;
    const matrix = this.#parts.read(this.#input.weight);
    const z = matrixInput(this.#parts, this.#input, base);
    const out = this.#zeros(base);
    for (let h = 0; h < heads; h++)
      addHeadRows(out, h, this.#parts.matmul(headRows(z, h), transposed(matrix, h * width, d, width, heads * width), rows, width, d));
    return out;
  }

  write(_target: number, value: Tensor, { from, to }: Change): void {
    const { heads } = headsOf(to);
    for (let h = 0; h < heads; h++) {
      addHeadRows(value, 0, headRows(to, h));
      addHeadRows(value, 0, headRows(from, h), -1);
    }
  }

  grad(_target: number, grad: Tensor, base: Tensor): Tensor {
    const out = this.#zeros(base);
    const { heads } = headsOf(out);
    for (let h = 0; h < heads; h++) addHeadRows(out, h, grad.data);
    return out;
  }

  giveBack(grad: Tensor, difference: Tensor): void {
    const { heads, width, rows } = headsOf(grad);
    const d = this.#parts.config.dModel;
    const matrix = this.#parts.read(this.#input.weight);
    const gain = this.#input.gain === undefined ? undefined : this.#parts.read(this.#input.gain);
    for (let h = 0; h < heads; h++) {
      const block = blockOf(matrix, h * width, d, width, heads * width);
      const add = this.#parts.matmul(headRows(difference, h), block, rows, d, width);
      addHeadRows(grad, h, gain ? add.map((x, i) => x * (gain[h * width + (i % width)] as number)) : add);
    }
  }

  #zeros({ shape }: Tensor): Tensor {
    const [batch, pos, heads] = shape as [number, number, number];
    const d = this.#parts.config.dModel;
    return Tensor.from(new Float32Array(batch * pos * heads * d), [batch, pos, heads, d], ["batch", "pos", "head", "d_model"]);
  }
}
