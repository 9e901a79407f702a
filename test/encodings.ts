/** The forms in which a value may turn up, written down a second time: what looks for a leak must not share the mask's mistakes. */

/** Long enough that chance does not write it. */
const SHORTEST = 8;

/** Every text that gives `value` away to somebody who knows the usual encodings. */
export function encodingsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const json = JSON.stringify(value).slice(1, -1);
  const url = encodeURIComponent(value);
  const all = [
    value,
    json,
    JSON.stringify(json).slice(1, -1),
    // JSON as `console.log` shows it in an object, and a Buffer in JSON.
    json.replaceAll("\\", "\\\\"),
    [...bytes].join(","),
    url,
    url.replaceAll(/%[0-9A-F]{2}/g, (it) => it.toLowerCase()),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...["", "x", "xy"].flatMap((before) => {
      const base64 = Buffer.concat([Buffer.from(before), bytes]).toString("base64");
      // The outermost characters may depend on what stands beside it.
      const end = Math.floor(((before.length + bytes.length) * 8) / 6);
      const inner = base64.slice(before === "" ? 0 : before.length + 1, end);
      return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
    }),
    ...(value.includes("\n") ? value.split(/\r?\n/).filter((line) => !line.startsWith("-----")) : []),
  ];
  return [...new Set(all)].filter((form) => form.length >= SHORTEST);
}
