// Packs ternary codes five to a byte and multiplies with them: the product is exact, whatever instruction set runs it. node examples/05-packed.mjs
import { loadCore } from "tritlens";

const core = await loadCore();
const [rows, cols, batch] = [64, 300, 2];
const latent = new Float32Array(rows * cols);
const x = new Float32Array(batch * cols);
core.random(1, 0, 1, latent);
core.random(1, 1, 1, x);

const codes = new Int8Array(latent.length);
const scale = core.quantizeWeights("ternary", latent, codes);

for (const format of ["ternary2", "ternary5"]) {
  const packed = new Uint8Array(core.packedBytes(format, rows, cols));
  core.packCodes(format, codes, rows, cols, scale, packed);
  const y = new Float32Array(batch * rows);
  core.packedMatmul(format, packed, rows, cols, scale, x, batch, y);
  const expected = codes.subarray(0, cols).reduce((sum, code, i) => sum + code * x[i], 0) * scale;
  console.log(
    `${format}: ${packed.length} bytes instead of ${latent.length * 4}; y[0, 0] = ${y[0].toFixed(5)}, worked out by hand ${expected.toFixed(5)}`,
  );
  if (Math.abs(y[0] - expected) > 1e-4) process.exit(1);
}
