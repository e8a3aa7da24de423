/** The theme's colours as they are written into a picture. */
import { COLOURS, type ColourName, hex, inkOver, RAMPS, type RampName, rampColour, SERIES, type Shades } from "./theme.ts";

/** Steps of a ramp. More could not be told apart; odd, so that 0 of a diverging ramp is one of them. */
export const LEVELS = 41;

/** Writes colours for a light or a dark page, or, with `auto`, names that a style sheet in the picture gives the reader's colours. */
export class Paint {
  readonly #theme: "light" | "dark" | "auto";
  readonly #used = new Map<string, Shades>();

  constructor(theme: "light" | "dark" | "auto") {
    this.#theme = theme;
  }

  /** A colour of the page. */
  colour(name: ColourName): string {
    return this.#write(name, COLOURS[name]);
  }

  /** Colour of a series; they come again after the last. */
  series(index: number): string {
    const i = index % SERIES.length;
    return this.#write(`series-${i}`, SERIES[i] as Shades);
  }

  /** A step of a ramp, 0 to LEVELS - 1. */
  level(ramp: RampName, level: number): string {
    return this.#write(`${ramp}-${level}`, rampShades(ramp, level).fill);
  }

  /** Ink that can be read on a step of a ramp. */
  over(ramp: RampName, level: number): string {
    return this.#write(`on-${ramp}-${level}`, rampShades(ramp, level).ink);
  }

  /** Class of the picture's root, and the style sheet that goes with it; empty without `auto`. Classes are the same in every picture, and so are their values. */
  style(): string {
    if (this.#theme !== "auto") return "";
    const values = (theme: "light" | "dark"): string => [...this.#used].map(([name, shades]) => `--tl-${name}:${shades[theme]}`).join(";");
    return `<style>.tritlens-auto{${values("light")}}@media (prefers-color-scheme:dark){.tritlens-auto{${values("dark")}}}</style>`;
  }

  #write(name: string, shades: Shades): string {
    if (this.#theme !== "auto") return shades[this.#theme];
    this.#used.set(name, shades);
    return `var(--tl-${name})`;
  }
}

interface Step {
  readonly fill: Shades;
  readonly ink: Shades;
}

const steps = new Map<string, Step>();

function rampShades(ramp: RampName, level: number): Step {
  const key = `${ramp}-${level}`;
  let step = steps.get(key);
  if (step === undefined) {
    const [light, dark] = [rampColour(RAMPS[ramp].light, level / (LEVELS - 1)), rampColour(RAMPS[ramp].dark, level / (LEVELS - 1))];
    step = { fill: { light: hex(light), dark: hex(dark) }, ink: { light: inkOver(light), dark: inkOver(dark) } };
    steps.set(key, step);
  }
  return step;
}
