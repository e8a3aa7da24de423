// A linear layer whose weights stay packed: made from codes, compared in its formats, written for another program and read back. node examples/06-packed-layer.mjs
import { loadCore, PackedLinear } from "tritlens";

const core = await loadCore();
const [rows, cols] = [1024, 2560];
const latent = new Float32Array(rows * cols);
const x = new Float32Array(cols);
core.random(7, 0, 1, latent);
core.random(7, 1, 1, x);

const codes = new Int8Array(latent.length);
const scales = core.quantizeWeights("ternary", latent, codes);

for (const format of /** @type {const} */ (["ternary2", "ternary5"])) {
  const layer = PackedLinear.fromCodes({ codes, rows, cols, scales, format });
  const [exact, int8] = [layer.forward(x, { activations: "f32" }).data, layer.forward(x).data];
  const apart = Math.hypot(...int8.map((y, i) => y - exact[i])) / Math.hypot(...exact);
  console.log(
    `${format}: ${layer.info.bytes} bytes (f32: ${latent.length * 4}); int8 activations change the output by ${(100 * apart).toFixed(2)} %`,
  );
  if (!(apart < 0.02)) process.exit(1);
  layer.dispose();
}

// Out to llama.cpp's ternary blocks and back: nothing is lost, because its scale is a 16-bit float already.
const layer = PackedLinear.fromCodes({ codes, rows, cols, scales: 0.5 });
const { bytes } = layer.toLayout("tq2_0");
const again = PackedLinear.fromLayout("tq2_0", bytes, { rows, cols });
const same = again.forward(x).data.every((y, i) => y === layer.forward(x).data[i]);
console.log(`tq2_0: ${bytes.length} bytes, read back ${same ? "unchanged" : "changed"}`);
if (!same) process.exit(1);
