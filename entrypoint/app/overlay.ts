/** The overlay on `process.env`: an unmodified server reads its settings by name, and nothing that lists or copies it sees them. */
import { syncBuiltinESMExports } from "node:module";

/**
 * `process.env` can't hide a property (defining a non-enumerable one throws), so a Proxy takes its place. What the app
 * assigns to a setting's name stays in the overlay and never reaches the real environment. Children and workers copy the real one.
 */
export function installOverlay(
  names: readonly string[],
  readText: (name: string) => string | undefined,
): void {
  const environment = process.env;
  const overlaid = new Set(names);
  const assigned = new Map<string, string | undefined>();
  const read = (name: string) => (assigned.has(name) ? assigned.get(name) : readText(name));
  const covers = (name: string | symbol): name is string =>
    typeof name === "string" && overlaid.has(name) && read(name) !== undefined;

  process.env = new Proxy(environment, {
    get: (target, name) => (covers(name) ? read(name) : Reflect.get(target, name)),
    has: (target, name) => covers(name) || Reflect.has(target, name),
    getOwnPropertyDescriptor: (target, name) =>
      covers(name)
        ? { value: read(name), writable: true, configurable: true, enumerable: false }
        : Reflect.getOwnPropertyDescriptor(target, name),
    set: (target, name, value) => {
      if (typeof name !== "string" || !overlaid.has(name)) return Reflect.set(target, name, value);
      assigned.set(name, `${value}`);
      return true;
    },
    defineProperty: (target, name, descriptor) => {
      if (typeof name !== "string" || !overlaid.has(name))
        return Reflect.defineProperty(target, name, descriptor);
      assigned.set(name, `${descriptor.value}`);
      return true;
    },
    deleteProperty: (target, name) => {
      if (typeof name === "string" && overlaid.has(name)) assigned.set(name, undefined);
      return Reflect.deleteProperty(target, name);
    },
    // A real variable of the same name is covered by the setting, so it is not listed either.
    ownKeys: (target) => Reflect.ownKeys(target).filter((name) => !covers(name)),
  });
  // Without it, modules that were linked earlier keep `import { env } from "node:process"` as it was.
  syncBuiltinESMExports();
}
