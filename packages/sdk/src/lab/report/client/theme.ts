/** The theme of all pictures as the page's custom properties. Run when the page's style is bundled (scripts/bundle-assets.mjs). */
import { CODE_RAMP, COLOURS, FONTS, SERIES, type Shades, VALUE_RAMP } from "../../../plots/theme.ts";

/** Which colour of a series each mode has: the two of a kind lie near each other. */
const MODES = { li_ternary: 0, li_binary: 1, ternary: 2, nanda_fp32: 3, binary: 4, fp32: 5 };

/** The style sheet that defines them, light and dark. */
export function themeCss(): string {
  const modes = Object.entries(MODES).map(([mode, i]): [string, Shades] => [`mode-${mode}`, SERIES[i] as Shades]);
  const shades = [...Object.entries(COLOURS), ...modes];
  const colours = (theme: "light" | "dark"): string => shades.map(([name, shade]) => `--${name}: ${shade[theme]};`).join("\n");
  const fonts = Object.entries(FONTS).map(([name, font]) => `--${name}: ${font};`);
  const [minus, zero, plus] = CODE_RAMP;
  const ramps = [
    `--ramp-value: linear-gradient(90deg, ${VALUE_RAMP.join(", ")});`,
    `--ramp-codes: linear-gradient(90deg, ${minus} 33%, ${zero} 33% 67%, ${plus} 67%);`,
  ];
  return [
    ":root {",
    "color-scheme: light dark;",
    colours("light"),
    ...fonts,
    ...ramps,
    "}",
    "@media (prefers-color-scheme: dark) {",
    ":root {",
    colours("dark"),
    "}",
    "}",
  ].join("\n");
}
